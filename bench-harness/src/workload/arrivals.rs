//! When operations are due in an open loop: a rate over time, and how arrivals are spaced in it.
//!
//! Times are seconds since the start of the phase. A rate is given by how many arrivals it brings
//! until some time (its integral) and by the inverse, the time by which there have been so many.
//! Evenly spaced arrivals are those times for 0, 1, 2, ...; a Poisson process of that rate is those
//! times for the points of a Poisson process of rate one (its time is stretched and squeezed).

use std::f64::consts::PI;

use serde::Serialize;

use crate::properties::{Properties, PropertyError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// One after each unit of expected arrivals.
    Even,
    /// Independent of each other, as those of many clients are.
    Poisson,
}

/// A rate over time, in arrivals a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "shape")]
pub enum Rate {
    /// Always the same.
    Constant { rate_ops_s: f64 },
    /// From one rate to another in a straight line, and then that.
    Ramp { rate_ops_s: f64, rate_to_ops_s: f64, period_s: f64 },
    /// From one rate to another in equal steps, and then that.
    Step {
        rate_ops_s: f64,
        rate_to_ops_s: f64,
        /// The length of each step.
        period_s: f64,
        steps: u64,
    },
    /// Up and down around a mean.
    Sine {
        rate_ops_s: f64,
        /// The peak; the trough lies as far below the mean.
        rate_to_ops_s: f64,
        period_s: f64,
    },
}

impl Rate {
    /// The arrivals to be expected until `s`.
    pub fn expected(&self, s: f64) -> f64 {
        match *self {
            Rate::Constant { rate_ops_s } => rate_ops_s * s,
            Rate::Ramp { rate_ops_s, rate_to_ops_s, period_s } => {
                let within_s = s.min(period_s);
                let slope = (rate_to_ops_s - rate_ops_s) / period_s;
                let line = rate_ops_s * within_s + slope * within_s * within_s / 2.0;
                line + rate_to_ops_s * (s - within_s)
            }
            Rate::Step { period_s, steps, .. } => {
                let whole = ((s / period_s) as u64).min(steps - 1);
                let before: f64 = (0..whole).map(|step| self.step_ops_s(step) * period_s).sum();
                before + self.step_ops_s(whole) * (s - whole as f64 * period_s)
            }
            Rate::Sine { rate_ops_s, rate_to_ops_s, period_s } => {
                let swing = (rate_to_ops_s - rate_ops_s) * period_s / (2.0 * PI);
                rate_ops_s * s + swing * (1.0 - (2.0 * PI * s / period_s).cos())
            }
        }
    }

    /// The time until which `count` arrivals are to be expected.
    pub fn time_of(&self, count: f64) -> f64 {
        match *self {
            Rate::Constant { rate_ops_s } => count / rate_ops_s,
            Rate::Ramp { rate_ops_s, rate_to_ops_s, period_s } => {
                let line = self.expected(period_s);
                if count > line {
                    return period_s + (count - line) / rate_to_ops_s;
                }
                let slope = (rate_to_ops_s - rate_ops_s) / period_s;
                // The root of slope/2 t^2 + rate t = count, in the form that loses no digits.
                2.0 * count / (rate_ops_s + (rate_ops_s * rate_ops_s + 2.0 * slope * count).max(0.0).sqrt())
            }
            Rate::Step { period_s, steps, .. } => {
                let (mut left, mut step) = (count, 0);
                while step < steps - 1 && left > self.step_ops_s(step) * period_s {
                    left -= self.step_ops_s(step) * period_s;
                    step += 1;
                }
                step as f64 * period_s + left / self.step_ops_s(step)
            }
            Rate::Sine { rate_ops_s, rate_to_ops_s, period_s } => {
                // The cosine adds between nothing and twice the swing to a straight line.
                let swing = (rate_to_ops_s - rate_ops_s) * period_s / (2.0 * PI);
                let (mut low, mut high) = ((count - 2.0 * swing) / rate_ops_s, count / rate_ops_s);
                while high - low > 1e-9 {
                    let middle = (low + high) / 2.0;
                    if middle <= low || middle >= high {
                        break;
                    }
                    if self.expected(middle) < count { low = middle } else { high = middle }
                }
                high.max(0.0)
            }
        }
    }

    /// The highest rate there is.
    pub fn peak_ops_s(&self) -> f64 {
        match *self {
            Rate::Constant { rate_ops_s } => rate_ops_s,
            Rate::Ramp { rate_ops_s, rate_to_ops_s, .. }
            | Rate::Step { rate_ops_s, rate_to_ops_s, .. }
            | Rate::Sine { rate_ops_s, rate_to_ops_s, .. } => rate_ops_s.max(rate_to_ops_s),
        }
    }

    fn step_ops_s(&self, step: u64) -> f64 {
        match *self {
            Rate::Step { rate_ops_s, rate_to_ops_s, steps, .. } if steps > 1 => {
                rate_ops_s + (rate_to_ops_s - rate_ops_s) * step as f64 / (steps - 1) as f64
            }
            _ => self.peak_ops_s(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Arrivals {
    pub spacing: Spacing,
    #[serde(flatten)]
    pub rate: Rate,
}

impl Arrivals {
    /// Poisson arrivals of a constant rate.
    pub fn poisson(rate_ops_s: f64) -> Arrivals {
        Arrivals { spacing: Spacing::Poisson, rate: Rate::Constant { rate_ops_s } }
    }

    /// What the properties ask for; nothing in a closed loop.
    pub fn from_properties(properties: &Properties) -> Result<Option<Arrivals>, PropertyError> {
        let kind = properties.choice("rabi.arrivals")?;
        let rate_ops_s = properties.number("rabi.rate")?;
        let rate_to_ops_s = properties.number("rabi.rate.to")?;
        if kind == "none" {
            return match rate_ops_s > 0.0 {
                true => Err(properties
                    .refuse("rabi.rate", "0 without rabi.arrivals (--arrivals), which needs a rate")),
                false => Ok(None),
            };
        }
        if properties.number("target")? > 0.0 {
            let allowed = "0 with rabi.arrivals: target paces a closed loop, rabi.rate an open one";
            return Err(properties.refuse("target", allowed));
        }
        if rate_ops_s <= 0.0 {
            return Err(properties.refuse("rabi.rate", "a number above 0: the rate of an open loop (--rate)"));
        }
        let varies = !["fixed", "poisson"].contains(&kind);
        if varies && rate_to_ops_s <= 0.0 {
            let allowed = "a number above 0: where the rate goes to (--rate-to)";
            return Err(properties.refuse("rabi.rate.to", allowed));
        }
        let steps = properties.count("rabi.steps")?;
        let period_s = if varies { period_s(properties, kind, steps)? } else { 0.0 };
        let rate = match kind {
            "ramp" => Rate::Ramp { rate_ops_s, rate_to_ops_s, period_s },
            "step" => Rate::Step { rate_ops_s, rate_to_ops_s, period_s, steps },
            "sine" if (rate_ops_s..=2.0 * rate_ops_s).contains(&rate_to_ops_s) => {
                Rate::Sine { rate_ops_s, rate_to_ops_s, period_s }
            }
            "sine" => {
                let allowed = "the peak of a sine: from rabi.rate, its mean, to twice that";
                return Err(properties.refuse("rabi.rate.to", allowed));
            }
            _ => Rate::Constant { rate_ops_s },
        };
        let spacing = if kind == "fixed" { Spacing::Even } else { Spacing::Poisson };
        Ok(Some(Arrivals { spacing, rate }))
    }
}

/// The period asked for, or what fits the duration of the phase: a whole ramp, all steps, or four
/// waves.
fn period_s(properties: &Properties, kind: &str, steps: u64) -> Result<f64, PropertyError> {
    let period_s = properties.number("rabi.period")?;
    if period_s > 0.0 {
        return Ok(period_s);
    }
    let duration_s = properties.number("maxexecutiontime")? + properties.number("rabi.warmup")?;
    if duration_s <= 0.0 {
        let allowed = "a number of seconds above 0, or a duration for the phase it can follow (--duration)";
        return Err(properties.refuse("rabi.period", allowed));
    }
    Ok(match kind {
        "ramp" => duration_s,
        "step" => duration_s / steps as f64,
        _ => duration_s / 4.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [Rate; 5] = [
        Rate::Constant { rate_ops_s: 250.0 },
        Rate::Ramp { rate_ops_s: 100.0, rate_to_ops_s: 500.0, period_s: 4.0 },
        Rate::Ramp { rate_ops_s: 500.0, rate_to_ops_s: 100.0, period_s: 4.0 },
        Rate::Step { rate_ops_s: 100.0, rate_to_ops_s: 400.0, period_s: 2.0, steps: 4 },
        Rate::Sine { rate_ops_s: 200.0, rate_to_ops_s: 400.0, period_s: 3.0 },
    ];

    /// The rates at a time, written down once more, to integrate them numerically.
    fn rate_at(rate: &Rate, s: f64) -> f64 {
        match *rate {
            Rate::Constant { rate_ops_s } => rate_ops_s,
            Rate::Ramp { rate_ops_s, rate_to_ops_s, period_s } => {
                rate_ops_s + (rate_to_ops_s - rate_ops_s) * (s / period_s).min(1.0)
            }
            Rate::Step { period_s, .. } => [100.0, 200.0, 300.0, 400.0][((s / period_s) as usize).min(3)],
            Rate::Sine { rate_ops_s, rate_to_ops_s, period_s } => {
                rate_ops_s + (rate_to_ops_s - rate_ops_s) * (2.0 * PI * s / period_s).sin()
            }
        }
    }

    #[test]
    fn expected_arrivals_are_the_integral_of_the_rate() {
        for rate in RATES {
            let (mut sum, width_s) = (0.0, 1e-4);
            for slice in 0..100_000 {
                sum += rate_at(&rate, (f64::from(slice) + 0.5) * width_s) * width_s;
                let s = f64::from(slice + 1) * width_s;
                if slice % 7_919 == 0 {
                    let expected = rate.expected(s);
                    assert!((expected - sum).abs() < 0.05, "{rate:?} at {s}: {expected} for {sum}");
                }
            }
        }
    }

    #[test]
    fn the_time_of_a_count_is_the_inverse_and_never_goes_back() {
        for rate in RATES {
            let mut last_s = 0.0;
            for count in 0..3_000 {
                let s = rate.time_of(f64::from(count));
                assert!(s >= last_s, "{rate:?}: {s} after {last_s}");
                assert!((rate.expected(s) - f64::from(count)).abs() < 1e-3, "{rate:?}: {count}");
                last_s = s;
            }
        }
    }

    fn read(text: &str) -> Result<Option<Arrivals>, String> {
        Arrivals::from_properties(&Properties::of(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn properties_say_what_arrives_and_a_period_follows_the_duration() {
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("rabi.arrivals=poisson\nrabi.rate=50").unwrap(), Some(Arrivals::poisson(50.0)));
        let step = "rabi.arrivals=step\nrabi.rate=100\nrabi.rate.to=400\nrabi.steps=4\nmaxexecutiontime=8";
        assert_eq!(read(step).unwrap().unwrap().rate, RATES[3]);
        let ramp = "rabi.arrivals=ramp\nrabi.rate=100\nrabi.rate.to=500\nrabi.period=4";
        assert_eq!(read(ramp).unwrap().unwrap().rate, RATES[1]);
        let sine = "rabi.arrivals=sine\nrabi.rate=200\nrabi.rate.to=400\nmaxexecutiontime=12";
        assert_eq!(read(sine).unwrap().unwrap().rate, RATES[4]);
    }
}

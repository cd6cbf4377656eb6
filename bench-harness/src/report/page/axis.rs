//! The axes of charts: where a value lies, where the ticks are, and how values are written.
//!
//! A place is a share of the axis, from 0 at its begin to 1 at its end. Pure.

use crate::report::number::{grouped, microseconds};

#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub place: f64,
    pub label: String,
}

#[derive(Debug, Clone)]
pub struct Axis {
    pub ticks: Vec<Tick>,
    low: f64,
    high: f64,
    curve: fn(f64) -> f64,
    show: fn(f64) -> String,
}

/// About as many ticks as can be read beside a chart.
const TICKS: f64 = 5.0;

impl Axis {
    /// From 0 to a round number that is at least `most`.
    pub fn linear(most: f64, show: fn(f64) -> String) -> Axis {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = step(most / TICKS);
        let count = (most / step).ceil() as usize;
        let values = (0..=count).map(|index| index as f64 * step);
        Axis::new(0.0, count as f64 * step, |value| value, show, values.collect())
    }

    /// Bytes from 0, with ticks at round numbers of mebibytes.
    pub fn binary(most: f64) -> Axis {
        let unit = f64::from(1 << 20);
        let mut axis = Axis::linear(most / unit, |mebibytes| bytes(mebibytes * f64::from(1 << 20)));
        axis.high *= unit;
        axis.show = bytes;
        axis
    }

    /// From 0 to exactly `most` seconds.
    pub fn time(most_s: f64) -> Axis {
        let most_s = most_s.max(1e-3);
        let step = step(most_s / (2.0 * TICKS));
        let values = (0..).map(|index| f64::from(index) * step).take_while(|value| *value <= most_s);
        Axis::new(0.0, most_s, |value| value, seconds, values.collect())
    }

    /// Microseconds, in powers of ten.
    pub fn latency(least_us: f64, most_us: f64) -> Axis {
        let low = least_us.clamp(1e-3, 1e9).log10().floor();
        let high = most_us.clamp(1e-3, 1e9).log10().ceil().max(low + 1.0);
        let decades = (low as i32..=high as i32).map(|decade| 10_f64.powi(decade));
        Axis::new(10_f64.powf(low), 10_f64.powf(high), |us| us.max(1e-3).log10(), latency, decades.collect())
    }

    /// Percentiles by their number of nines: 90 has one, 99 two, 99.9 three.
    pub fn nines(most: f64) -> Axis {
        let most = nines(most).ceil().max(1.0) as i32;
        let percentile = |nines: i32| 100.0 * (1.0 - 10_f64.powi(-nines));
        Axis::new(0.0, percentile(most), nines, percent, (0..=most).map(percentile).collect())
    }

    fn new(low: f64, high: f64, curve: fn(f64) -> f64, show: fn(f64) -> String, ticks: Vec<f64>) -> Axis {
        let mut axis = Axis { ticks: Vec::new(), low, high, curve, show };
        axis.ticks = ticks.into_iter().map(|v| Tick { place: axis.place(v), label: tick(show(v)) }).collect();
        axis
    }

    /// Where a value lies; what is beyond an end lies at that end.
    pub fn place(&self, value: f64) -> f64 {
        let (low, high) = ((self.curve)(self.low), (self.curve)(self.high));
        (((self.curve)(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// A value as it is written beside the chart.
    pub fn show(&self, value: f64) -> String {
        (self.show)(value)
    }
}

/// A label on an axis is round, so that its zeros after the point say nothing.
fn tick(label: String) -> String {
    let Some((number, unit)) = label.split_once(' ') else { return label };
    match number.contains('.') {
        _ if unit == "%" => format!("{number}%"),
        true => format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.')),
        false => label,
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-12).log10()
}

/// A percentile with as many decimals as tell it from 100.
pub fn percent(percentile: f64) -> String {
    let decimals = ((nines(percentile) - 1e-6).ceil() - 2.0).clamp(0.0, 9.0) as usize;
    format!("{percentile:.decimals$} %")
}

/// A latency in its natural unit, with three digits.
pub fn latency(us: f64) -> String {
    match us {
        us if us >= 999_500.0 => format!("{} s", microseconds(us / 1e6)),
        us if us >= 999.5 => format!("{} ms", microseconds(us / 1e3)),
        us if us >= 0.9995 => format!("{} µs", microseconds(us)),
        us => format!("{:.0} ns", us * 1e3),
    }
}

/// Seconds since a start.
pub fn seconds(s: f64) -> String {
    if s < 10.0 && s.fract() != 0.0 { format!("{s:.2} s") } else { format!("{s:.0} s") }
}

/// A large number, short: 1.25 M.
pub fn amount(value: f64) -> String {
    match value {
        value if value >= 999_500_000.0 => format!("{} G", microseconds(value / 1e9)),
        value if value >= 999_500.0 => format!("{} M", microseconds(value / 1e6)),
        value if value >= 9_999.5 => format!("{} k", microseconds(value / 1e3)),
        value if value.fract() == 0.0 => grouped(value as u64),
        value => microseconds(value),
    }
}

pub fn bytes(value: f64) -> String {
    let mebibytes = value / f64::from(1 << 20);
    if mebibytes >= 1024.0 {
        format!("{} GiB", microseconds(mebibytes / 1024.0))
    } else {
        format!("{} MiB", microseconds(mebibytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn axes_end_at_round_numbers_and_are_labelled_in_natural_units() {
        assert_eq!(labels(&Axis::linear(83_000.0, amount)), ["0", "20 k", "40 k", "60 k", "80 k", "100 k"]);
        assert_eq!(
            labels(&Axis::latency(0.7, 2_500.0)),
            ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]
        );
        assert_eq!(labels(&Axis::nines(99.95)), ["0%", "90%", "99%", "99.9%", "99.99%"]);
        assert_eq!(labels(&Axis::time(7.5)), ["0 s", "1 s", "2 s", "3 s", "4 s", "5 s", "6 s", "7 s"]);
    }

    #[test]
    fn nines_and_decades_have_equal_room() {
        let nines = Axis::nines(99.99);
        let places: Vec<_> = [0.0, 90.0, 99.0, 99.9].map(|p| (nines.place(p) * 4.0).round()).to_vec();
        assert_eq!(places, [0.0, 1.0, 2.0, 3.0]);
        let latency = Axis::latency(1.0, 1_000.0);
        assert!((latency.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((latency.place(0.0), latency.place(1e9)), (0.0, 1.0));
    }

    #[test]
    fn nothing_and_one_value_have_an_axis_too() {
        assert_eq!(Axis::linear(0.0, amount).place(0.0), 0.0);
        assert_eq!(Axis::time(0.0).place(0.0), 0.0);
        assert_eq!(labels(&Axis::latency(5.0, 5.0)), ["1 µs", "10 µs"]);
    }

    #[test]
    fn values_are_written_with_three_digits() {
        assert_eq!([0.25, 12.34, 1_500.0, 2.5e6].map(latency), ["250 ns", "12.3 µs", "1.50 ms", "2.50 s"]);
        assert_eq!([7.0, 8_500.0, 123_456.0, 2.5e6].map(amount), ["7", "8,500", "123 k", "2.50 M"]);
        assert_eq!(bytes(3.5 * 1024.0 * 1024.0 * 1024.0), "3.50 GiB");
    }
}

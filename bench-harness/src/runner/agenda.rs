//! The schedule of an open loop: when each operation is due, and who takes it.
//!
//! When operation i is due is a function of the seed and i alone: it is the sum of the gaps up to
//! i, and gap i is drawn from a random sequence of its own. So the schedule is the same for any
//! number of threads and however late they are. Threads take operations one by one, in order, and
//! the sum goes on under a lock that is held for some twenty nanoseconds.

use std::sync::{Mutex, PoisonError};

use crate::generator::Stream;
use crate::workload::{Arrivals, Spacing};

/// The operations of an open loop that nobody has taken yet.
#[derive(Debug)]
pub struct Agenda {
    arrivals: Arrivals,
    stream: Stream,
    total: u64,
    next: Mutex<Place>,
}

/// How far the schedule has been dealt out.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: u64,
    /// Where operation `index` stands, in expected arrivals.
    count: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appointment {
    pub index: u64,
    /// When it is due, in nanoseconds since the start of the phase.
    pub due_ns: u64,
}

/// Operations that were due and never begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub operations: u64,
    /// For how long the first of them had been waiting.
    pub oldest_wait_ns: u64,
}

impl Agenda {
    /// The schedule of a phase. Without a total it never ends.
    pub fn new(arrivals: Arrivals, stream: Stream, total: Option<u64>) -> Agenda {
        let agenda = Agenda {
            arrivals,
            stream,
            total: total.unwrap_or(u64::MAX),
            next: Mutex::new(Place { index: 0, count: 0.0 }),
        };
        // Even arrivals begin at once, those of a Poisson process after a gap.
        let count = if arrivals.spacing == Spacing::Poisson { agenda.gap(0) } else { 0.0 };
        Agenda { next: Mutex::new(Place { index: 0, count }), ..agenda }
    }

    /// Takes the next operation; none if all are taken.
    pub fn take(&self) -> Option<Appointment> {
        let place = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            if next.index >= self.total {
                return None;
            }
            let place = *next;
            *next = self.after(place);
            place
        };
        Some(Appointment { index: place.index, due_ns: self.due_ns(place) })
    }

    /// What was due by `ns` and has not been taken.
    pub fn backlog(&self, ns: u64) -> Backlog {
        let mut place = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut backlog = Backlog::default();
        while place.index < self.total && self.due_ns(place) < ns {
            if backlog.operations == 0 {
                backlog.oldest_wait_ns = ns - self.due_ns(place);
            }
            backlog.operations += 1;
            place = self.after(place);
        }
        backlog
    }

    fn after(&self, place: Place) -> Place {
        let index = place.index + 1;
        Place { index, count: place.count + self.gap(index) }
    }

    fn gap(&self, index: u64) -> f64 {
        match self.arrivals.spacing {
            Spacing::Even => 1.0,
            Spacing::Poisson => self.stream.operation(index).exponential(),
        }
    }

    fn due_ns(&self, place: Place) -> u64 {
        (self.arrivals.rate.time_of(place.count) * 1e9) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Rate;

    fn agenda(arrivals: Arrivals, seed: u64) -> Agenda {
        Agenda::new(arrivals, Stream::new(seed, "arrivals"), Some(200_000))
    }

    fn dues_ns(agenda: &Agenda) -> Vec<u64> {
        std::iter::from_fn(|| agenda.take()).map(|appointment| appointment.due_ns).collect()
    }

    #[test]
    fn poisson_gaps_have_the_mean_the_variance_and_the_distribution_of_theory() {
        let dues = dues_ns(&agenda(Arrivals::poisson(1_000.0), 7));
        let mut gaps: Vec<f64> = dues.windows(2).map(|two| (two[1] - two[0]) as f64 / 1e6).collect();
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // In milliseconds both are one. Their standard errors are 1 / sqrt(n) = 0.0022 and, as the
        // fourth central moment of an exponential is 9, sqrt(8 / n) = 0.0063: four of them each.
        assert!((mean - 1.0).abs() < 0.009, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.026, "variance {variance}");
        // Kolmogorov and Smirnov: D above 1.95 / sqrt(n) has a probability of one in a thousand.
        gaps.sort_by(f64::total_cmp);
        let distance = gaps.iter().enumerate().map(|(i, gap)| {
            let theory = 1.0 - (-gap).exp();
            (theory - i as f64 / n).abs().max((theory - (i + 1) as f64 / n).abs())
        });
        let distance = distance.fold(0.0, f64::max);
        assert!(distance < 1.95 / n.sqrt(), "{distance}");
        // Neighbouring gaps do not depend on each other: the standard error is 1 / sqrt(n).
        let gaps: Vec<f64> = dues.windows(2).map(|two| (two[1] - two[0]) as f64 / 1e6 - mean).collect();
        let lag = gaps.windows(2).map(|two| two[0] * two[1]).sum::<f64>() / (n * variance);
        assert!(lag.abs() < 4.0 / n.sqrt(), "{lag}");
    }

    #[test]
    fn varying_rates_bring_what_their_integral_says() {
        for rate in [
            Rate::Ramp { rate_ops_s: 1_000.0, rate_to_ops_s: 9_000.0, period_s: 20.0 },
            Rate::Step { rate_ops_s: 1_000.0, rate_to_ops_s: 9_000.0, period_s: 4.0, steps: 5 },
            Rate::Sine { rate_ops_s: 5_000.0, rate_to_ops_s: 10_000.0, period_s: 8.0 },
        ] {
            for spacing in [Spacing::Even, Spacing::Poisson] {
                let dues = dues_ns(&agenda(Arrivals { spacing, rate }, 3));
                for s in [1.0, 2.5, 7.0, 13.0, 20.0] {
                    let arrived = dues.partition_point(|ns| *ns < (s * 1e9) as u64) as f64;
                    let expected = rate.expected(s);
                    // A Poisson count has its mean for variance: four standard deviations.
                    let allowed = if spacing == Spacing::Even { 1.0 } else { 4.0 * expected.sqrt() };
                    assert!((arrived - expected).abs() <= allowed, "{rate:?} {spacing:?}: {arrived} at {s}");
                }
            }
        }
    }

    #[test]
    fn the_schedule_depends_on_the_seed_and_not_on_who_takes_it() {
        let alone = dues_ns(&agenda(Arrivals::poisson(5e6), 7));
        let shared = agenda(Arrivals::poisson(5e6), 7);
        let mut together: Vec<Appointment> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| std::iter::from_fn(|| shared.take()).collect::<Vec<_>>()))
                .collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        together.sort_by_key(|appointment| appointment.index);
        assert!(together.iter().map(|appointment| appointment.due_ns).eq(alone.iter().copied()));
        assert!(together.iter().map(|appointment| appointment.index).eq(0..200_000));
        assert_ne!(dues_ns(&agenda(Arrivals::poisson(5e6), 8)), alone);
    }

    #[test]
    fn the_backlog_is_what_was_due_and_not_taken() {
        let even = Arrivals { spacing: Spacing::Even, rate: Rate::Constant { rate_ops_s: 1_000.0 } };
        let agenda = agenda(even, 1);
        assert_eq!(agenda.take(), Some(Appointment { index: 0, due_ns: 0 }));
        assert_eq!(agenda.take(), Some(Appointment { index: 1, due_ns: 1_000_000 }));
        // Those due at 2, 3 and 4 ms.
        assert_eq!(agenda.backlog(5_000_000), Backlog { operations: 3, oldest_wait_ns: 3_000_000 });
        assert_eq!(agenda.backlog(1_500_000), Backlog::default());
    }
}

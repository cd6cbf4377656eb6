//! Many seeds on all CPUs: each worker takes the next seed, whoever called sees the verdicts as
//! they come.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use crate::attempt::{Verdict, attempt};
use crate::parameters::{Overrides, Parameters};

/// Runs seeds from `first` on, on `workers` threads, until `see` returns false or `end` is reached.
pub(crate) fn run_seeds(
    first: u64,
    end: u64,
    workers: usize,
    overrides: &Overrides,
    mut see: impl FnMut(Verdict) -> bool,
) {
    // Relaxed on both: each number is taken once, and a worker that stops a seed late does no harm.
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let (sender, verdicts) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || sender.send(attempt(&Parameters::with(seed, overrides), 0)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for verdict in verdicts {
            if !stop.load(Ordering::Relaxed) && !see(verdict) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
}

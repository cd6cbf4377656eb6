//! The command line.

use std::hash::{BuildHasher, RandomState};

use clap::Parser;

use crate::parameters::Overrides;

/// Runs Rabi on a simulated disk under a seed, with faults and crashes, against a model.
///
/// The same seed is the same run, to the byte: a failure is repeated with the line that it prints.
/// Exit code 0: all runs passed. 1: one failed. 2: the command line makes no sense.
#[derive(Debug, Parser)]
#[command(name = "rabi-sim", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with_all = ["seed", "shrink"])]
    pub(crate) seeds: u64,
    /// The first of them [default: a new one each time, which is printed]
    #[arg(long, value_name = "N", conflicts_with_all = ["seed", "shrink"])]
    pub(crate) first_seed: Option<u64>,
    /// Run seeds until this many simulated hours have passed, instead of a number of seeds
    #[arg(long, value_name = "H", conflicts_with_all = ["seeds", "seed", "shrink"])]
    pub(crate) hours: Option<f64>,
    /// Run one seed, and print what it did
    #[arg(long, value_name = "N", conflicts_with = "shrink")]
    pub(crate) seed: Option<u64>,
    /// Make the failing run of a seed smaller, and print the command that repeats the smallest
    #[arg(long, value_name = "N")]
    pub(crate) shrink: Option<u64>,
    /// Plant one bug after the other in the engine; each must be found within the number of seeds
    #[arg(long, conflicts_with_all = ["hours", "seed", "shrink"])]
    pub(crate) planted: bool,
    /// Go on after a failure
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// With --seed: print so many of the last events, also if the run passes
    #[arg(long, value_name = "N", requires = "seed")]
    pub(crate) events: Option<usize>,
    /// Print which marks of the engine the runs reached, and which they never did
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Runs at a time [default: one for each CPU]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

/// New first seeds are below this: short to type, and far enough from each other.
const FIRST_SEEDS: u64 = 1_000_000_000_000;

impl Arguments {
    /// The first seed: as told, or a new one.
    pub(crate) fn first_seed(&self) -> u64 {
        // The keys of a RandomState differ from one process to the next.
        self.first_seed.unwrap_or_else(|| RandomState::new().hash_one(()) % FIRST_SEEDS)
    }
}

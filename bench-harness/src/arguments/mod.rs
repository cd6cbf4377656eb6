//! Arguments that several commands have in common, and what they ask for.
//!
//! `engine` names and sets engines, `memory` bounds what they may use, `workload` layers properties, `clients` makes
//! clients futures, `job` is the size of a main job, `traffic` says when operations begin, `trace` which traces are read and written, and `phase` is all of
//! `load` and `run`. The numbers among them are read here.

mod clients;
mod engine;
mod job;
mod memory;
mod phase;
mod trace;
mod traffic;
mod workload;

use std::str::FromStr;

pub use clients::{ClientsArgs, check_clients};
pub use engine::{DataArgs, EngineArgs, EnginesArgs};
pub use job::JobArgs;
pub use memory::MemoryArgs;
pub use phase::PhaseArgs;
pub use trace::TraceArgs;
pub use traffic::TrafficArgs;
pub use workload::WorkloadArgs;

/// A whole number, for clap.
pub fn count<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number in digits alone, such as 1000".to_owned())
}

/// A number, for clap.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number without a unit, such as 10 or 0.5".to_owned())
}

/// A number that is allowed, for clap.
pub fn within(
    is_allowed: fn(f64) -> bool,
    expected: &'static str,
) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| is_allowed(*number));
        number.ok_or_else(|| format!("expected {expected}"))
    }
}

/// A pair from an argument `NAME=VALUE`.
pub fn name_value(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, for example memtable_size_bytes=33554432".to_owned()),
    }
}

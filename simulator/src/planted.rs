//! A mutation test of the simulator: each bug that a run can be given must be found.
//!
//! Without it nobody knows what a million seeds without a failure mean.

use std::io::{self, Write};
use std::time::Instant;

use crate::bugs::Planted;
use crate::parameters::Overrides;
use crate::pool::run_seeds;

/// Plants each bug, or the one of `overrides`, and runs seeds until one fails, at most `seeds`.
/// Prints a table; returns whether all were found.
pub(crate) fn find_all(first: u64, seeds: u64, workers: usize, overrides: &Overrides) -> io::Result<bool> {
    let mut missed = 0;
    writeln!(io::stdout(), "first seed: {first}")?;
    writeln!(io::stdout(), "| planted | seeds | seconds | what was said |\n| --- | --: | --: | --- |")?;
    for bug in Planted::all().filter(|bug| overrides.plant.is_none_or(|only| only == *bug)) {
        let planted = Overrides { plant: Some(bug), ..overrides.clone() };
        let (start, mut runs, mut said) = (Instant::now(), 0, None);
        run_seeds(first, first.saturating_add(seeds), workers, &planted, |verdict| {
            runs += 1;
            said = verdict.failure;
            said.is_none()
        });
        let seconds = start.elapsed().as_secs_f64();
        let said = said.map(|text| text.lines().next().unwrap_or_default().to_owned());
        missed += usize::from(said.is_none());
        let said = said.unwrap_or_else(|| "NOT FOUND".into());
        writeln!(io::stdout(), "| {bug} (`{}`) | {runs} | {seconds:.1} | {said} |", bug.name())?;
    }
    writeln!(io::stdout(), "{missed} not found within {seeds} seeds")?;
    Ok(missed == 0)
}

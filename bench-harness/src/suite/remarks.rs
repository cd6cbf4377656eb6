//! What has to be known beside the table of a class: drifts, settling, cooled caches, the limit of memory.

use crate::control_group::GroupUsage;
use crate::report::{grouped, memory, settling};
use crate::stats::median;

use super::sample::Phase;
use super::summary::EngineRow;

pub fn remarks(rows: &[EngineRow]) -> Vec<String> {
    let about = |beginning: &str, of: &dyn Fn(&EngineRow) -> Option<String>| {
        let named: Vec<String> =
            rows.iter().filter_map(|row| of(row).map(|text| format!("{} {text}", row.engine))).collect();
        (!named.is_empty()).then(|| format!("{beginning}: {}.", named.join("; ")))
    };
    let remarks = [
        about("Not steady", &unsteady),
        about("Background work settled after the phase (medians)", &|row| {
            middle(row, |phase| phase.settle_s).map(settling)
        }),
        about("Bytes dropped from the page cache before the phase (medians)", &|row| {
            middle(row, |phase| phase.cooled_bytes.map(|bytes| bytes as f64))
                .map(|bytes| grouped(bytes as u64))
        }),
        about("Of the memory of a run, the OS cache included, they used (medians)", &|row| {
            let of = |number: &dyn Fn(&GroupUsage) -> Option<u64>| {
                middle(row, |phase| Some(number(group(phase)?)? as f64)).map(|bytes| bytes as u64)
            };
            let was_hit =
                row.phases.iter().filter_map(group).map(|group| group.limit_was_hit).reduce(|a, b| a || b)?;
            Some(memory(of(&|group| group.peak_bytes), was_hit, of(&|group| group.refault_bytes)))
        }),
    ];
    remarks.into_iter().flatten().collect()
}

fn group(phase: &Phase) -> Option<&GroupUsage> {
    phase.resources.memory_group.as_ref()
}

fn middle(row: &EngineRow, of: impl Fn(&Phase) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = row.phases.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| median(&values))
}

/// In how many repeats, and how far in the first of them.
fn unsteady(row: &EngineRow) -> Option<String> {
    let drifts: Vec<String> = row.phases.iter().filter_map(|phase| phase.steady_state?.drift()).collect();
    let first = drifts.first()?;
    Some(format!("in {} of {} repeats, in the first of them {first}", drifts.len(), row.phases.len()))
}

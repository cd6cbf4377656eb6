//! Where Rabi is behind: every number in which another engine of the same durability was better by
//! more than noise. A suite says this by itself, so that nobody has to look for it.

use super::summary::{Better, Measure, WorkloadSummary};

/// Whose results these are to be read against.
const OURS: &str = "rabi";

/// One sentence for each number, workload by workload.
pub fn behind(workloads: &[WorkloadSummary]) -> Vec<String> {
    let mut sentences = Vec::new();
    for workload in workloads {
        for class in &workload.classes {
            let Some(ours) = class.rows.iter().find(|row| row.engine == OURS) else { continue };
            for measure in &ours.measures {
                let of = |row: &super::summary::EngineRow| {
                    let other = row.measures.iter().find(|other| other.name == measure.name)?;
                    other.beats(measure).then(|| (row.engine.clone(), other.clone()))
                };
                let better: Vec<_> = class.rows.iter().filter_map(of).collect();
                if !better.is_empty() {
                    sentences.push(sentence(&workload.title, measure, &better));
                }
            }
        }
    }
    sentences
}

fn sentence(workload: &str, ours: &Measure, better: &[(String, Measure)]) -> String {
    let others = better.iter().map(|(engine, other)| format!("{engine} {}", times(ours, other)));
    let which = if ours.better == Better::High { "higher" } else { "lower" };
    format!("{workload}, {}, {which} in {}", ours.name, others.collect::<Vec<_>>().join(", "))
}

/// By which factor the other one is better.
fn times(ours: &Measure, other: &Measure) -> String {
    let (Some(ours_median), Some(other_median)) = (ours.median(), other.median()) else {
        return String::new();
    };
    let (more, less) = match ours.better {
        Better::High => (other_median, ours_median),
        Better::Low => (ours_median, other_median),
    };
    if less > 0.0 { format!("({:.2}x)", more / less) } else { "(none at all)".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::summary::{Class, EngineRow};
    use super::*;
    use crate::engine::Kept;

    fn row(engine: &str, rate: f64, p99: f64) -> EngineRow {
        let values = |value: f64| vec![value, value * 1.01, value * 1.02];
        let measure = |name: &str, better, value| Measure {
            name: name.to_owned(),
            better,
            values: values(value),
            best: false,
        };
        EngineRow {
            engine: engine.to_owned(),
            measures: vec![measure("ops/s", Better::High, rate), measure("READ p99 us", Better::Low, p99)],
            phases: Vec::new(),
        }
    }

    #[test]
    fn every_number_that_is_worse_beyond_noise_is_named_with_its_factor() {
        let class = |kept, rows| Class { kept, rows };
        let workload = WorkloadSummary {
            title: "workloadc".to_owned(),
            classes: vec![
                class(
                    Kept::Process,
                    vec![row("rabi", 100.0, 5.0), row("a", 200.0, 9.0), row("b", 101.0, 1.0)],
                ),
                class(Kept::Nothing, vec![row("c", 900.0, 0.1)]),
            ],
        };
        assert_eq!(
            behind(&[workload]),
            ["workloadc, ops/s, higher in a (2.00x)", "workloadc, READ p99 us, lower in b (5.00x)"]
        );
    }
}

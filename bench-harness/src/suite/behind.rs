//! Where Rabi is behind: every number in which another engine of the same durability was better by
//! more than noise. A suite says this by itself, so that nobody has to look for it.

use super::summary::{EngineRow, Measure, WorkloadSummary};
use crate::compare::Better;

/// Whose results these are to be read against. What begins with it is the same engine, called otherwise.
const OURS: &str = "rabi";
const THROUGHPUT: &str = "ops/s";

/// One workload, in which Rabi ran beside others.
#[derive(Debug)]
pub struct Behind {
    pub workload: String,
    pub compared: usize,
    /// One line for each number in which another engine was better.
    pub lines: Vec<Line>,
}

/// One number in which another engine was better.
#[derive(Debug)]
pub struct Line {
    pub text: String,
    measure: String,
    engine: String,
    /// By which factor it is better; none if it has nothing at all of what is to be little.
    factor: Option<f64>,
}

/// Workload by workload, as far as others kept the same durability.
pub fn behind(workloads: &[WorkloadSummary]) -> Vec<Behind> {
    let mut found = Vec::new();
    for workload in workloads {
        let mut behind = Behind { workload: workload.title.clone(), compared: 0, lines: Vec::new() };
        for class in &workload.classes {
            let Some(ours) = class.rows.iter().find(|row| row.engine == OURS) else { continue };
            for measure in &ours.measures {
                let others: Vec<_> = class.rows.iter().filter_map(|row| other(row, measure)).collect();
                behind.compared += usize::from(measure.median().is_some() && !others.is_empty());
                behind.lines.extend(line(measure, &others));
            }
        }
        if behind.compared > 0 {
            found.push(behind);
        }
    }
    found
}

fn other<'a>(row: &'a EngineRow, ours: &Measure) -> Option<(&'a str, &'a Measure)> {
    let same = row.measures.iter().find(|other| other.name == ours.name && other.median().is_some());
    same.filter(|_| !row.engine.starts_with(OURS)).map(|other| (row.engine.as_str(), other))
}

fn line(ours: &Measure, others: &[(&str, &Measure)]) -> Option<Line> {
    let better: Vec<_> = others.iter().filter(|(_, other)| other.beats(ours)).collect();
    let factors = better.iter().map(|(engine, other)| (*engine, factor(ours, other)));
    // No factor is more than any.
    let (engine, most) =
        factors.clone().max_by(|a, b| a.1.unwrap_or(f64::MAX).total_cmp(&b.1.unwrap_or(f64::MAX)))?;
    let named: Vec<String> =
        factors.map(|(engine, factor)| format!("{engine} ({})", times(factor))).collect();
    let which = if ours.better == Better::Higher { "higher" } else { "lower" };
    Some(Line {
        text: format!("{}, {which} in {}", ours.name, named.join(", ")),
        measure: ours.name.clone(),
        engine: engine.to_owned(),
        factor: most,
    })
}

fn factor(ours: &Measure, other: &Measure) -> Option<f64> {
    let (ours_median, other_median) = (ours.median()?, other.median()?);
    let (more, less) = match ours.better {
        Better::Higher => (other_median, ours_median),
        Better::Lower => (ours_median, other_median),
    };
    (less > 0.0).then(|| more / less)
}

fn times(factor: Option<f64>) -> String {
    factor.map_or("none at all".to_owned(), |factor| format!("{factor:.2}x"))
}

/// The line in which the other engine is ahead by the largest factor.
fn worst<'a>(lines: impl Iterator<Item = &'a Line>) -> Option<&'a Line> {
    lines
        .filter(|line| line.factor.is_some())
        .max_by(|a, b| a.factor.unwrap_or(0.0).total_cmp(&b.factor.unwrap_or(0.0)))
}

impl Line {
    /// The number and the engine that is ahead most.
    fn short(&self) -> String {
        format!("{}: {} ({})", self.measure, self.engine, times(self.factor))
    }
}

impl Behind {
    pub fn headline(&self) -> String {
        let (workload, compared) = (&self.workload, self.compared);
        if self.lines.is_empty() {
            return format!("{workload}: behind in none of {compared} numbers");
        }
        let most =
            worst(self.lines.iter()).map_or(String::new(), |line| format!(", most in {}", line.short()));
        format!("{workload}: behind in {} of {compared} numbers{most}", self.lines.len())
    }
}

/// All workloads in a few sentences: how many of how many, and the worst.
pub fn summary(all: &[Behind]) -> String {
    let lines = || all.iter().flat_map(|behind| &behind.lines);
    let compared: usize = all.iter().map(|behind| behind.compared).sum();
    let mut text = format!(
        "rabi is behind another engine in {} of {compared} numbers by more than noise",
        lines().count()
    );
    let throughput: Vec<&Line> = lines().filter(|line| line.measure == THROUGHPUT).collect();
    text += &match worst(throughput.iter().copied()) {
        None => format!(", in operations a second in none of {} workloads.", all.len()),
        Some(most) => format!(
            ", in operations a second in {} of {} workloads (at most {}).",
            throughput.len(),
            all.len(),
            times(most.factor)
        ),
    };
    let worst_of = |behind: &Behind| {
        let line = worst(behind.lines.iter())?;
        Some((line.factor, format!("{}, {}", behind.workload, line.short())))
    };
    if let Some((_, line)) =
        all.iter().filter_map(worst_of).max_by(|a, b| a.0.unwrap_or(0.0).total_cmp(&b.0.unwrap_or(0.0)))
    {
        text += &format!(" Worst of all: {line}.");
    }
    let nothing = lines().filter(|line| line.factor.is_none()).count();
    if nothing > 0 {
        text += &format!(" In {nothing} of them another engine has none at all, which is no ratio.");
    }
    text
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
            measures: vec![
                measure("ops/s", Better::Higher, rate),
                measure("READ p99 us", Better::Lower, p99),
            ],
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
        let found = behind(&[workload]);
        let lines: Vec<&str> = found[0].lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["ops/s, higher in a (2.00x)", "READ p99 us, lower in b (5.00x)"]);
        assert_eq!(
            found[0].headline(),
            "workloadc: behind in 2 of 2 numbers, most in READ p99 us: b (5.00x)"
        );
    }

    #[test]
    fn the_summary_counts_all_numbers_and_names_the_worst() {
        let class = |rows| vec![Class { kept: Kept::Process, rows }];
        let mut none = row("b", 90.0, 0.0);
        none.measures[1].values = vec![0.0; 3];
        let workloads = [
            ("workloada", vec![row("rabi", 100.0, 5.0), row("a", 200.0, 9.0)]),
            ("workloadb", vec![row("rabi", 100.0, 5.0), none]),
            ("workloadc", vec![row("rabi", 100.0, 5.0), row("a", 90.0, 9.0)]),
            ("workloadd", vec![row("rabi", 100.0, 5.0)]),
        ];
        let workload = |(title, rows): (&str, Vec<EngineRow>)| WorkloadSummary {
            title: title.to_owned(),
            classes: class(rows),
        };
        let found = behind(&workloads.map(workload));
        assert_eq!(
            summary(&found),
            "rabi is behind another engine in 2 of 6 numbers by more than noise, in operations a second in 1 of 3 \
             workloads (at most 2.00x). Worst of all: workloada, ops/s: a (2.00x). In 1 of them another engine has \
             none at all, which is no ratio."
        );
        assert_eq!(found[2].headline(), "workloadc: behind in none of 2 numbers");
    }
}

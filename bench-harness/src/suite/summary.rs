//! Medians over repeats, and who is best. Pure: samples in, tables out.
//!
//! Engines are compared within one durability class only. The best of a class is marked when its
//! worst repeat is better than the best repeat of every other engine there, with at least three
//! repeats each: ranges that do not even touch. Anything closer is not called a difference here.

use std::collections::BTreeMap;

use crate::compare::Better;
use crate::engine::Kept;
use crate::measure::Row;
use crate::stats::median;

use super::sample::Phase;

/// With fewer repeats, ranges that do not touch say little: of two repeats each, every third pair
/// of equal engines has such ranges; of three, every tenth.
pub const REPEATS_MIN: usize = 3;

/// One number of a phase over all repeats of an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    pub name: String,
    pub better: Better,
    pub values: Vec<f64>,
    /// Whether it is the best of its class by more than noise.
    pub best: bool,
}

#[derive(Debug)]
pub struct EngineRow {
    pub engine: String,
    pub measures: Vec<Measure>,
    pub phases: Vec<Phase>,
}

/// The engines of one durability class in one workload.
#[derive(Debug)]
pub struct Class {
    pub kept: Kept,
    /// The engines, in the order they were named.
    pub rows: Vec<EngineRow>,
}

#[derive(Debug)]
pub struct WorkloadSummary {
    pub title: String,
    /// By class, in the order of `class_order`.
    pub classes: Vec<Class>,
}

/// Sums up all phases of all runs. `engines` gives the order.
pub fn summarize(engines: &[String], phases: &[Phase]) -> Vec<WorkloadSummary> {
    let mut titles: Vec<&str> = Vec::new();
    for phase in phases {
        if !titles.contains(&phase.title()) {
            titles.push(phase.title());
        }
    }
    let order = class_order(engines, phases);
    titles.into_iter().map(|title| workload(title, engines, phases, &order)).collect()
}

/// What engines keep, the class with most engines first: there is most to compare. Of equals the strongest.
pub fn class_order(engines: &[String], phases: &[Phase]) -> Vec<Kept> {
    let kept_by = |engine: &String| {
        phases.iter().find(|phase| phase.engine == *engine).map(|phase| phase.durability_kept)
    };
    let kept: Vec<Kept> = engines.iter().filter_map(kept_by).collect();
    let count = |class: &Kept| kept.iter().filter(|other| *other == class).count();
    let mut order = kept.clone();
    order.sort_by_key(|class| std::cmp::Reverse((count(class), *class)));
    order.dedup();
    order
}

fn workload(title: &str, engines: &[String], phases: &[Phase], order: &[Kept]) -> WorkloadSummary {
    let mut classes: BTreeMap<Kept, Vec<EngineRow>> = BTreeMap::new();
    let latencies = latencies(phases.iter().filter(|phase| phase.title() == title));
    for engine in engines {
        let of_engine = |phase: &&Phase| phase.title() == title && phase.engine == *engine;
        let repeats: Vec<Phase> = phases.iter().filter(of_engine).cloned().collect();
        if let Some(first) = repeats.first() {
            let measures = measures(&repeats, &latencies);
            let row = EngineRow { engine: engine.clone(), measures, phases: repeats.clone() };
            classes.entry(first.durability_kept).or_default().push(row);
        }
    }
    let mut classes: Vec<Class> = classes.into_iter().map(|(kept, rows)| Class { kept, rows }).collect();
    classes.sort_by_key(|class| order.iter().position(|kept| *kept == class.kept));
    for class in &mut classes {
        mark_best(&mut class.rows);
    }
    WorkloadSummary { title: title.to_owned(), classes }
}

/// The kinds of operation that occurred in any of the phases, each with its kinds of latency. A rare one may be missing
/// in a short phase, and all engines have the same columns.
fn latencies<'a>(phases: impl Iterator<Item = &'a Phase>) -> BTreeMap<&'a str, Vec<&'static str>> {
    let mut all = BTreeMap::new();
    // Checks call no engine.
    let operations =
        phases.flat_map(|phase| &phase.operations).filter(|(name, _)| *name != Row::Verify.name());
    for (name, operation) in operations {
        let kinds = || operation.latencies().into_iter().map(|(kind, _)| kind).collect();
        all.entry(name.as_str()).or_insert_with(kinds);
    }
    all
}

fn measures(repeats: &[Phase], latencies: &BTreeMap<&str, Vec<&'static str>>) -> Vec<Measure> {
    let mut all = Vec::new();
    let mut add = |name: String, better, value: &dyn Fn(&Phase) -> Option<f64>| {
        let values = repeats.iter().filter_map(value).collect();
        all.push(Measure { name, better, values, best: false });
    };
    add("ops/s".to_owned(), Better::Higher, &|phase| Some(phase.throughput_ops_s));
    let whole = |number: Option<u64>| number.map(|number| number as f64);
    add("worst second".to_owned(), Better::Higher, &|phase| whole(phase.resources.worst_second_ops));
    for (operation, kinds) in latencies {
        for kind in kinds {
            let of = |phase: &Phase| {
                let found = phase.operations.get(*operation)?.latencies();
                found.into_iter().find(|(name, _)| name == kind).map(|(_, latencies)| latencies.clone())
            };
            let name = format!("{} {kind}", short(operation));
            add(format!("{name}p50 us"), Better::Lower, &|phase| Some(of(phase)?.p50_us));
            add(format!("{name}p99 us"), Better::Lower, &|phase| Some(of(phase)?.p99_us));
            add(format!("{name}p99.9 us"), Better::Lower, &|phase| Some(of(phase)?.p999_us));
        }
    }
    add("CPU us/op".to_owned(), Better::Lower, &|phase| Some(phase.resources.cpu_us_per_operation));
    add("w-amp".to_owned(), Better::Lower, &|phase| phase.resources.write_amplification);
    add("r-amp".to_owned(), Better::Lower, &|phase| phase.resources.read_amplification);
    add("s-amp".to_owned(), Better::Lower, &|phase| phase.resources.space_amplification);
    add("RSS MiB".to_owned(), Better::Lower, &|phase| {
        Some(whole(phase.resources.rss_peak_bytes)? / f64::from(1 << 20))
    });
    all
}

/// A name that fits into the head of a column.
fn short(operation: &str) -> &str {
    if operation == "READ-MODIFY-WRITE" { "RMW" } else { operation }
}

fn mark_best(rows: &mut [EngineRow]) {
    let columns = rows.iter().map(|row| row.measures.len()).min().unwrap_or(0);
    for column in 0..columns {
        let ranges: Vec<Measure> = rows.iter().map(|row| row.measures[column].clone()).collect();
        if let Some(best) = best(&ranges) {
            rows[best].measures[column].best = true;
        }
    }
}

/// The index of the one whose worst value beats every other one's best.
fn best(measures: &[Measure]) -> Option<usize> {
    let others = |index: usize| measures.iter().enumerate().filter(move |(at, _)| *at != index);
    let wins = |index: &usize| others(*index).all(|(_, other)| measures[*index].beats(other));
    (0..measures.len()).find(wins).filter(|_| measures.len() > 1)
}

impl Measure {
    /// Whether its worst value is better than the other's best one, with enough repeats of both.
    pub fn beats(&self, other: &Measure) -> bool {
        let enough = self.values.len().min(other.values.len()) >= REPEATS_MIN;
        enough
            && match self.better {
                Better::Higher => self.min() > other.max(),
                Better::Lower => self.max() < other.min(),
            }
    }

    /// The value in the middle, or the mean of the two there; nothing without values.
    pub fn median(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| median(&self.values))
    }

    /// From the smallest to the largest, as a share of the median.
    pub fn spread(&self) -> Option<f64> {
        self.median().filter(|median| *median > 0.0).map(|median| (self.max() - self.min()) / median)
    }

    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl EngineRow {
    /// The repeat whose throughput is the median one, or the one just below.
    pub fn median_phase(&self) -> Option<&Phase> {
        let mut sorted: Vec<&Phase> = self.phases.iter().collect();
        sorted.sort_by(|a, b| a.throughput_ops_s.total_cmp(&b.throughput_ops_s));
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::phase;
    use super::*;

    fn measure(better: Better, values: &[f64]) -> Measure {
        Measure { name: "x".to_owned(), better, values: values.to_vec(), best: false }
    }

    #[test]
    fn medians_and_spreads_are_over_the_repeats() {
        let odd = measure(Better::Higher, &[3.0, 1.0, 2.0]);
        assert_eq!((odd.median(), odd.spread()), (Some(2.0), Some(1.0)));
        assert_eq!(measure(Better::Higher, &[1.0, 4.0]).median(), Some(2.5));
        assert_eq!(measure(Better::Higher, &[]).median(), None);
    }

    #[test]
    fn only_ranges_that_do_not_touch_make_a_best() {
        let high = |values: [f64; 3]| measure(Better::Higher, &values);
        assert_eq!(best(&[high([1.0, 2.0, 3.0]), high([4.0, 5.0, 6.0])]), Some(1));
        assert_eq!(best(&[high([1.0, 2.0, 4.5]), high([4.0, 5.0, 6.0])]), None);
        let low = |values: [f64; 3]| measure(Better::Lower, &values);
        assert_eq!(best(&[low([1.0, 2.0, 3.0]), low([4.0, 5.0, 6.0])]), Some(0));
    }

    #[test]
    fn two_repeats_or_one_engine_have_no_best() {
        let two = |a, b| measure(Better::Higher, &[a, b]);
        assert_eq!(best(&[two(1.0, 2.0), two(8.0, 9.0)]), None);
        assert_eq!(best(&[measure(Better::Higher, &[1.0, 2.0, 3.0])]), None);
    }

    #[test]
    fn under_a_schedule_responses_come_first_and_both_are_named() {
        let mut scheduled = phase("a", Kept::Process, 1.0);
        let names = |phase: &Phase| -> Vec<String> {
            let measures = measures(std::slice::from_ref(phase), &latencies([phase].into_iter()));
            measures.into_iter().map(|each| each.name).filter(|name| name.contains("p99 us")).collect()
        };
        assert_eq!(names(&scheduled), ["READ p99 us"]);
        let read = scheduled.operations.get_mut("READ").unwrap();
        read.response = Some(read.service.clone());
        assert_eq!(names(&scheduled), ["READ response p99 us", "READ service p99 us"]);
    }

    #[test]
    fn an_operation_that_one_engine_did_not_come_to_is_a_column_of_all() {
        let mut phases = [phase("a", Kept::Process, 1.0), phase("b", Kept::Process, 1.0)];
        let read = phases[0].operations["READ"].clone();
        phases[1].operations.insert("INSERT".to_owned(), read);
        let summary = summarize(&["a", "b"].map(str::to_owned), &phases);
        let rows = &summary[0].classes[0].rows;
        let names = |row: &EngineRow| row.measures.iter().map(|each| each.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&rows[0]), names(&rows[1]));
        assert!(names(&rows[0]).contains(&"INSERT p99 us".to_owned()));
    }

    #[test]
    fn engines_that_keep_less_are_in_a_class_of_their_own_and_never_the_best_of_another() {
        let mut phases = Vec::new();
        for repeat in 0..3 {
            let noise = f64::from(repeat);
            phases.push(phase("fast", Kept::Process, 900.0 + noise));
            phases.push(phase("slow", Kept::Process, 500.0 + noise));
            phases.push(phase("safe", Kept::Power, 10.0 + noise));
        }
        let engines = ["slow", "fast", "safe"].map(str::to_owned);
        let summary = summarize(&engines, &phases);
        assert_eq!(summary.len(), 1);
        let classes = &summary[0].classes;
        assert_eq!((classes[0].kept, classes[1].kept), (Kept::Process, Kept::Power), "most engines first");
        assert!(!classes[1].rows[0].measures[0].best);
        let process: Vec<_> =
            classes[0].rows.iter().map(|row| (&row.engine[..], row.measures[0].best)).collect();
        assert_eq!(process, [("slow", false), ("fast", true)]);
        assert_eq!(classes[0].rows[1].median_phase().unwrap().throughput_ops_s, 901.0);
    }

    #[test]
    fn of_classes_with_equally_many_engines_the_strongest_is_first() {
        let phases =
            [phase("a", Kept::Nothing, 1.0), phase("b", Kept::Power, 1.0), phase("c", Kept::Process, 1.0)];
        let engines = ["a", "b", "c", "refused"].map(str::to_owned);
        assert_eq!(class_order(&engines, &phases), [Kept::Power, Kept::Process, Kept::Nothing]);
    }
}

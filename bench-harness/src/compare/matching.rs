//! Brings the runs of both sides together: which repeats answer which question, and whether
//! they form pairs.

use std::collections::BTreeSet;

use super::metric::Better;
use super::run::{Key, Run};

/// The repeats of one workload on both sides.
#[derive(Debug)]
pub struct Matched<'a> {
    /// What was measured. If each side has one engine only, the base's.
    pub key: Key,
    pub base: Vec<&'a Run>,
    /// The new side's; partners of `base` if paired.
    pub new: Vec<&'a Run>,
    /// Whether the runs were alternated.
    pub paired: bool,
}

impl Matched<'_> {
    /// The metrics every repeat of both sides has.
    pub fn metrics(&self) -> Vec<&str> {
        let Some((first, rest)) = self.base.split_first() else {
            return Vec::new();
        };
        let common = |name: &&String| rest.iter().chain(&self.new).all(|run| run.metrics.contains_key(*name));
        let mut names: Vec<&str> = first.metrics.keys().filter(common).map(String::as_str).collect();
        // Throughput first, then in the order of names.
        names.sort_by_key(|name| (Better::of(name) != Better::Higher, name.to_owned()));
        names
    }

    pub fn values(&self, metric: &str) -> (Vec<f64>, Vec<f64>) {
        let of = |runs: &[&Run]| runs.iter().map(|run| run.metrics[metric]).collect();
        (of(&self.base), of(&self.new))
    }
}

/// The workloads both sides have, and the keys only one of them has.
pub fn match_runs<'a>(base: &'a [Run], new: &'a [Run]) -> (Vec<Matched<'a>>, Vec<Key>) {
    // Two sides of one engine each are compared even if the engines differ; that the conditions
    // differ is then said elsewhere.
    let one_engine = |runs: &[Run]| runs.iter().all(|run| run.key.engine == runs[0].key.engine);
    let ignore_engine = one_engine(base) && one_engine(new);
    let named = |run: &Run| {
        let engine = if ignore_engine { base[0].key.engine.clone() } else { run.key.engine.clone() };
        Key { engine, ..run.key.clone() }
    };
    let keys: BTreeSet<Key> = base.iter().chain(new).map(named).collect();
    let (mut matched, mut alone) = (Vec::new(), Vec::new());
    for key in keys {
        let of = |runs: &'a [Run]| runs.iter().filter(|run| named(run) == key).collect::<Vec<&Run>>();
        let (base, new) = (of(base), of(new));
        if base.is_empty() || new.is_empty() {
            alone.push(key);
            continue;
        }
        matched.push(match pair(&base, &new) {
            Some((base, new)) => Matched { key, base, new, paired: true },
            None => Matched { key, base, new, paired: false },
        });
    }
    (matched, alone)
}

type Pairs<'a> = (Vec<&'a Run>, Vec<&'a Run>);

/// The runs in the order of their pairs, if every run has exactly one partner.
fn pair<'a>(base: &[&'a Run], new: &[&'a Run]) -> Option<Pairs<'a>> {
    if base.len() != new.len() || base.len() < 2 {
        return None;
    }
    by_number(base, new).or_else(|| by_time(base, new))
}

/// Pairs that were numbered when they were recorded.
fn by_number<'a>(base: &[&'a Run], new: &[&'a Run]) -> Option<Pairs<'a>> {
    let sorted = |runs: &[&'a Run]| {
        let mut runs = runs.to_vec();
        runs.sort_by_key(|run| run.pair);
        runs
    };
    let (base, new) = (sorted(base), sorted(new));
    let numbers: BTreeSet<Option<u64>> = base.iter().map(|run| run.pair).collect();
    let partners = base.iter().zip(&new).all(|(base, new)| base.pair.is_some() && base.pair == new.pair);
    (partners && numbers.len() == base.len()).then_some((base, new))
}

/// Pairs by their times of start: of each two runs that follow each other, one is of each side.
/// Equal times do not tell an order, so they do not make pairs.
fn by_time<'a>(base: &[&'a Run], new: &[&'a Run]) -> Option<Pairs<'a>> {
    let all = base.iter().map(|run| (run, false)).chain(new.iter().map(|run| (run, true)));
    let mut timed = Vec::new();
    for (run, is_new) in all {
        timed.push((run.started_utc.as_deref()?, is_new, *run));
    }
    timed.sort_by_key(|(time, ..)| *time);
    if timed.windows(2).any(|two| two[0].0 == two[1].0) {
        return None;
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for two in timed.chunks_exact(2) {
        match (two[0].1, two[1].1) {
            (false, true) => (left.push(two[0].2), right.push(two[1].2)),
            (true, false) => (left.push(two[1].2), right.push(two[0].2)),
            _ => return None,
        };
    }
    Some((left, right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn run(engine: &str, workload: &str, rate: f64, pair: Option<u64>, second: u32) -> Run {
        Run {
            source: PathBuf::new(),
            key: Key { engine: engine.into(), phase: "run".into(), workload: workload.into() },
            conditions: BTreeMap::new(),
            started_utc: Some(format!("2026-01-01T00:00:{second:02}Z")),
            pair,
            metrics: BTreeMap::from([("throughput_ops_s".to_owned(), rate)]),
            intervals_ops_s: Vec::new(),
            errors: 0,
            cut_short: None,
        }
    }

    fn rates(runs: &[&Run]) -> Vec<f64> {
        runs.iter().map(|run| run.metrics["throughput_ops_s"]).collect()
    }

    #[test]
    fn numbered_runs_become_pairs() {
        let base = [run("x", "a", 2.0, Some(1), 0), run("x", "a", 1.0, Some(0), 0)];
        let new = [run("x", "a", 10.0, Some(0), 0), run("x", "a", 20.0, Some(1), 0)];
        let (matched, alone) = match_runs(&base, &new);
        assert!(matched[0].paired && alone.is_empty());
        assert_eq!((rates(&matched[0].base), rates(&matched[0].new)), (vec![1.0, 2.0], vec![10.0, 20.0]));
    }

    #[test]
    fn alternating_times_become_pairs_and_others_do_not() {
        // A B B A.
        let base = [run("x", "a", 1.0, None, 1), run("x", "a", 4.0, None, 4)];
        let new = [run("x", "a", 2.0, None, 2), run("x", "a", 3.0, None, 3)];
        let (matched, _) = match_runs(&base, &new);
        assert!(matched[0].paired);
        assert_eq!((rates(&matched[0].base), rates(&matched[0].new)), (vec![1.0, 4.0], vec![2.0, 3.0]));
        // A A B B.
        let new = [run("x", "a", 2.0, None, 5), run("x", "a", 3.0, None, 6)];
        assert!(!match_runs(&base, &new).0[0].paired);
        // The same second.
        let new = [run("x", "a", 2.0, None, 1), run("x", "a", 3.0, None, 4)];
        assert!(!match_runs(&base, &new).0[0].paired);
    }

    #[test]
    fn engines_are_kept_apart_unless_each_side_has_one() {
        let base = [run("x", "a", 1.0, None, 1)];
        let new = [run("y", "a", 2.0, None, 2)];
        assert_eq!(match_runs(&base, &new).0.len(), 1);
        let new = [run("y", "a", 2.0, None, 2), run("x", "b", 2.0, None, 2)];
        let (matched, alone) = match_runs(&base, &new);
        assert_eq!((matched.len(), alone.len()), (0, 3));
    }
}

//! How much the planner has written, read and kept: its plans, carried out on a tree of numbers.
//!
//! No disk, no keys: writes are uniform, so each partition gets its share of every memtable, and what runs have in common
//! follows from how much of the partition's keys each of them holds. A terabyte takes a minute or two.

use std::collections::VecDeque;

use super::plan::{FlushedShape, Goals, PartitionShape, Plan, Shape, plan};
use crate::base::options::TreeOptions;

/// What to simulate, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Uniform {
    /// Size of the data.
    pub data_bytes: u64,
    /// Size of a memtable.
    pub memtable_bytes: u64,
    /// Most runs of a partition.
    pub max_runs: usize,
    /// Share of garbage, in per cent, that compaction permits.
    pub garbage_percent: u32,
}

/// Costs of one phase.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amplification {
    /// Bytes written by flushes and compactions for each that a caller wrote; the log is another one.
    pub write: f64,
    /// Files that a lookup has to ask, or their filters: L2 and a partition's runs, on average.
    pub read: f64,
    /// Bytes of files for each byte of data, on average.
    pub space: f64,
    /// The same when it was most.
    pub space_max: f64,
}

/// Loads the data in scattered order, lets it settle, and overwrites each byte of it twice on average: the costs of load
/// and overwrites. Those of the overwrites count from half of them on.
#[must_use]
pub fn amplification(uniform: &Uniform) -> (Amplification, Amplification) {
    let mut tree = Tree::new(uniform);
    let memtables = uniform.data_bytes.div_ceil(uniform.memtable_bytes);
    let mut loaded = Costs::default();
    for number in 1..=memtables {
        tree.flush(&mut loaded);
        loaded.measure(&tree, (number * uniform.memtable_bytes) as f64);
    }
    tree.goals.settle = true;
    tree.compact(&mut Costs::default());
    tree.goals.settle = false;
    let mut overwritten = Costs::default();
    for number in 0..2 * memtables {
        if number == memtables {
            overwritten = Costs::default();
        }
        tree.universe = Some(uniform.data_bytes as f64);
        tree.flush(&mut overwritten);
        overwritten.measure(&tree, uniform.data_bytes as f64);
    }
    (loaded.amplification(), overwritten.amplification())
}

/// Sums over a phase.
#[derive(Default)]
struct Costs {
    user_bytes: f64,
    written_bytes: f64,
    moments: f64,
    files: f64,
    space: f64,
    space_max: f64,
}

impl Costs {
    fn measure(&mut self, tree: &Tree, live_bytes: f64) {
        let in_runs: f64 = tree.partitions.iter().flat_map(|partition| &partition.runs).sum();
        let runs = tree.partitions.iter().map(|partition| partition.runs.len() as f64 * partition.width);
        let space = (in_runs + tree.memtable_bytes * tree.shape.flushed.len() as f64) / live_bytes;
        self.moments += 1.0;
        self.files += tree.shape.flushed.len() as f64 + runs.sum::<f64>();
        self.space += space;
        self.space_max = self.space_max.max(space);
    }

    fn amplification(&self) -> Amplification {
        Amplification {
            write: self.written_bytes / self.user_bytes,
            read: self.files / self.moments,
            space: self.space / self.moments,
            space_max: self.space_max,
        }
    }
}

/// A partition beside what the planner sees of it.
struct Partition {
    /// Its share of all keys.
    width: f64,
    /// Bytes of its runs, newest first: no key stands twice in one.
    runs: Vec<f64>,
}

struct Tree {
    goals: Goals,
    memtable_bytes: f64,
    /// Bytes of all keys there are, if what is written overwrites them; none while each write is of a new key.
    universe: Option<f64>,
    partitions: Vec<Partition>,
    shape: Shape,
    begun: u64,
}

impl Tree {
    fn new(uniform: &Uniform) -> Self {
        let options = TreeOptions::default();
        let goals = Goals {
            trigger: options.compaction_trigger(),
            compact_all: false,
            settle: false,
            scan_credit_bytes: 0,
            compaction_cost_bytes: 0,
            clean_first: false,
            garbage_percent: u64::from(uniform.garbage_percent),
            partition_bytes: options.partition_size_bytes,
            max_runs: uniform.max_runs,
        };
        Self {
            goals,
            memtable_bytes: uniform.memtable_bytes as f64,
            universe: None,
            partitions: vec![Partition { width: 1.0, runs: Vec::new() }],
            shape: Shape { partitions: vec![PartitionShape::default()], flushed: Vec::new() },
            begun: 0,
        }
    }

    /// One more memtable is full: it is flushed, and all is compacted that is due.
    fn flush(&mut self, costs: &mut Costs) {
        costs.user_bytes += self.memtable_bytes;
        costs.written_bytes += self.memtable_bytes;
        let slice = |partition: &Partition| slice(partition.width * self.memtable_bytes);
        self.shape.flushed.push(self.partitions.iter().map(slice).collect());
        self.compact(costs);
    }

    fn compact(&mut self, costs: &mut Costs) {
        loop {
            let goals = Goals { clean_first: self.begun % 2 == 1, ..self.goals };
            let Some(plan) = plan(&self.shape, &goals) else { return };
            self.begun += 1;
            costs.written_bytes += self.carry_out(&plan);
        }
    }

    /// What a plan writes.
    fn carry_out(&mut self, plan: &Plan) -> f64 {
        let range = plan.first..=plan.last;
        let mut written = 0.0;
        let mut width = 0.0;
        let mut kept = Vec::new();
        for index in range.clone() {
            let partition = &mut self.partitions[index];
            let universe = self.universe.map(|bytes| bytes * partition.width);
            let taken = if plan.is_rewrite { partition.runs.len() } else { plan.runs };
            let of_flushed =
                self.shape.flushed.iter_mut().map(|file| std::mem::take(&mut file[index]).bytes as f64);
            let inputs = of_flushed.chain(partition.runs.drain(..taken));
            written += union(inputs, universe);
            width += partition.width;
            kept.append(&mut partition.runs);
        }
        let pieces =
            if written > plan.piece_len as f64 { (written / plan.piece_len as f64).ceil() } else { 1.0 };
        let piece = |older: &[f64]| Partition {
            width: width / pieces,
            runs: std::iter::once(written / pieces)
                .filter(|run| *run > 0.0)
                .chain(older.iter().copied())
                .collect(),
        };
        let new: Vec<Partition> = (0..pieces as usize).map(|_| piece(&kept)).collect();
        let shapes: Vec<_> = new.iter().map(|partition| self.shape_of(partition)).collect();
        for file in &mut self.shape.flushed {
            file.splice(range.clone(), shapes.iter().map(|_| FlushedShape::default()));
        }
        self.shape.partitions.splice(range.clone(), shapes);
        self.partitions.splice(range, new);
        self.shape.flushed.retain(|file| file.iter().any(|slice| slice.bytes > 0));
        written
    }

    fn shape_of(&self, partition: &Partition) -> PartitionShape {
        let universe = self.universe.map(|bytes| bytes * partition.width);
        let mut hidden = 0.0;
        let mut older = VecDeque::new();
        for run in partition.runs.iter().rev() {
            if let Some(universe) = universe {
                hidden += run * (union(older.iter().copied(), Some(universe)) / universe).min(1.0);
            }
            older.push_front(*run);
        }
        let runs: Vec<u64> = partition.runs.iter().map(|bytes| *bytes as u64).collect();
        PartitionShape {
            divisible: runs.iter().sum(),
            entries: runs.iter().sum(),
            hidden: hidden as u64,
            runs,
            ..PartitionShape::default()
        }
    }
}

fn slice(bytes: f64) -> FlushedShape {
    FlushedShape { bytes: bytes as u64, entries: bytes as u64, deletes: 0 }
}

/// Bytes of what several runs hold together: each key once, of so many, or all if none stands in two.
fn union(runs: impl Iterator<Item = f64>, universe: Option<f64>) -> f64 {
    let Some(universe) = universe else { return runs.sum() };
    let missing = runs.fold(1.0, |missing, run| missing * (1.0 - run / universe).max(0.0));
    universe * (1.0 - missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_amplification_grows_at_most_with_the_logarithm_of_the_data() {
        let at = |data_bytes| {
            amplification(&Uniform { data_bytes, memtable_bytes: 64 << 20, max_runs: 8, garbage_percent: 25 })
        };
        let costs = [at(1 << 30), at(4 << 30), at(16 << 30)];
        for (loaded, overwritten) in costs {
            assert!(loaded.write < 4.0 && overwritten.write < 5.0, "{loaded:?} {overwritten:?}");
            assert!(loaded.read < 12.0 && overwritten.read < 12.0, "{loaded:?} {overwritten:?}");
            assert!(loaded.space < 1.1 && overwritten.space_max < 1.5, "{loaded:?} {overwritten:?}");
        }
        for (smaller, larger) in costs.iter().zip(&costs[1..]) {
            assert!(larger.0.write < smaller.0.write + 1.2, "{smaller:?} {larger:?}");
            assert!(larger.1.write < smaller.1.write + 1.2, "{smaller:?} {larger:?}");
        }
    }

    #[test]
    fn what_scans_pay_for_comes_to_an_end_with_one_run_or_a_little_one_above() {
        for memtable_bytes in [1 << 20, 16 << 20, 100 << 20] {
            let uniform = Uniform { data_bytes: 1 << 30, memtable_bytes, max_runs: 8, garbage_percent: 25 };
            let mut tree = Tree::new(&uniform);
            tree.universe = Some(uniform.data_bytes as f64);
            for step in 0..150 {
                // Not spent: each time as much as ever.
                tree.goals.scan_credit_bytes = [0, 8 << 20, 100 << 20, u64::MAX][step / 2 % 4];
                let begun = tree.begun;
                tree.flush(&mut Costs::default());
                let partitions = tree.partitions.len() as u64;
                assert!(tree.begun - begun <= 4 * partitions + 16, "{} for {partitions}", tree.begun - begun);
                if tree.goals.scan_credit_bytes == u64::MAX {
                    let is_settled = |partition: &Partition| match partition.runs[..] {
                        [] | [_] => true,
                        [newer, oldest] => newer < oldest / 16.0,
                        _ => false,
                    };
                    assert!(tree.partitions.iter().all(is_settled), "step {step}");
                    let left = tree.shape.flushed.len();
                    assert!(left < tree.goals.trigger, "{left} files are left");
                }
            }
        }
    }
}

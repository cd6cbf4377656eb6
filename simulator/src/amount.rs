//! Work and space in amount: a settled database without snapshots holds what the model does and little
//! more, and compacting a few keys rewrites the partitions they belong to and few others.

use std::collections::BTreeSet;

use crate::pending::What;
use crate::settle::SETTLING;
use crate::simulation::Simulation;

/// Bytes that an entry costs beside key and value: lengths, tag, restart, filter, shares of trailers.
const ENTRY_COST: usize = 64;

/// Bytes that a file costs beside its entries: footer, trailers, a line of the filter.
const FILE_COST: usize = 400;

/// How many files may be rewritten for one partition that gets a key: it may be split or shrink, and then
/// be merged with its neighbours.
const REWRITTEN_MAX: usize = 4;

impl Simulation {
    /// With nobody reading and no faults since the opening.
    pub(crate) fn check_amounts(&self) {
        if self.run.judge.borrow().damaged || self.run.judge.borrow().poisoned {
            return;
        }
        self.let_callers_go();
        self.pass(SETTLING);
        self.check_garbage();
        self.compact();
        self.check_space();
        self.pass(SETTLING);
        self.check_work();
    }

    pub(crate) fn let_callers_go(&self) {
        for caller in &self.callers {
            caller.borrow_mut().let_go();
        }
    }

    fn compact(&self) {
        let upto = self.run.model.borrow().visible();
        self.callers[0].borrow_mut().begin(&self.run, What::Compact { upto }, self.db().compact_async());
        self.wait();
    }

    /// What snapshots held is gone by itself, but for less than the share that the options permit.
    fn check_garbage(&self) {
        let percent = u64::from(self.garbage_percent.get());
        for file in self.db().stats().runs() {
            let share = 100 * file.garbage_bytes / file.bytes;
            assert!(percent == 0 || share <= percent, "{share} % of file {} are garbage", file.id);
        }
    }

    /// After compacting, files hold each key that has a value once and nothing else.
    fn check_space(&self) {
        let model = self.run.model.borrow();
        let live = model.prefix(b"", model.visible());
        let stats = self.db().stats();
        let entries = stats.runs().map(|file| file.entries).sum::<u64>();
        assert_eq!(entries, live.len() as u64, "entries in the files of a compacted database");
        let deletes = stats.runs().map(|file| file.deletes + file.garbage_bytes).sum::<u64>();
        assert_eq!(deletes, 0, "deletes and garbage in the files of a compacted database");
        let bytes = stats.runs().map(|file| file.bytes).sum::<u64>();
        // Keys stand in the index as well, and the greatest one once more.
        let needed = live.iter().map(|(key, value)| 3 * key.len() + value.len() + ENTRY_COST).sum::<usize>();
        let needed = needed + stats.runs().count() * FILE_COST;
        assert!(bytes <= needed as u64, "{bytes} bytes of files for {needed} bytes");
    }

    /// A few writes are compacted by rewriting where they belong, however far apart that is.
    fn check_work(&self) {
        let before = self.db().stats();
        let mut homes = BTreeSet::new();
        for caller in self.callers.iter().take(2) {
            let mut caller = caller.borrow_mut();
            let entries = caller.draw_entry(&self.run);
            for (key, _) in &entries {
                homes.insert(before.partitions.partition_point(|home| home.lower_bound <= *key));
            }
            caller.write(&self.run, &self.db(), entries);
        }
        self.wait();
        self.compact();
        self.pass(SETTLING);
        let kept: BTreeSet<u64> = self.db().stats().runs().map(|file| file.id).collect();
        let rewritten = before.runs().filter(|file| !kept.contains(&file.id)).count();
        assert!(
            rewritten <= REWRITTEN_MAX * homes.len(),
            "{rewritten} of {} files were rewritten for keys of {}",
            before.runs().count(),
            homes.len()
        );
    }
}

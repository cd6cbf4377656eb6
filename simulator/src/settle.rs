//! After faults: the disk is healthy, nobody begins anything, and after a while everything works.

use std::time::Duration;

use crate::checks::verify;
use crate::pending::What;
use crate::simulation::Simulation;

/// How long a job that has failed may take to be tried again after the faults have ended: the
/// engine's pauses are 0.2 s, its clock looks once a second.
const GRACE: Duration = Duration::from_secs(5);

/// Segments of a settled database: one or two at the end of the stream, and four spares.
const SEGMENTS_MAX: usize = 6;

/// How long a database without writes may take to settle.
pub(crate) const SETTLING: Duration = Duration::from_secs(20);

impl Simulation {
    /// Everything must work again, but for writes on a handle that has refused them for good.
    pub(crate) fn settle(&self) {
        self.wait();
        self.pass(GRACE);
        self.run.judge.borrow_mut().made_good();
        self.write_some();
        if self.rng.borrow_mut().chance(50) {
            let upto = self.run.model.borrow().visible();
            let future = self.db().compact_async();
            self.callers[0].borrow_mut().begin(&self.run, What::Compact { upto }, future);
            self.wait();
        } else {
            self.pass(SETTLING);
        }
        if self.run.judge.borrow().poisoned {
            self.check_growth();
        } else if !self.run.judge.borrow().damaged {
            let stats = self.db().stats();
            let left = ["frozen_memtables", "flushed_files"].map(|name| stats.get(name));
            assert_eq!(left, [Some(0), Some(0)], "L1 and L2 of a settled database");
        }
        verify(&self.run, &self.db());
    }

    fn write_some(&self) {
        for caller in &self.callers {
            let mut caller = caller.borrow_mut();
            let entries = caller.draw_entry(&self.run);
            caller.write(&self.run, &self.db(), entries);
        }
        self.wait();
        let upto = self.run.model.borrow().visible();
        self.callers[0].borrow_mut().begin(&self.run, What::Flush { upto }, self.db().flush_async());
        self.wait();
    }

    /// A database that refuses writes takes no more space, however long it stays open.
    fn check_growth(&self) {
        self.pass(GRACE);
        let before = self.run.world.used();
        self.pass(SETTLING);
        let grown = self.run.world.used().saturating_sub(before);
        assert_eq!(grown, 0, "bytes by which a database grew that refuses writes");
    }

    /// With nobody reading and no faults any more, there is nothing on the disk that nothing names.
    pub(crate) fn check_leftovers(&self) {
        if self.run.judge.borrow().damaged || self.run.judge.borrow().poisoned {
            return;
        }
        for caller in &self.callers {
            caller.borrow_mut().let_go();
        }
        // Readers that have gone are noticed when the engine's clock looks.
        self.pass(SETTLING);
        let stats = self.db().stats();
        let live: Vec<String> =
            stats.flushed.iter().chain(stats.runs()).map(|file| format!("table-{:08}", file.id)).collect();
        let names = self.run.world.files(self.run.dir()).into_iter().map(|(name, _)| name);
        let files: Vec<String> = names.filter(|name| !self.run.is_foreign(name)).collect();
        let is_left = |name: &&String| name.starts_with("table-") && !live.contains(name);
        let left: Vec<&str> = files.iter().filter(is_left).map(String::as_str).collect();
        assert!(left.is_empty(), "files that nothing names: {}", left.join(" "));
        for (prefix, most) in [("MANIFEST-", 1), ("stage-", 1), ("wal-", SEGMENTS_MAX)] {
            let count = files.iter().filter(|name| name.starts_with(prefix)).count();
            assert!(count <= most, "{count} files {prefix}*, and {most} are needed");
        }
    }
}

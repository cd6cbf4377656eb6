//! What the memory limit of this process did during a phase: how near memory came to it, and what it cost.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Hierarchy;
use super::limit::is_of_a_run;

/// The group whose limit holds, watched from a moment on.
#[derive(Debug)]
pub struct GroupWatch {
    dir: PathBuf,
    unified: bool,
    limit_bytes: u64,
    /// The file of the peak, held open: in version 2 a peak begins anew for one descriptor alone.
    peak: Option<File>,
    peak_is_of_phase: bool,
    hits_before: u64,
    refaults_before: u64,
}

/// A memory limit and what it did, as it is written to JSON.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct GroupUsage {
    /// The tightest limit of the control groups.
    pub limit_bytes: u64,
    /// The most memory in that group: processes, and the OS cache they filled.
    pub peak_bytes: Option<u64>,
    /// Whether that is the peak of this phase; else of the group so far.
    pub peak_is_of_phase: bool,
    /// Whether the limit was reached, so that pages were taken from the OS cache, or more was asked for than there was.
    pub limit_was_hit: bool,
    /// Pages of the OS cache that were read anew, soon after they had been taken from it.
    pub refault_bytes: Option<u64>,
}

impl GroupWatch {
    /// Begins to watch; nothing where no limit holds.
    pub fn begin() -> Option<GroupWatch> {
        GroupWatch::of(&Hierarchy::of_this_process()?)
    }

    fn of(hierarchy: &Hierarchy) -> Option<GroupWatch> {
        let (dir, limit_bytes) = hierarchy.limited()?;
        let unified = hierarchy.unified;
        let path = dir.join(if unified { "memory.peak" } else { "memory.max_usage_in_bytes" });
        // In version 1 it begins anew for everybody, which is for us to say in a group of ours alone.
        let anew = (unified || is_of_a_run(&dir)).then(|| {
            let mut file = File::options().read(true).write(true).open(&path).ok()?;
            file.write_all(b"0").ok().map(|()| file)
        });
        let anew = anew.flatten();
        let peak_is_of_phase = anew.is_some();
        let peak = anew.or_else(|| File::open(&path).ok());
        let (hits_before, refaults_before) = (0, 0);
        let mut watch =
            GroupWatch { dir, unified, limit_bytes, peak, peak_is_of_phase, hits_before, refaults_before };
        watch.hits_before = watch.hits();
        watch.refaults_before = watch.refaults().unwrap_or(0);
        Some(watch)
    }

    /// What happened since.
    pub fn end(mut self) -> GroupUsage {
        let mut text = String::new();
        let read = self.peak.as_mut().map(|file| file.rewind().and_then(|()| file.read_to_string(&mut text)));
        let peak_bytes = read.and_then(Result::ok).and_then(|_| text.trim().parse().ok());
        let refaults = self.refaults().map(|pages| pages.saturating_sub(self.refaults_before));
        GroupUsage {
            limit_bytes: self.limit_bytes,
            peak_bytes,
            peak_is_of_phase: self.peak_is_of_phase,
            limit_was_hit: self.hits() > self.hits_before || reached(peak_bytes, self.limit_bytes),
            refault_bytes: refaults.map(|pages| pages * rustix::param::page_size() as u64),
        }
    }

    /// How often more was asked for than the limit allows. Version 1 has a count, too, which Linux 6.18 does not raise.
    fn hits(&self) -> u64 {
        if self.unified { self.number("memory.events", "max").unwrap_or(0) } else { 0 }
    }

    fn refaults(&self) -> Option<u64> {
        self.number("memory.stat", "workingset_refault_file")
    }

    /// The number on the line that begins with a name.
    fn number(&self, file: &str, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        let number = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        number?.trim().parse().ok()
    }
}

/// Memory is charged in pieces of up to two mebibytes, so that a peak may end somewhat below a limit that stopped it.
fn reached(peak_bytes: Option<u64>, limit_bytes: u64) -> bool {
    peak_bytes.is_some_and(|bytes| bytes >= limit_bytes - limit_bytes / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, unified: bool, files: &[(&str, &str)]) -> (tempfile::TempDir, Hierarchy) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(name)).unwrap();
        for (file, text) in files {
            fs::write(root.path().join(name).join(file), text).unwrap();
        }
        let hierarchy = Hierarchy { root: root.path().to_owned(), group: PathBuf::from(name), unified };
        (root, hierarchy)
    }

    #[test]
    fn what_is_counted_is_of_the_phase() {
        let files = [
            ("memory.max", "1048576\n"),
            ("memory.events", "low 3\nmax 5\noom_kill 0\n"),
            ("memory.stat", "anon 3\nworkingset_refault_file 7\n"),
        ];
        let (_root, hierarchy) = group("any", true, &files);
        let end = || GroupWatch::of(&hierarchy).unwrap().end();
        assert!(!end().limit_was_hit, "5 times were before");
        let watch = GroupWatch::of(&hierarchy).unwrap();
        fs::write(hierarchy.own().join("memory.events"), "low 3\nmax 12\noom_kill 0\n").unwrap();
        fs::write(hierarchy.own().join("memory.stat"), "anon 3\nworkingset_refault_file 10\n").unwrap();
        let used = watch.end();
        assert!(used.limit_was_hit && !used.peak_is_of_phase && used.peak_bytes.is_none(), "{used:?}");
        assert_eq!(used.refault_bytes, Some(3 * rustix::param::page_size() as u64));
        let (_root, unlimited) = group("any", true, &[("memory.max", "max\n")]);
        assert!(GroupWatch::of(&unlimited).is_none());
    }

    #[test]
    fn a_peak_at_the_limit_is_a_hit() {
        assert!(reached(Some(2 << 30), 2 << 30) && reached(Some((2 << 30) - (2 << 20)), 2 << 30));
        assert!(!reached(Some(2_000_000_000), 2 << 30) && !reached(None, 2 << 30));
    }

    #[test]
    fn in_version_1_only_a_group_of_a_run_has_its_peak_begin_anew() {
        let files = [("memory.limit_in_bytes", "1048576"), ("memory.max_usage_in_bytes", "999999")];
        for (name, is_of_phase, peak) in [("rabi-bench-1-run", true, "099999"), ("others", false, "999999")] {
            let (_root, hierarchy) = group(name, false, &files);
            let used = GroupWatch::of(&hierarchy).unwrap().end();
            assert_eq!((used.peak_is_of_phase, used.refault_bytes), (is_of_phase, None), "{name}");
            let text = fs::read_to_string(hierarchy.own().join("memory.max_usage_in_bytes")).unwrap();
            assert_eq!(text, peak, "{name}");
        }
    }
}

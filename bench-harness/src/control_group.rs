//! The same memory for every engine: a control group around each run.
//!
//! Either version of control groups. The group of a run is made fresh and removed after it, with the
//! OS cache it filled, so that no engine inherits another one's. Where that cannot be done, the
//! reason stands in the report, beside the limit the whole suite was started under, if there is one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::environment::Hierarchy;
use crate::size::size;

/// Where groups for runs can be made, and how large they are to be.
#[derive(Debug)]
pub struct MemoryLimit {
    parent: PathBuf,
    bytes: u64,
    unified: bool,
}

/// A group for one run; removed when dropped.
#[derive(Debug)]
pub struct Group {
    dir: PathBuf,
}

impl MemoryLimit {
    /// Finds the place for groups limited to `bytes`, and tries it. The error is for people.
    pub fn new(hierarchy: Option<Hierarchy>, bytes: u64) -> Result<MemoryLimit, String> {
        let Some(hierarchy) = hierarchy else {
            return Err("this machine has no memory controller in its control groups".to_owned());
        };
        if let Some(own) = hierarchy.limit_bytes().filter(|own| *own <= bytes) {
            return Err(format!(
                "the suite itself runs under a limit of {}, which holds for all runs",
                size(own)
            ));
        }
        let own = hierarchy.own();
        let candidates = [Some(own.as_path()), own.parent().filter(|dir| dir.starts_with(&hierarchy.root))];
        let Some(parent) =
            candidates.into_iter().flatten().find(|dir| !hierarchy.unified || gives_memory(dir))
        else {
            return Err(format!(
                "no group near {} hands on the memory controller; start the suite with \
                 systemd-run --scope -p MemoryMax={bytes} instead",
                own.display()
            ));
        };
        let limit = MemoryLimit { parent: parent.to_owned(), bytes, unified: hierarchy.unified };
        limit.group("try").map(|_| limit)
    }

    pub fn group(&self, name: &str) -> Result<Group, String> {
        let group = Group { dir: self.parent.join(format!("rabi-bench-{}-{name}", std::process::id())) };
        let make = || -> io::Result<()> {
            fs::create_dir(&group.dir)?;
            let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
            fs::write(group.dir.join(file), self.bytes.to_string())
        };
        make().map_err(|error| {
            format!(
                "cannot limit memory in {}: {error}; start the suite as root, or with \
                 systemd-run --scope -p MemoryMax={}",
                group.dir.display(),
                self.bytes
            )
        })?;
        // Swap would let an engine pass its limit; without swap there is no such file. Version 1 counts
        // memory and swap together.
        let _ = match self.unified {
            true => fs::write(group.dir.join("memory.swap.max"), "0"),
            false => fs::write(group.dir.join("memory.memsw.limit_in_bytes"), self.bytes.to_string()),
        };
        Ok(group)
    }
}

impl Group {
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Version 1 hands the cache on to the parent unless told to drop it; version 2 has no such file.
        let _ = fs::OpenOptions::new()
            .write(true)
            .open(self.dir.join("memory.force_empty"))
            .and_then(|mut file| io::Write::write_all(&mut file, b"0"));
        // It is empty once its process has ended; if not, a stale group harms nobody.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Moves this process into a group, before it has used any memory to speak of.
pub fn join(group: &Path) -> io::Result<()> {
    // Only the system makes this file: elsewhere it would be created, and nothing joined.
    let mut processes = fs::File::options().write(true).open(group.join("cgroup.procs"))?;
    processes.write_all(b"0")
}

fn gives_memory(dir: &Path) -> bool {
    let handed_on = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
    handed_on.split_whitespace().any(|name| name == "memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Hierarchy) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("user/session")).unwrap();
        let hierarchy =
            Hierarchy { root: root.path().to_owned(), group: PathBuf::from("user/session"), unified: true };
        (root, hierarchy)
    }

    #[test]
    fn the_group_is_made_where_the_controller_is_handed_on() {
        let (root, hierarchy) = tree();
        fs::write(root.path().join("user/cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let limit = MemoryLimit { parent: root.path().join("user"), bytes: 1 << 20, unified: true };
        let found = MemoryLimit::new(Some(hierarchy), 1 << 20).unwrap();
        assert_eq!(found.parent, limit.parent);
        let group = limit.group("a").unwrap();
        assert!(group.dir().starts_with(root.path().join("user")));
        assert_eq!(fs::read_to_string(group.dir().join("memory.max")).unwrap(), "1048576");
        assert!(join(group.dir()).is_err(), "no process is listed where no control group is");
        fs::write(group.dir().join("cgroup.procs"), "").unwrap();
        join(group.dir()).unwrap();
        assert_eq!(fs::read_to_string(group.dir().join("cgroup.procs")).unwrap(), "0");
    }

    #[test]
    fn in_version_1_the_group_is_made_within_the_own_one() {
        let (_root, hierarchy) = tree();
        let limit =
            MemoryLimit::new(Some(Hierarchy { unified: false, ..hierarchy.clone() }), 1 << 20).unwrap();
        assert_eq!(limit.parent, hierarchy.own());
        let group = limit.group("a").unwrap();
        assert_eq!(fs::read_to_string(group.dir().join("memory.limit_in_bytes")).unwrap(), "1048576");
    }

    #[test]
    fn where_it_cannot_be_done_the_reason_and_the_way_out_are_given() {
        let (_root, hierarchy) = tree();
        let why = |hierarchy| MemoryLimit::new(hierarchy, 1 << 20).unwrap_err();
        assert!(why(None).contains("no memory controller"));
        assert!(why(Some(hierarchy.clone())).contains("systemd-run --scope -p MemoryMax=1048576"));
        fs::write(hierarchy.own().join("memory.max"), "4096").unwrap();
        assert!(why(Some(hierarchy)).contains("under a limit of 4 KiB"));
    }
}

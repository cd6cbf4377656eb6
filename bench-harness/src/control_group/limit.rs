//! A control group around a run.
//!
//! It is made fresh and removed after the run, with the OS cache that the run filled, so that no engine inherits another
//! one's. Where that cannot be done, the error says why, and what to do.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Hierarchy;
use crate::size::size;

/// How the names of groups begin that are made here.
const PREFIX: &str = "rabi-bench-";

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
    bytes: u64,
    unified: bool,
}

impl MemoryLimit {
    /// Finds the place for groups limited to `bytes`, and tries it. The error is for people.
    pub fn new(hierarchy: Option<Hierarchy>, bytes: u64) -> Result<MemoryLimit, String> {
        let Some(hierarchy) = hierarchy else {
            return Err(format!(
                "cannot limit memory to {}: this machine has no memory controller in its control groups; \
                 leave --memory-limit out",
                size(bytes)
            ));
        };
        if let Some(own) = hierarchy.limit_bytes().filter(|own| *own < bytes) {
            return Err(format!(
                "cannot limit memory to {}: this process itself runs under a limit of {}; leave \
                 --memory-limit out, or ask for no more than that",
                size(bytes),
                size(own)
            ));
        }
        let Some(parent) = place(&hierarchy) else {
            return Err(format!(
                "cannot limit memory to {}: no group near {} hands on the memory controller; {}",
                size(bytes),
                hierarchy.own().display(),
                way_out(bytes)
            ));
        };
        let limit = MemoryLimit { parent, bytes, unified: hierarchy.unified };
        limit.group("try").map(|_| limit)
    }

    pub fn group(&self, name: &str) -> Result<Group, String> {
        let dir = self.parent.join(format!("{PREFIX}{}-{name}", std::process::id()));
        let group = Group { dir, bytes: self.bytes, unified: self.unified };
        let make = || -> io::Result<()> {
            fs::create_dir(&group.dir)?;
            let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
            fs::write(group.dir.join(file), self.bytes.to_string())
        };
        make().map_err(|error| {
            let (asked, dir) = (size(self.bytes), group.dir.display());
            format!("cannot limit memory to {asked} in {dir}: {error}; {}", way_out(self.bytes))
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

/// What to do where no group can be made.
fn way_out(bytes: u64) -> String {
    format!(
        "start rabi-bench as root (in a container: privileged, with /sys/fs/cgroup writable), or leave --memory-limit \
         out and start it with: systemd-run --scope -p MemoryMax={bytes} -p MemorySwapMax=0"
    )
}

/// The group to make others in: the own one, the one around it, or the root.
fn place(hierarchy: &Hierarchy) -> Option<PathBuf> {
    let (own, root) = (hierarchy.own(), hierarchy.root.as_path());
    let near = [Some(own.as_path()), own.parent().filter(|dir| dir.starts_with(root)), Some(root)];
    let mut places = near.into_iter().flatten().filter(|dir| dir.is_dir());
    places
        .find(|dir| !hierarchy.unified || gives_memory(dir) || (*dir == root && give_memory(dir)))
        .map(Path::to_owned)
}

/// Whether groups within this one can have limits: version 2 says so.
fn gives_memory(dir: &Path) -> bool {
    let handed_on = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
    handed_on.split_whitespace().any(|name| name == "memory")
}

/// Hands the controller on. Only the root may do that while processes are in it.
fn give_memory(root: &Path) -> bool {
    let control = fs::File::options().write(true).open(root.join("cgroup.subtree_control"));
    control.and_then(|mut file| file.write_all(b"+memory")).is_ok() && gives_memory(root)
}

impl Group {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What became of a process in it that the system has ended, if that was for want of memory.
    pub fn explain_kill(&self) -> Option<String> {
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
        kills.filter(|kills| *kills > 0).map(|_| {
            format!(
                "{} of memory were too little for it; raise --memory-limit, or lower --cache-size-bytes and \
                 --memtable-size-bytes",
                size(self.bytes)
            )
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Version 1 hands the cache on to the parent unless told to drop it; version 2 has no such file.
        let _ = fs::OpenOptions::new()
            .write(true)
            .open(self.dir.join("memory.force_empty"))
            .and_then(|mut file| file.write_all(b"0"));
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

/// Whether a group was made here, for one run alone.
pub fn is_of_a_run(group: &Path) -> bool {
    group.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
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
        let limit = MemoryLimit::new(Some(hierarchy), 1 << 20).unwrap();
        assert_eq!(limit.parent, root.path().join("user"));
        let group = limit.group("a").unwrap();
        assert!(group.dir().starts_with(root.path().join("user")) && is_of_a_run(group.dir()));
        assert_eq!(fs::read_to_string(group.dir().join("memory.max")).unwrap(), "1048576");
        assert!(join(group.dir()).is_err(), "no process is listed where no control group is");
        fs::write(group.dir().join("cgroup.procs"), "").unwrap();
        join(group.dir()).unwrap();
        assert_eq!(fs::read_to_string(group.dir().join("cgroup.procs")).unwrap(), "0");
    }

    #[test]
    fn the_root_is_asked_to_hand_the_controller_on_and_nobody_else() {
        let (root, hierarchy) = tree();
        for dir in ["", "user", "user/session"] {
            fs::write(root.path().join(dir).join("cgroup.subtree_control"), "").unwrap();
        }
        assert_eq!(place(&hierarchy), None, "a plain file does not answer +memory as the kernel does");
        assert_eq!(fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap(), "+memory");
        assert_eq!(fs::read_to_string(root.path().join("user/cgroup.subtree_control")).unwrap(), "");
    }

    #[test]
    fn in_version_1_the_group_is_made_within_the_own_one() {
        let (root, hierarchy) = tree();
        let first = Hierarchy { unified: false, ..hierarchy.clone() };
        let limit = MemoryLimit::new(Some(first.clone()), 1 << 20).unwrap();
        assert_eq!(limit.parent, hierarchy.own());
        let group = limit.group("a").unwrap();
        assert_eq!(fs::read_to_string(group.dir().join("memory.limit_in_bytes")).unwrap(), "1048576");
        // A container may see its groups from above, where its own name leads nowhere.
        let elsewhere = Hierarchy { group: PathBuf::from("docker/x"), ..first };
        assert_eq!(place(&elsewhere).unwrap(), root.path());
    }

    #[test]
    fn who_was_killed_for_want_of_memory_is_told_so() {
        let (_root, hierarchy) = tree();
        let limit = MemoryLimit { parent: hierarchy.own(), bytes: 1 << 30, unified: true };
        let group = limit.group("a").unwrap();
        assert_eq!(group.explain_kill(), None);
        fs::write(group.dir().join("memory.events"), "low 0\nmax 7\noom 1\noom_kill 1\n").unwrap();
        assert!(group.explain_kill().unwrap().starts_with("1 GiB of memory were too little"));
    }

    #[test]
    fn where_it_cannot_be_done_the_reason_and_the_way_out_are_given() {
        let (_root, hierarchy) = tree();
        let why = |hierarchy| MemoryLimit::new(hierarchy, 1 << 20).unwrap_err();
        assert!(why(None).contains("no memory controller"));
        assert!(why(Some(hierarchy.clone())).contains("systemd-run --scope -p MemoryMax=1048576"));
        fs::write(hierarchy.own().join("memory.max"), "4096").unwrap();
        assert!(why(Some(hierarchy)).contains("runs under a limit of 4 KiB"));
    }
}

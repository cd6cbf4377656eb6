//! The control groups this process is in, and the memory limit that holds for it: the tightest on the way from its
//! own group to the root.

use std::fs;
use std::path::{Path, PathBuf};

/// Above this a limit of version 1 means none: it is a number near the largest signed one.
const NO_LIMIT_BYTES: u64 = 1 << 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    pub root: PathBuf,
    pub group: PathBuf,
    /// Whether it is the unified hierarchy of version 2.
    pub unified: bool,
}

impl Hierarchy {
    pub fn of_this_process() -> Option<Hierarchy> {
        Hierarchy::with("memory")
    }

    pub fn with(controller: &str) -> Option<Hierarchy> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Hierarchy::parse(controller, &groups, &mounts, &|root| has(root, controller))
    }

    /// `groups` is `/proc/self/cgroup`, `mounts` is `/proc/self/mountinfo`.
    fn parse(
        controller: &str,
        groups: &str,
        mounts: &str,
        has_it: &dyn Fn(&Path) -> bool,
    ) -> Option<Hierarchy> {
        let group = |wanted: &dyn Fn(&str) -> bool| {
            groups.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let (controllers, path) = (parts.next()?, parts.next()?);
                wanted(controllers).then(|| PathBuf::from(path.trim_start_matches('/')))
            })
        };
        let mount = |kind: &str, option: &str| {
            mounts.lines().find_map(|line| {
                let (left, right) = line.split_once(" - ")?;
                let mut right = right.split(' ');
                let (found, options) = (right.next()?, right.nth(1)?);
                let has_option = option.is_empty() || options.split(',').any(|o| o == option);
                (found == kind && has_option).then(|| left.split(' ').nth(4).map(PathBuf::from))?
            })
        };
        if let Some(root) = mount("cgroup2", "").filter(|root| has_it(root)) {
            return Some(Hierarchy { root, group: group(&|names| names.is_empty())?, unified: true });
        }
        let root = mount("cgroup", controller)?;
        let group = group(&|names| names.split(',').any(|name| name == controller))?;
        Some(Hierarchy { root, group, unified: false })
    }

    /// The directory of this process's group.
    pub fn own(&self) -> PathBuf {
        self.root.join(&self.group)
    }

    /// The directories of the groups that may have settings, from its own up.
    pub fn groups(&self) -> Vec<PathBuf> {
        let own = self.own();
        own.ancestors().take_while(|group| group.starts_with(&self.root)).map(Path::to_owned).collect()
    }

    pub fn limit_bytes(&self) -> Option<u64> {
        self.limited().map(|(_, bytes)| bytes)
    }

    /// The group whose limit holds, with that limit; of equal ones the innermost.
    pub fn limited(&self) -> Option<(PathBuf, u64)> {
        let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        let limits = self.groups().into_iter().filter_map(|group| {
            let text = fs::read_to_string(group.join(file)).ok()?;
            let bytes = text.trim().parse::<u64>().ok().filter(|bytes| *bytes < NO_LIMIT_BYTES)?;
            Some((group, bytes))
        });
        limits.min_by_key(|(_, bytes)| *bytes)
    }
}

fn has(root: &Path, controller: &str) -> bool {
    let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().any(|name| name == controller)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "29 26 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      30 26 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_version_that_has_the_memory_controller_is_taken() {
        let groups = "4:memory:/jobs/one\n1:cpu:/\n0::/session\n";
        let first = Hierarchy::parse("memory", groups, V1, &|_| false).unwrap();
        assert_eq!(first.own(), Path::new("/sys/fs/cgroup/memory/jobs/one"));
        assert!(!first.unified);
        let second = Hierarchy::parse("memory", groups, V1, &|_| true).unwrap();
        assert_eq!(second.own(), Path::new("/sys/fs/cgroup/unified/session"));
        assert!(second.unified);
        assert_eq!(Hierarchy::parse("memory", groups, "", &|_| true), None);
    }

    #[test]
    fn the_tightest_limit_on_the_way_to_the_root_holds() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a/b");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("a/memory.max"), "1048576\n").unwrap();
        let hierarchy =
            Hierarchy { root: root.path().to_owned(), group: PathBuf::from("a/b"), unified: true };
        assert_eq!(hierarchy.limit_bytes(), Some(1 << 20));
        fs::write(own.join("memory.max"), "4096\n").unwrap();
        assert_eq!(hierarchy.limit_bytes(), Some(4096));
        let none = Hierarchy { unified: false, ..hierarchy };
        fs::write(own.join("memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
        assert_eq!(none.limit_bytes(), None);
    }
}

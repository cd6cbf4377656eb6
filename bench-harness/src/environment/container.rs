//! What the process runs in: a container, a virtual machine, a share of the processors.

use std::fs;
use std::path::Path;

use crate::control_group::Hierarchy;

/// The kind of container and of virtual machine, as far as they show.
pub fn kind() -> String {
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    let container = marks.into_iter().find(|(mark, _)| Path::new(mark).exists()).map(|(_, name)| name);
    let first = fs::read("/proc/1/environ").unwrap_or_default();
    let named = first.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"container="));
    let container = match (container, named) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => String::from_utf8_lossy(name).into_owned(),
        (None, None) => "no container".to_owned(),
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let machine = if flags.split_whitespace().any(|flag| flag == "hypervisor") {
        "virtual machine"
    } else {
        "no sign of a virtual machine"
    };
    format!("{container}, {machine}")
}

/// Cores by the tightest quota of the control groups; none if there is no quota.
pub fn cpu_limit_cores() -> Option<f64> {
    let quota = |dir: &Path| {
        let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
        match read("cpu.max") {
            Some(both) => cores(both.trim()),
            None => {
                cores(&format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()))
            }
        }
    };
    Hierarchy::with("cpu")?.groups().iter().filter_map(|dir| quota(dir)).min_by(f64::total_cmp)
}

/// Of `quota period`, as version 2 writes it; `max` or -1 is no quota.
fn cores(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_number_of_cores_and_none_is_none() {
        assert_eq!(cores("150000 100000"), Some(1.5));
        assert_eq!(cores("max 100000"), None);
        assert_eq!(cores("-1 100000"), None);
    }

    #[test]
    fn something_is_said_of_the_container_and_of_the_machine() {
        assert_eq!(kind().split(", ").count(), 2);
    }
}

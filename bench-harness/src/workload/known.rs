//! The workloads that commands know by name: YCSB's core workloads as this repository has them, and some of its own.

/// Letters, which stand for YCSB's, and names.
const KNOWN: [(&str, &str); 8] = [
    ("a", include_str!("../../../workloads/workloada")),
    ("b", include_str!("../../../workloads/workloadb")),
    ("c", include_str!("../../../workloads/workloadc")),
    ("d", include_str!("../../../workloads/workloadd")),
    ("e", include_str!("../../../workloads/workloade")),
    ("f", include_str!("../../../workloads/workloadf")),
    ("uniform-reads", include_str!("../../../workloads/uniform-reads")),
    ("uniform-overwrites", include_str!("../../../workloads/uniform-overwrites")),
];

/// A workload as commands name it, by its letter or its name; also with what YCSB puts before letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownWorkload {
    /// The letter, or the name.
    pub name: &'static str,
    /// Its property file.
    pub text: &'static str,
}

impl KnownWorkload {
    /// The workload of this name, if there is one.
    pub fn of(name: &str) -> Option<KnownWorkload> {
        let name = name.strip_prefix("workload").unwrap_or(name);
        let (name, text) = KNOWN.iter().find(|(known, _)| *known == name)?;
        Some(KnownWorkload { name, text })
    }

    /// As it stands in reports: `workloada`, or its name.
    pub fn title(self) -> String {
        if self.name.len() == 1 { format!("workload{}", self.name) } else { self.name.to_owned() }
    }

    /// All names, for messages.
    pub fn names() -> String {
        KNOWN.map(|(name, _)| name).join(", ")
    }
}

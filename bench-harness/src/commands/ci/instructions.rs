//! Who counts instructions here: callgrind, else perf, else nobody.
//!
//! Callgrind simulates the processor: it counts the same on any machine, and with
//! `--toggle-collect` only on the calling thread and only inside the measured step, whose counts
//! it writes out each time the step ends. perf reads the processor's own counter, for the whole
//! process with its start and its other threads, and exists only where the machine (or its
//! hypervisor) lets it. Callgrind runs one thread at a time and blocks inside a ring's wait, so
//! under it the engine is given its blocking backend.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::child::Children;
use super::steps::{MEASURED, Sequence};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counter {
    /// `valgrind --tool=callgrind`, with its version.
    Callgrind(String),
    /// `perf stat -e instructions:u`, with its version.
    Perf(String),
    /// Neither works, and why.
    Nobody(String),
}

impl Counter {
    pub fn probe() -> Counter {
        if let Some(version) = said("valgrind", &["--version"]) {
            return Counter::Callgrind(version);
        }
        let Some(version) = said("perf", &["--version"]) else {
            return Counter::Nobody("neither valgrind nor perf is installed".to_owned());
        };
        match perf_count(
            &Command::new("perf")
                .args(PERF)
                .arg("true")
                .output()
                .ok()
                .map_or_else(String::new, |done| String::from_utf8_lossy(&done.stderr).into_owned()),
        ) {
            Some(_) => Counter::Perf(version),
            None => Counter::Nobody(
                "valgrind is not installed, and perf has no instruction counter here; install valgrind"
                    .to_owned(),
            ),
        }
    }

    /// One sentence on who counts.
    pub fn name(&self) -> String {
        match self {
            Counter::Callgrind(version) => format!("callgrind ({version})"),
            Counter::Perf(version) => format!("perf ({version})"),
            Counter::Nobody(why) => format!("nobody: {why}"),
        }
    }

    /// Counts the instructions of each step (callgrind) or of all together (perf).
    pub fn count(&self, children: &Children, scratch: &Path, more: &[&str]) -> Result<Vec<(String, f64)>> {
        match self {
            Counter::Callgrind(_) => callgrind(children, scratch, more),
            Counter::Perf(_) => perf(children, scratch, more),
            Counter::Nobody(_) => Ok(Vec::new()),
        }
    }
}

const PERF: [&str; 5] = ["stat", "-x", ",", "-e", "instructions:u"];

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

fn callgrind(children: &Children, scratch: &Path, more: &[&str]) -> Result<Vec<(String, f64)>> {
    let parts = tempfile::tempdir_in(scratch).context("cannot create a temporary directory")?;
    let out = parts.path().join("parts");
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(&out);
    let wrapper = [
        "valgrind".into(),
        "--tool=callgrind".into(),
        format!("--toggle-collect={MEASURED}").into(),
        format!("--dump-after={MEASURED}").into(),
        file,
    ];
    let sequence = children.run(scratch, &wrapper, more)?;
    let mut counts = Vec::new();
    for (index, step) in sequence.steps.iter().enumerate() {
        // Parts are numbered from one in the order in which steps ended.
        let path = parts.path().join(format!("parts.{}", index + 1));
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(total) = callgrind_total(&text) else {
            bail!("{}: callgrind wrote no total of step {}", path.display(), step.name);
        };
        counts.push((step.name.clone(), total / step.operations as f64));
    }
    Ok(counts)
}

/// The number behind `totals:` or `summary:`; of one event, instructions read.
fn callgrind_total(text: &str) -> Option<f64> {
    let number =
        |line: &str| line.strip_prefix("totals: ").or(line.strip_prefix("summary: "))?.trim().parse().ok();
    text.lines().find_map(number)
}

fn perf(children: &Children, scratch: &Path, more: &[&str]) -> Result<Vec<(String, f64)>> {
    let out = tempfile::NamedTempFile::new_in(scratch).context("cannot create a temporary file")?;
    let mut wrapper: Vec<OsString> = vec!["perf".into()];
    wrapper.extend(PERF.map(OsString::from));
    wrapper.extend(["-o".into(), out.path().into(), "--".into()]);
    let sequence = children.run(scratch, &wrapper, more)?;
    let text = std::fs::read_to_string(out.path()).context("cannot read what perf wrote")?;
    let count = perf_count(&text).context("perf wrote no count of instructions")?;
    Ok(vec![("all".to_owned(), count / operations(&sequence) as f64)])
}

fn operations(sequence: &Sequence) -> u64 {
    sequence.steps.iter().map(|step| step.operations).sum()
}

/// The count in perf's comma-separated form; nothing for `<not supported>`.
fn perf_count(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains("instructions"))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_counts_are_found() {
        assert_eq!(callgrind_total("events: Ir\nfn=(1)\n0 5\n\ntotals: 1234\n"), Some(1234.0));
        assert_eq!(callgrind_total("summary: 77\n"), Some(77.0));
        assert_eq!(callgrind_total("events: Ir\n"), None);
        // Lines as perf 6.x writes them with -x ,
        assert_eq!(perf_count("123456,,instructions:u,789,100.00,,"), Some(123_456.0));
        assert_eq!(perf_count("<not supported>,,instructions:u,0,100.00,,"), None);
    }

    #[test]
    fn the_probe_names_its_counter() {
        let name = Counter::probe().name();
        assert!(["callgrind (", "perf (", "nobody: "].iter().any(|start| name.starts_with(start)), "{name}");
    }
}

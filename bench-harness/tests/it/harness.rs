//! Starts the binary in a directory of its own and keeps what it said.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A directory in which commands are run.
pub struct Bench {
    dir: tempfile::TempDir,
}

/// What a command said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Bench {
    pub fn new() -> Bench {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs the binary with arguments separated by spaces.
    pub fn run(&self, arguments: &str) -> Said {
        let done = Command::new(env!("CARGO_BIN_EXE_rabi-bench"))
            .args(arguments.split_whitespace())
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        Said {
            code: done.status.code().unwrap(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    pub fn json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

impl Said {
    /// Asserts the exit code and a part of what went to standard error.
    pub fn expect(self, code: i32, part: &str) -> Said {
        let (out, err) = (&self.out, &self.err);
        assert_eq!(self.code, code, "stdout:\n{out}\nstderr:\n{err}");
        assert!(self.err.contains(part), "'{part}' is not in stderr:\n{err}");
        self
    }
}

const ENGINES: [&str; 7] = ["memory", "rabi", "rocksdb", "lmdb", "fjall", "redb", "sled"];

/// The engines to test with: those that keep data, as far as the binary was built with them.
pub fn engines() -> Vec<&'static str> {
    let help = Bench::new().run("--help").out;
    let listed = |name: &&str| help.lines().any(|line| line.starts_with(&format!("  {name} ")));
    let engines: Vec<_> = ENGINES.into_iter().filter(listed).collect();
    assert!(engines.contains(&"memory"), "{help}");
    engines
}

/// A workload file of this repository.
pub fn core_workload(letter: char) -> String {
    format!("{}/../workloads/workload{letter}", env!("CARGO_MANIFEST_DIR"))
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A count in the `operations` of a report; 0 for an operation that did not occur.
pub fn count(report: &Value, operation: &str) -> u64 {
    report["operations"][operation]["count"].as_u64().unwrap_or(0)
}

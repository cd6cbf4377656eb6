//! Starts the binary in a directory of its own and keeps what it said.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

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

    /// Runs the binary with arguments separated by spaces; `{a}` to `{f}` are the core workloads.
    pub fn run(&self, arguments: &str) -> Said {
        let done = Command::new(env!("CARGO_BIN_EXE_rabi-bench"))
            .args(words(arguments))
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        Said {
            code: done.status.code().unwrap(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    /// Whether memory can be limited here; who may not make control groups is told so.
    pub fn limits_memory(&self) -> bool {
        let said = self.run("load -p recordcount=1 --engine memory --dir limited --memory-limit 512MiB");
        if said.code == 0 {
            return true;
        }
        said.expect(2, "error: cannot limit memory to 512 MiB").expect(2, "leave");
        eprintln!("skipped: memory cannot be limited here");
        false
    }

    /// Starts the binary with arguments separated by spaces, and a directory of its own for temporary files.
    pub fn start(&self, arguments: &str) -> Running {
        let temporary = self.path("temporary");
        std::fs::create_dir_all(&temporary).unwrap();
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        let child = Command::new(env!("CARGO_BIN_EXE_rabi-bench"))
            .args(words(arguments))
            .current_dir(self.dir.path())
            .env("TMPDIR", &temporary)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Running { child, out, err, temporary }
    }

    /// The directory of the only results.
    pub fn results(&self) -> PathBuf {
        let names = names(&self.path("results"));
        assert_eq!(names.len(), 1, "{names:?}");
        self.path("results").join(&names[0])
    }

    pub fn json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

/// A small file system in memory, gone with the value.
pub struct Small {
    pub at: PathBuf,
}

impl Small {
    /// Mounts one at `small`; nothing where none can be mounted, which is said.
    pub fn mount(bench: &Bench, size_mib: u32) -> Option<Small> {
        let at = bench.path("small");
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "rabi-bench-test"]).arg(&at);
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(Small { at });
        }
        eprintln!("skipped: cannot mount a tmpfs at {}", at.display());
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A process that has not quite gone may still be in it: the lazy way takes it all the same.
        let done = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot unmount {}", self.at.display());
    }
}

/// A command that runs.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    /// Its directory for temporary files.
    pub temporary: PathBuf,
}

impl Running {
    /// Waits until it has said this on standard error.
    pub fn wait_for(&mut self, part: &str) {
        let limit = Instant::now() + Duration::from_secs(60);
        while !read(&self.err).contains(part) {
            assert!(Instant::now() < limit, "'{part}' was never said:\n{}", read(&self.err));
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || read(&self.err).contains(part), "{ended:?}: {}", read(&self.err));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end, which has to come within a limit.
    pub fn end_within(&mut self, limit: Duration) -> Said {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "not over after {limit:?}:\n{}", read(&self.err));
            std::thread::sleep(Duration::from_millis(5));
        };
        let code = status.code().unwrap_or_else(|| panic!("{status}:\n{}", read(&self.err)));
        Said { code, out: read(&self.out), err: read(&self.err) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Most have ended by then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// The names in a directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
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

fn words(arguments: &str) -> impl Iterator<Item = String> {
    let put = |word: String, letter: char| word.replace(&format!("{{{letter}}}"), &core_workload(letter));
    arguments.split_whitespace().map(move |word| ('a'..='f').fold(word.to_owned(), put))
}

/// A workload file of this repository.
fn core_workload(letter: char) -> String {
    format!("{}/../workloads/workload{letter}", env!("CARGO_MANIFEST_DIR"))
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A count in the `operations` of a report; 0 for an operation that did not occur.
pub fn count(report: &Value, operation: &str) -> u64 {
    report["operations"][operation]["count"].as_u64().unwrap_or(0)
}

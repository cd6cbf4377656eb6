//! The parent's hold on a child process: hears how far it is, kills it, and says how it ended.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::child::Recovered;

const SIGKILL: i32 = 9;

/// How far a child has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has said nothing yet.
    Starting,
    /// It opens the database.
    Opening,
    /// The database is open.
    Opened,
    /// It loads the data set.
    Loading,
    /// It writes the workload.
    Running,
}

impl Stage {
    /// What is under way, for reports.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Starting => "start",
            Stage::Opening => "open",
            Stage::Opened => "opened",
            Stage::Loading => "load",
            Stage::Running => "run",
        }
    }
}

/// What was heard of a child.
enum Heard {
    Line,
    Nothing,
    End,
}

/// A child process that is alive, as far as is known.
pub struct Victim {
    child: Child,
    lines: Receiver<String>,
    errors: File,
    stage: Stage,
    failures: u64,
    recovered: Option<String>,
}

/// How a child died by the hand of its parent.
#[derive(Debug)]
pub struct Death {
    /// How far it had come.
    pub stage: Stage,
    /// Operations that had failed.
    pub failures: u64,
}

impl Victim {
    /// Starts this program with the given arguments and the ledger as its standard input.
    pub fn start(words: &[OsString], ledger: &File) -> Result<Victim> {
        let program = std::env::current_exe().context("cannot find the program that runs")?;
        let errors = tempfile::tempfile().context("cannot create a temporary file")?;
        let mut child = Command::new(program)
            .args(words)
            .stdin(ledger.try_clone().context("cannot share the ledger")?)
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().context("cannot share a temporary file")?)
            .spawn()
            .context("cannot start a child process")?;
        let stdout = child.stdout.take().expect("standard output was asked to be a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Victim { child, lines, errors, stage: Stage::Starting, failures: 0, recovered: None })
    }

    /// Waits until it has come so far; an error says why it never will.
    pub fn wait_for(&mut self, stage: Stage, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        while self.stage < stage {
            match self.hear(deadline) {
                Heard::Line => {}
                Heard::Nothing => return Err(format!("{} was not over within {limit:?}", self.stage.name())),
                Heard::End => return Err(self.own_end()),
            }
        }
        Ok(())
    }

    /// Lets it go on for some time and kills it; an error says how it ended before.
    pub fn kill_after(mut self, time: Duration) -> Result<Death, String> {
        let deadline = Instant::now() + time;
        loop {
            match self.hear(deadline) {
                Heard::Line => {}
                Heard::Nothing => break,
                Heard::End => return Err(self.own_end()),
            }
        }
        // If it has ended in this moment there is nothing to kill, and its status says so.
        let _ = self.child.kill();
        while let Ok(line) = self.lines.recv() {
            self.take(&line);
        }
        match self.child.wait() {
            Ok(status) if status.signal() == Some(SIGKILL) => {
                Ok(Death { stage: self.stage, failures: self.failures })
            }
            _ => Err(self.own_end()),
        }
    }

    /// Waits for the end of a recovery.
    pub fn recovered(mut self, limit: Duration) -> Result<Recovered, String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.hear(deadline) {
                Heard::Line => {}
                Heard::Nothing => return Err(format!("{} was not over within {limit:?}", self.stage.name())),
                Heard::End => break,
            }
        }
        match (self.recovered.take(), self.child.wait()) {
            (Some(json), Ok(status)) if status.success() => {
                serde_json::from_str(&json).map_err(|error| format!("said {json}: {error}"))
            }
            _ => Err(self.own_end()),
        }
    }

    fn hear(&mut self, deadline: Instant) -> Heard {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.take(&line);
                Heard::Line
            }
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    fn take(&mut self, line: &str) {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("opening", _) => self.stage = Stage::Opening,
            ("opened", _) => self.stage = Stage::Opened,
            ("loading", _) => self.stage = Stage::Loading,
            ("running", _) => self.stage = Stage::Running,
            ("failed", count) => self.failures = count.parse().unwrap_or(self.failures),
            ("recovered", json) => self.recovered = Some(json.to_owned()),
            // Some engines print things of their own.
            _ => {}
        }
    }

    /// How it has ended by itself, or is about to, with the last lines it said.
    fn own_end(&mut self) -> String {
        const LINES: usize = 4;
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => format!("a status that cannot be had ({error})"),
        };
        let mut said = String::new();
        // What cannot be read is not said.
        let _ = self.errors.rewind().and_then(|()| self.errors.read_to_string(&mut said));
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join("; ");
        let last = if last.is_empty() { "it said nothing" } else { &last };
        format!("{} ended by itself with {status}: {last}", self.stage.name())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be dead already; nobody is left behind either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

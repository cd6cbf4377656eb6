//! The parent's hold on a child process: hears how far it is, kills it, and says how it ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::child::{RECOVERED, Recovered};
use super::stage::Stage;
use crate::interrupt;

const SIGKILL: i32 = 9;
/// How long a signal to this process is not seen.
const POLL: Duration = Duration::from_millis(20);

#[derive(PartialEq, Eq)]
enum Heard {
    Enough,
    Nothing,
    End,
}

/// What went wrong with an engine: it is reported, and ends no command.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

impl Trouble {
    /// Tells it from what does end the command.
    pub fn in_words<T>(done: Result<T>) -> Result<Result<T, String>> {
        match done {
            Err(error) if error.is::<Trouble>() => Ok(Err(format!("{error:#}"))),
            done => done.map(Ok),
        }
    }
}

/// A child process that is alive, as far as is known.
pub struct Victim {
    child: Child,
    lines: Receiver<String>,
    errors: File,
    stage: Stage,
    /// The first word of each line it has said, and the rest of the last line with that word.
    said: BTreeMap<String, String>,
}

/// How a child died by the hand of its parent.
#[derive(Debug)]
pub struct Death {
    pub stage: Stage,
    pub failures: u64,
}

impl Victim {
    /// Starts this program with the given arguments and the ledger as its standard input.
    pub fn start(words: &[OsString], ledger: &File) -> Result<Victim> {
        let program = std::env::current_exe().context("cannot find the program that runs")?;
        let errors = tempfile::tempfile().context("cannot create a temporary file")?;
        let mut child = Command::new(program)
            .args(words)
            // Ctrl-C is for this process, which kills it by itself.
            .process_group(0)
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
        Ok(Victim { child, lines, errors, stage: Stage::Starting, said: BTreeMap::new() })
    }

    /// Waits until it has come so far; an error says why it never will.
    pub fn wait_for(&mut self, stage: Stage, limit: Duration) -> Result<(), Trouble> {
        self.wait_until(limit, |victim| victim.stage >= stage)
    }

    /// Waits until it says a line with this first word; returns the rest of the line.
    pub fn wait_for_word(&mut self, word: &str, limit: Duration) -> Result<String, Trouble> {
        self.wait_until(limit, |victim| victim.said.contains_key(word))?;
        Ok(self.said[word].clone())
    }

    fn wait_until(&mut self, limit: Duration, is_there: impl Fn(&Victim) -> bool) -> Result<(), Trouble> {
        match self.hear_until(limit, is_there) {
            Heard::Enough => Ok(()),
            Heard::Nothing => Err(self.too_long(limit)),
            Heard::End => Err(self.own_end()),
        }
    }

    /// Lets it go on for some time and kills it; an error says how it ended before.
    pub fn kill_after(mut self, time: Duration) -> Result<Death, Trouble> {
        if self.hear_until(time, |_| false) == Heard::End {
            return Err(self.own_end());
        }
        // If it has ended in this moment there is nothing to kill, and its status says so.
        let _ = self.child.kill();
        while let Ok(line) = self.lines.recv() {
            self.take(&line);
        }
        match self.child.wait() {
            Ok(status) if status.signal() == Some(SIGKILL) => {
                let failures = self.said.get("failed").and_then(|count| count.parse().ok());
                Ok(Death { stage: self.stage, failures: failures.unwrap_or(0) })
            }
            _ => Err(self.own_end()),
        }
    }

    /// Waits for the end of a recovery.
    pub fn recovered(mut self, limit: Duration) -> Result<Recovered, Trouble> {
        if self.hear_until(limit, |_| false) == Heard::Nothing {
            return Err(self.too_long(limit));
        }
        match (self.said.remove(RECOVERED), self.child.wait()) {
            (Some(json), Ok(status)) if status.success() => {
                serde_json::from_str(&json).map_err(|error| Trouble(format!("said {json}: {error}")))
            }
            _ => Err(self.own_end()),
        }
    }

    /// Hears it until that is enough. A signal is a deadline that has come.
    fn hear_until(&mut self, limit: Duration, is_enough: impl Fn(&Victim) -> bool) -> Heard {
        let deadline = Instant::now() + limit;
        while !is_enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(POLL)) {
                Ok(line) => self.take(&line),
                Err(RecvTimeoutError::Timeout) if left <= POLL || interrupt::asked().is_some() => {
                    return Heard::Nothing;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Heard::End,
            }
        }
        Heard::Enough
    }

    fn take(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        self.stage = match word {
            "opening" => Stage::Opening,
            "opened" => Stage::Opened,
            "loading" => Stage::Loading,
            "running" => Stage::Running,
            _ => self.stage,
        };
        self.said.insert(word.to_owned(), rest.to_owned());
    }

    fn too_long(&self, limit: Duration) -> Trouble {
        Trouble(format!("{} was not over within {limit:?}", self.stage.name()))
    }

    /// How it has ended by itself, or is about to, with the last lines it said.
    fn own_end(&mut self) -> Trouble {
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
        Trouble(format!("{} ended by itself with {status}: {last}", self.stage.name()))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be dead already; nobody is left behind either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

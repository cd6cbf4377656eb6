//! The newest events of a world for people to read, and a digest of all for programs to compare.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What has happened.
#[derive(Debug, Default)]
pub(super) struct Trace {
    kept_max: usize,
    kept: VecDeque<String>,
    digest: u64,
    line: String,
}

impl Trace {
    /// Keeps the newest `count` events from now on.
    pub(super) fn keep(&mut self, count: usize) {
        self.kept_max = count;
        self.kept.truncate(count);
    }

    /// Adds an event.
    pub(super) fn add(&mut self, now: Duration, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        // Writing into a String does not fail.
        let _written = write!(self.line, "{:>13.6} s  {what}", now.as_secs_f64());
        self.digest = xxh3_64_with_seed(self.line.as_bytes(), self.digest);
        if self.kept_max > 0 {
            while self.kept.len() >= self.kept_max {
                self.kept.pop_front();
            }
            self.kept.push_back(self.line.clone());
        }
    }

    /// The events kept, oldest first.
    pub(super) fn events(&self) -> Vec<String> {
        self.kept.iter().cloned().collect()
    }

    /// A number that differs if any event did.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}

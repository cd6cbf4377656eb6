//! Writes down what client threads do, as a trace of our own format.
//!
//! Each thread writes a trace of its own, into a file without a name beside the one asked for: no lock
//! and no other thread's time. At the end they are merged by time. A recording that is killed
//! leaves what the file held before.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::output_file::{OutputFile, directory};

use super::reader::Reader;
use super::step::{Action, Source, Step};
use super::writer::Writer;

#[derive(Debug)]
pub struct Recording {
    file: OutputFile,
    logs: Vec<Mutex<Option<ThreadLog>>>,
}

/// What one thread did.
#[derive(Debug)]
pub struct ThreadLog {
    writer: Writer<File>,
    failure: Option<io::Error>,
}

impl ThreadLog {
    /// Adds an operation. After a failure nothing is added; it is reported at the end.
    pub fn add(&mut self, time_ns: u64, action: Action) {
        if self.failure.is_none() {
            self.failure = self.writer.add(&Step { time_ns, action }).err();
        }
    }
}

impl Recording {
    /// Checks the file and makes those of the threads, so that a wrong path does not cost a run.
    pub fn create(path: &Path, threads: usize) -> Result<Recording> {
        let file = OutputFile::check("--record-trace", path)?;
        let log = || {
            let writer = Writer::new(tempfile::tempfile_in(directory(path))?)?;
            Ok(Mutex::new(Some(ThreadLog { writer, failure: None })))
        };
        let logs: io::Result<Vec<_>> = (0..threads).map(|_| log()).collect();
        let logs = logs
            .with_context(|| format!("cannot create files beside {}, one for each thread", path.display()))?;
        Ok(Recording { file, logs })
    }

    /// The log of a thread, which has it until it brings it back; each thread can have it once.
    pub fn take(&self, thread: usize) -> Option<ThreadLog> {
        self.log(thread).take()
    }

    pub fn bring_back(&self, thread: usize, log: ThreadLog) {
        *self.log(thread) = Some(log);
    }

    fn log(&self, thread: usize) -> std::sync::MutexGuard<'_, Option<ThreadLog>> {
        self.logs[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Merges what the threads wrote into the trace; returns how many operations it has.
    pub fn finish(&self) -> Result<u64> {
        self.file.write_by(|out| self.merge(out))
    }

    fn merge(&self, out: &mut dyn Write) -> Result<u64> {
        let mut parts = Vec::new();
        for thread in 0..self.logs.len() {
            let log = self.take(thread).context("a client thread did not bring its part back")?;
            if let Some(failure) = log.failure {
                return Err(failure.into());
            }
            let (mut part, _) = log.writer.end()?;
            part.rewind()?;
            parts.push(Reader::new(self.path(), BufReader::new(part))?);
        }
        let mut heads: Vec<Option<Step>> = Vec::new();
        let mut order = BinaryHeap::new();
        for (place, part) in parts.iter_mut().enumerate() {
            let step = part.next()?;
            order.extend(step.as_ref().map(|step| Reverse((step.time_ns, place))));
            heads.push(step);
        }
        let mut writer = Writer::new(out)?;
        while let Some(Reverse((_, place))) = order.pop() {
            let next = parts[place].next()?;
            order.extend(next.as_ref().map(|step| Reverse((step.time_ns, place))));
            let step =
                std::mem::replace(&mut heads[place], next).context("a place in the order has a step")?;
            writer.add(&step)?;
        }
        let (_, total) = writer.end()?;
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_merged_by_time_and_keep_the_order_of_each_thread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.trace");
        let recording = Recording::create(&path, 3).unwrap();
        for thread in 0..2 {
            let mut log = recording.take(thread).unwrap();
            for number in 0..50_000_u64 {
                // The second thread does two at a time.
                let time_ns = if thread == 0 { 2 * number } else { 4 * (number / 2) + 1 };
                let key = format!("{thread} {number}").into_bytes();
                log.add(time_ns, Action::Delete { key });
            }
            recording.bring_back(thread, log);
        }
        assert_eq!(recording.finish().unwrap(), 100_000);
        let mut reader = Reader::new(&path, File::open(&path).unwrap()).unwrap();
        let steps: Vec<Step> = std::iter::from_fn(|| reader.next().unwrap()).collect();
        assert!(steps.is_sorted_by_key(|step| step.time_ns));
        for thread in ["0 ", "1 "] {
            let keys = steps.iter().filter_map(|step| match &step.action {
                Action::Delete { key } => std::str::from_utf8(key).unwrap().strip_prefix(thread),
                _ => None,
            });
            assert!(keys.map(|number| number.parse::<u64>().unwrap()).eq(0..50_000));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "parts have no names");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = Recording::create(Path::new("no/where.trace"), 1).unwrap_err();
        assert!(
            format!("{error:#}")
                .starts_with("cannot create no/where.trace; --record-trace takes a file in a directory")
        );
        let full = Path::new("/dev/full");
        let Ok(recording) = Recording::create(full, 1) else { return };
        let error = recording.finish().unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot write /dev/full: No space left"), "{error:#}");
    }
}

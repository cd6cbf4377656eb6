//! Opening a trace: what a file is, and which of its operations are wanted.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::error::{TraceError, shown};
use super::prefill::Prefill;
use super::reader::Reader;
use super::rocksdb::{self, RocksDb};
use super::sample::Sampled;
use super::step::{Source, Step};
use super::twitter::{self, Twitter};
use super::{format, twitter::LINE_BYTES_MAX};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Our own, which --record-trace writes
    Rabi,
    /// The lines of Twitter's cache traces
    Twitter,
    /// What RocksDB's `StartTrace` and db_bench write
    Rocksdb,
}

/// What is to be replayed.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    pub file: PathBuf,
    /// Its length: traces of one name may differ.
    pub file_bytes: u64,
    pub format: Format,
    pub sample: f64,
    /// How many times as fast as recorded; without, as fast as the clients go.
    pub speed: Option<f64>,
    /// Instead of the operations, the records that have to be there before them; values of no stated
    /// length get this one.
    #[serde(skip)]
    pub prefill_bytes: Option<u64>,
}

impl Replay {
    /// For tests: all of a file, as fast as it goes.
    #[cfg(test)]
    pub fn of(file: &Path, format: Format) -> Replay {
        let file = file.to_owned();
        Replay { file, file_bytes: 0, format, sample: 1.0, speed: None, prefill_bytes: None }
    }

    /// Begins to read. Once `stop` is set, the trace ends.
    pub fn source(&self, stop: &Arc<AtomicBool>) -> Result<Box<dyn Source>, TraceError> {
        let file = File::open(&self.file).map_err(|error| TraceError::read(&self.file, error))?;
        let from = BufReader::with_capacity(1 << 18, file);
        let source: Box<dyn Source> = match self.format {
            Format::Rabi => Box::new(Reader::new(&self.file, from)?),
            Format::Twitter => Box::new(Twitter::new(&self.file, from)),
            Format::Rocksdb => Box::new(RocksDb::new(&self.file, from)?),
        };
        let mut source: Box<dyn Source> = Box::new(Stoppable { from: source, stop: Arc::clone(stop) });
        if self.sample < 1.0 {
            source = Box::new(Sampled::new(source, self.sample));
        }
        if let Some(value_bytes) = self.prefill_bytes {
            source = Box::new(Prefill::new(source, value_bytes));
        }
        Ok(source)
    }
}

/// Ends when it is told to: what is above it may pass over any number of operations for one.
struct Stoppable {
    from: Box<dyn Source>,
    stop: Arc<AtomicBool>,
}

impl Source for Stoppable {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        // Nothing else is published with it.
        if self.stop.load(Ordering::Relaxed) { Ok(None) } else { self.from.next() }
    }

    fn skipped(&self) -> Vec<(&'static str, u64)> {
        self.from.skipped()
    }
}

/// Tells by the first bytes of a file what it is written in.
pub fn recognise(file: &Path) -> Result<Format, TraceError> {
    let read = |error| TraceError::read(file, error);
    let opened = File::open(file).map_err(read)?;
    if !opened.metadata().map_err(read)?.is_file() {
        // It is read more than once: for its format, for the run, for the harness's own cost.
        return Err(unknown(file, "something else".to_owned(), "a trace is a file; copy it into one"));
    }
    let mut from = BufReader::new(opened).take(LINE_BYTES_MAX);
    let mut head = Vec::new();
    while !head.ends_with(b"\n") || head.trim_ascii().is_empty() {
        if from.read_until(b'\n', &mut head).map_err(read)? == 0 {
            break;
        }
    }
    if head.starts_with(format::MAGIC) {
        return Ok(Format::Rabi);
    }
    if head.get(rocksdb::HEAD_BYTES..).is_some_and(|text| text.starts_with(rocksdb::MAGIC)) {
        return Ok(Format::Rocksdb);
    }
    if twitter::is_line(head.trim_ascii()) {
        return Ok(Format::Twitter);
    }
    let advice = match head.as_slice() {
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "it is compressed; decompress it first, with: zstd -d",
        [0x1F, 0x8B, ..] => "it is compressed; decompress it first, with: gunzip",
        _ => "name the format with --trace-format if it is one of these",
    };
    Err(unknown(file, shown(&head), advice))
}

fn unknown(file: &Path, found: String, advice: &str) -> TraceError {
    TraceError::Unknown {
        file: file.to_owned(),
        expected: "the header of a trace that --record-trace or RocksDB wrote, or a line of a Twitter \
                   cache trace (timestamp,key,key size,value size,client,operation,TTL)",
        found,
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(bytes: &[u8]) -> Result<Format, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        recognise(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_format_is_told_by_its_first_bytes() {
        assert_eq!(recognised(&format::header()), Ok(Format::Rabi));
        assert_eq!(recognised(include_bytes!("rocksdb_11_8.trace")), Ok(Format::Rocksdb));
        assert_eq!(recognised(b"\n0,k,1,2,3,get,0\nwhatever"), Ok(Format::Twitter));
        for (bytes, part) in [
            (&b""[..], "found nothing; name the format with --trace-format if it is one of these"),
            (
                b"recordcount=5\n",
                "expected the header of a trace that --record-trace or RocksDB wrote, or a line",
            ),
            (b"\x28\xB5\x2F\xFD more", "it is compressed; decompress it first, with: zstd -d"),
            (b"\x1F\x8B more", "it is compressed; decompress it first, with: gunzip"),
        ] {
            let error = recognised(bytes).unwrap_err();
            assert!(error.contains("is no trace of a known format: ") && error.contains(part), "{error}");
        }
        let directory = recognise(Path::new("/")).unwrap_err().to_string();
        assert!(directory.contains("a trace is a file; copy it into one"), "{directory}");
        let nowhere = recognise(Path::new("nowhere.trace")).unwrap_err().to_string();
        assert!(nowhere.starts_with("cannot read the trace nowhere.trace: No such file"), "{nowhere}");
    }
}

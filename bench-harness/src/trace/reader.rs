//! Reads a trace of our own format.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::bytes::Cursor;
use super::error::{TraceError, shown};
use super::format::{BLOCK_HEAD_BYTES, HEADER_BYTES, MAGIC, PAYLOAD_BYTES_MAX, VERSION, check, take};
use super::step::{Source, Step};

/// Reads a trace block by block; nothing of a block is used before all of it was checked.
#[derive(Debug)]
pub struct Reader<R> {
    file: PathBuf,
    from: R,
    offset: u64,
    steps: VecDeque<Step>,
    total: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Begins with the header. `file` is for messages.
    pub fn new(file: &Path, from: R) -> Result<Reader<R>, TraceError> {
        let mut reader =
            Reader { file: file.to_owned(), from, offset: 0, steps: VecDeque::new(), total: 0, ended: false };
        let header = reader.bytes(HEADER_BYTES, "the header of a trace, 16 bytes")?;
        if header[..8] != *MAGIC {
            return Err(reader.damaged(0, format!("'{}'", MAGIC.escape_ascii()), shown(&header[..8])));
        }
        let number = |range: std::ops::Range<usize>| {
            u32::from_le_bytes(header[range].try_into().expect("the range is of four bytes"))
        };
        let (expected, found) = (xxh3_64(&header[..12]) as u32, number(12..16));
        if expected != found {
            return Err(reader.damaged(12, format!("the checksum {expected:08x}"), format!("{found:08x}")));
        }
        if number(8..12) != VERSION {
            let expected = format!("version {VERSION} (a newer rabi-bench may read others)");
            return Err(reader.damaged(8, expected, number(8..12).to_string()));
        }
        reader.offset = HEADER_BYTES as u64;
        Ok(reader)
    }

    fn read_block(&mut self) -> Result<(), TraceError> {
        let at = self.offset;
        let head = self.bytes(BLOCK_HEAD_BYTES, "a block, or the end block of the trace")?;
        let mut numbers = Cursor::new(&head);
        let number = "the block's head has it";
        let length = numbers.fixed_32("a length").expect(number);
        let operations = numbers.fixed_32("a count").expect(number);
        let found = numbers.fixed_64("a checksum").expect(number);
        if length > PAYLOAD_BYTES_MAX {
            let expected = format!("a block of at most {PAYLOAD_BYTES_MAX} bytes");
            return Err(self.damaged(at, expected, length.to_string()));
        }
        self.offset += BLOCK_HEAD_BYTES as u64;
        let payload = self.bytes(length as usize, &format!("the {length} bytes of a block"))?;
        let expected = check(&head[..8], &payload, at);
        if expected != found {
            return Err(self.damaged(at, format!("the checksum {expected:016x}"), format!("{found:016x}")));
        }
        if operations == 0 {
            return self.end(&payload);
        }
        self.decode(&payload, operations)?;
        self.offset += payload.len() as u64;
        Ok(())
    }

    fn decode(&mut self, payload: &[u8], operations: u32) -> Result<(), TraceError> {
        let mut cursor = Cursor::new(payload);
        let mut before_ns = 0;
        for _ in 0..operations {
            let step = take(&mut cursor, before_ns)
                .map_err(|missing| self.damaged(self.offset + missing.at, missing.expected, missing.found))?;
            before_ns = step.time_ns;
            self.steps.push_back(step);
        }
        if cursor.left() > 0 {
            let at = self.offset + (payload.len() - cursor.left()) as u64;
            let expected = format!("the end of a block of {operations} operations");
            return Err(self.damaged(at, expected, format!("{} bytes more", cursor.left())));
        }
        self.total += u64::from(operations);
        Ok(())
    }

    fn end(&mut self, payload: &[u8]) -> Result<(), TraceError> {
        let expected = self.total.to_le_bytes();
        if payload != expected {
            let expected = format!("the end of a trace of {} operations", self.total);
            return Err(self.damaged(self.offset, expected, shown(payload)));
        }
        self.offset += payload.len() as u64;
        let mut more = [0];
        match self.read(&mut more) {
            Ok(0) => {}
            Ok(_) => return Err(self.damaged(self.offset, "the end of the file", "more bytes")),
            Err(error) => return Err(TraceError::read(&self.file, error)),
        }
        self.ended = true;
        Ok(())
    }

    /// So many bytes from here on, which does not move. They are read piece by piece, so that a
    /// wrong length takes no memory that the file does not fill.
    fn bytes(&mut self, length: usize, what: &str) -> Result<Vec<u8>, TraceError> {
        let mut bytes = Vec::new();
        let read = (&mut self.from).take(length as u64).read_to_end(&mut bytes);
        match read {
            Ok(read) if read == length => Ok(bytes),
            Ok(read) => Err(TraceError::CutOff {
                file: self.file.clone(),
                offset: self.offset + read as u64,
                expected: what.to_owned(),
            }),
            Err(error) => Err(TraceError::read(&self.file, error)),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.from.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn damaged(&self, offset: u64, expected: impl Into<String>, found: impl Into<String>) -> TraceError {
        TraceError::damaged(&self.file, offset, expected, found)
    }
}

impl<R: Read + Send> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        while self.steps.is_empty() && !self.ended {
            self.read_block()?;
        }
        Ok(self.steps.pop_front())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;

//! Reads a trace of our own format.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::bytes::Cursor;
use super::error::{TraceError, shown};
use super::format::{BLOCK_HEAD_BYTES, HEADER_BYTES, MAGIC, PAYLOAD_BYTES_MAX, VERSION, check, take};
use super::input::Input;
use super::step::{Source, Step};

/// Reads a trace block by block; nothing of a block is used before all of it was checked.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    steps: VecDeque<Step>,
    total: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Begins with the header. `file` is for messages.
    pub fn new(file: &Path, from: R) -> Result<Reader<R>, TraceError> {
        let mut input = Input::new(file, from);
        let header = input.bytes(HEADER_BYTES as u64, "the header of a trace, 16 bytes")?;
        if header[..8] != *MAGIC {
            return Err(input.damaged(0, format!("'{}'", MAGIC.escape_ascii()), shown(&header[..8])));
        }
        let number = |range: std::ops::Range<usize>| {
            u32::from_le_bytes(header[range].try_into().expect("the range is of four bytes"))
        };
        let (expected, found) = (xxh3_64(&header[..12]) as u32, number(12..16));
        if expected != found {
            return Err(input.damaged(12, format!("the checksum {expected:08x}"), format!("{found:08x}")));
        }
        if number(8..12) != VERSION {
            let expected = format!("version {VERSION} (a newer rabi-bench may read others)");
            return Err(input.damaged(8, expected, number(8..12).to_string()));
        }
        Ok(Reader { input, steps: VecDeque::new(), total: 0, ended: false })
    }

    fn read_block(&mut self) -> Result<(), TraceError> {
        let at = self.input.offset;
        let head = self.input.bytes(BLOCK_HEAD_BYTES as u64, "a block, or the end block of the trace")?;
        let mut numbers = Cursor::new(&head);
        let number = "the block's head has it";
        let length = numbers.fixed_32("a length").expect(number);
        let operations = numbers.fixed_32("a count").expect(number);
        let found = numbers.fixed_64("a checksum").expect(number);
        if length > PAYLOAD_BYTES_MAX {
            let expected = format!("a block of at most {PAYLOAD_BYTES_MAX} bytes");
            return Err(self.input.damaged(at, expected, length.to_string()));
        }
        let payload = self.input.bytes(length.into(), &format!("the {length} bytes of a block"))?;
        let expected = check(&head[..8], &payload, at);
        if expected != found {
            let expected = format!("the checksum {expected:016x}");
            return Err(self.input.damaged(at, expected, format!("{found:016x}")));
        }
        let payload_at = at + BLOCK_HEAD_BYTES as u64;
        if operations == 0 {
            self.end(&payload, payload_at)
        } else {
            self.decode(&payload, operations, payload_at)
        }
    }

    fn decode(&mut self, payload: &[u8], operations: u32, at: u64) -> Result<(), TraceError> {
        let mut cursor = Cursor::new(payload);
        let mut before_ns = 0;
        for _ in 0..operations {
            let step = take(&mut cursor, before_ns)
                .map_err(|missing| self.input.damaged(at + missing.at, missing.expected, missing.found))?;
            before_ns = step.time_ns;
            self.steps.push_back(step);
        }
        if cursor.left() > 0 {
            let at = at + (payload.len() - cursor.left()) as u64;
            let expected = format!("the end of a block of {operations} operations");
            return Err(self.input.damaged(at, expected, format!("{} bytes more", cursor.left())));
        }
        self.total += u64::from(operations);
        Ok(())
    }

    fn end(&mut self, payload: &[u8], at: u64) -> Result<(), TraceError> {
        if payload != self.total.to_le_bytes() {
            let expected = format!("the end of a trace of {} operations", self.total);
            return Err(self.input.damaged(at, expected, shown(payload)));
        }
        self.ended = true;
        self.input.end()
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

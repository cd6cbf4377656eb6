//! Writes a trace of our own format.

use std::io::{self, Write};

use super::format::{PAYLOAD_BYTES_MAX, block_head, header, push};
use super::step::Step;

/// When a block is written: large enough that its head and its call cost little per operation, small
/// enough to stay in the processor's caches.
const BLOCK_BYTES: usize = 64 << 10;
/// What fits into a block behind operations that do not fill it.
const OPERATION_BYTES_MAX: usize = PAYLOAD_BYTES_MAX as usize - BLOCK_BYTES;

/// Writes operations in the order of their times.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    offset: u64,
    payload: Vec<u8>,
    operations: u32,
    last_ns: u64,
    total: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(mut to: W) -> io::Result<Writer<W>> {
        let header = header();
        to.write_all(&header)?;
        let payload = Vec::with_capacity(2 * BLOCK_BYTES);
        Ok(Writer { to, offset: header.len() as u64, payload, operations: 0, last_ns: 0, total: 0 })
    }

    /// Adds an operation. One that began before the one before it gets that one's time.
    pub fn add(&mut self, step: &Step) -> io::Result<()> {
        let start = self.payload.len();
        push(&mut self.payload, step.time_ns.saturating_sub(self.last_ns), &step.action);
        let length = self.payload.len() - start;
        if length > OPERATION_BYTES_MAX {
            self.payload.truncate(start);
            let text = format!("an operation of {length} bytes, expected at most {OPERATION_BYTES_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.last_ns = self.last_ns.max(step.time_ns);
        self.operations += 1;
        if self.payload.len() >= BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(())
    }

    /// Ends the trace; returns what it was written to, and how many operations it has.
    pub fn end(mut self) -> io::Result<(W, u64)> {
        if self.operations > 0 {
            self.write_block()?;
        }
        self.payload.extend_from_slice(&self.total.to_le_bytes());
        self.write_block()?;
        self.to.flush()?;
        Ok((self.to, self.total))
    }

    fn write_block(&mut self) -> io::Result<()> {
        let head = block_head(&self.payload, self.operations, self.offset);
        self.to.write_all(&head)?;
        self.to.write_all(&self.payload)?;
        self.offset += (head.len() + self.payload.len()) as u64;
        self.total += u64::from(self.operations);
        self.payload.clear();
        (self.operations, self.last_ns) = (0, 0);
        Ok(())
    }
}

//! The bytes of a trace file from its beginning to its end, and errors that name the place in it.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::TraceError;

/// A file that is read.
#[derive(Debug)]
pub struct Input<R> {
    file: PathBuf,
    from: R,
    /// Where the next bytes stand.
    pub offset: u64,
}

impl<R: Read> Input<R> {
    /// At its beginning. `file` is for messages.
    pub fn new(file: &Path, from: R) -> Input<R> {
        Input { file: file.to_owned(), from, offset: 0 }
    }

    /// The next bytes, so many. They are read piece by piece, so that a wrong length takes no memory
    /// that the file does not fill.
    pub fn bytes(&mut self, length: u64, what: &str) -> Result<Vec<u8>, TraceError> {
        let bytes = self.at_most(length)?;
        self.offset += bytes.len() as u64;
        if (bytes.len() as u64) < length {
            let (file, expected) = (self.file.clone(), what.to_owned());
            return Err(TraceError::CutOff { file, offset: self.offset, expected });
        }
        Ok(bytes)
    }

    pub fn end(&mut self) -> Result<(), TraceError> {
        match self.at_most(1)?.is_empty() {
            true => Ok(()),
            false => Err(self.damaged(self.offset, "the end of the file", "more bytes")),
        }
    }

    fn at_most(&mut self, length: u64) -> Result<Vec<u8>, TraceError> {
        let mut bytes = Vec::new();
        let read = (&mut self.from).take(length).read_to_end(&mut bytes);
        read.map_err(|error| TraceError::read(&self.file, error))?;
        Ok(bytes)
    }

    /// Bytes that nothing which writes the format would have written.
    pub fn damaged(&self, offset: u64, expected: impl Into<String>, found: impl Into<String>) -> TraceError {
        TraceError::Damaged {
            file: self.file.clone(),
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

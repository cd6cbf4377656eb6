//! What can be wrong with a trace.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("cannot read the trace {file}: {cause}", file = .file.display())]
    Read { file: PathBuf, cause: io::Error },
    #[error(
        "{file} is no trace of a known format: expected {expected}, found {found}; {advice}",
        file = .file.display()
    )]
    Unknown { file: PathBuf, expected: &'static str, found: String, advice: String },
    /// Bytes that nothing which writes the format would have written.
    #[error(
        "the trace {file} is damaged at offset {offset}: expected {expected}, found {found}; the \
         operations before it are usable, what follows is not",
        file = .file.display()
    )]
    Damaged { file: PathBuf, offset: u64, expected: String, found: String },
    #[error(
        "the trace {file} is cut off at offset {offset}: expected {expected}, found the end of the file; \
         copy it again, or record it again and let the recording end",
        file = .file.display()
    )]
    CutOff { file: PathBuf, offset: u64, expected: String },
    #[error("{file}:{line}: expected {expected}, found {found}", file = .file.display())]
    Line { file: PathBuf, line: u64, expected: &'static str, found: String },
}

impl TraceError {
    /// A reading that failed.
    pub fn read(file: &Path, cause: io::Error) -> Self {
        TraceError::Read { file: file.to_owned(), cause }
    }
}

/// Bytes for a message: the first few, escaped.
pub fn shown(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 40;
    let (first, more) = match bytes.get(..SHOWN_MAX) {
        Some(first) => (first, "..."),
        None => (bytes, ""),
    };
    if bytes.is_empty() { "nothing".to_owned() } else { format!("'{}{more}'", first.escape_ascii()) }
}

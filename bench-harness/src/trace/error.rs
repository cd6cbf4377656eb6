//! What can be wrong with a trace.

use std::io;
use std::path::{Path, PathBuf};

/// What can be wrong with a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("cannot read the trace {file}: {cause}", file = .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is no trace of a known format.
    #[error(
        "{file} is no trace of a known format: expected {expected}, found {found}; {advice}",
        file = .file.display()
    )]
    Unknown {
        /// The file.
        file: PathBuf,
        /// What it would begin with.
        expected: &'static str,
        /// What it begins with.
        found: String,
        /// What to do.
        advice: String,
    },
    /// Bytes that nothing which writes the format would have written.
    #[error(
        "the trace {file} is damaged at offset {offset}: expected {expected}, found {found}; the \
         operations before it are usable, what follows is not",
        file = .file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// What would be right there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The file ends where it must not.
    #[error(
        "the trace {file} is cut off at offset {offset}: expected {expected}, found the end of the file; \
         copy it again, or record it again and let the recording end",
        file = .file.display()
    )]
    CutOff {
        /// The file.
        file: PathBuf,
        /// Its end.
        offset: u64,
        /// What should follow.
        expected: String,
    },
    /// A line that is not of the format.
    #[error("{file}:{line}: expected {expected}, found {found}", file = .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: u64,
        /// What would be right there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
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

//! The one error type of the engine.
//!
//! Every variant says what was attempted, on which file and where, what was expected and what was
//! found, and the next step where there is one. Our own mistakes are assertions, never errors.

use std::io;
use std::path::{Path, PathBuf};

/// Result of every fallible engine call.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. See each variant for what still works afterwards.
///
/// The text says what was attempted, on which file, and what to do next.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path();
/// use rabi::{Db, Error, Options};
/// let db = Db::open(path, Options::new())?;
/// match Db::open(path, Options::new()) {
///     Err(Error::Locked { holder, .. }) => println!("{holder} has it"),
///     other => panic!("{other:?}"),
/// }
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation. Reads of other files go on. Too few descriptors, too
    /// little memory or too low a limit of file sizes (`EFBIG`) for the log refuse writes like a full
    /// device, until there is enough again.
    #[error("cannot {operation} {}{}: {source}{}", path.display(), at(*offset), remedy(source))]
    Io {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Where in the file, if it was a read or write.
        offset: Option<u64>,
        /// The system's own error.
        source: IoSource,
    },

    /// Bytes on disk are not what was written. They are never returned as data. What other files hold goes on to be
    /// read; a compaction of the damaged file fails, and is tried again.
    #[error(
        "{} is damaged at offset {offset}: {what}: expected {expected}, found {found}; \
         restore the file from a backup",
        path.display()
    )]
    Corruption {
        /// The damaged file.
        path: PathBuf,
        /// Offset of the damaged item in bytes.
        offset: u64,
        /// Which item is damaged.
        what: &'static str,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },

    /// The file has the format of another release.
    #[error(
        "{} has format version {found}, this release reads version {supported}: open it with the \
         release that wrote it",
        path.display()
    )]
    UnsupportedFormat {
        /// The file.
        path: PathBuf,
        /// Version found in it.
        found: u32,
        /// The version this release reads.
        supported: u32,
    },

    /// Another process (or another handle in this one) has the directory open.
    ///
    /// The lock belongs to the process that opened the database: closing or dropping the database
    /// there gives it up. It ends with that process too, if it is killed; but a child which that process
    /// forked and which runs no other program has copies of its descriptors, and then the lock ends
    /// with the last such child. Nothing such a child does touches the lock.
    #[error("{} is in use by {holder}: close it there first", dir.display())]
    Locked {
        /// The database directory.
        dir: PathBuf,
        /// Who holds it, as far as the lock file tells: `process 123 (name)`; or what that has left
        /// behind, if it has ended.
        holder: String,
    },

    /// The directory holds files that are not a Rabi database.
    #[error(
        "{} is not a Rabi database: it holds {found:?} but no manifest; name an empty or a new \
         directory",
        dir.display()
    )]
    NotADatabase {
        /// The directory.
        dir: PathBuf,
        /// One file found there.
        found: String,
    },

    /// There is no database and [`create_if_missing`](crate::Options::create_if_missing) is off.
    #[error("{} holds no Rabi database; set `create_if_missing(true)` to make one", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },

    /// There is a database already and [`error_if_exists`](crate::Options::error_if_exists) is on.
    #[error("{} holds a Rabi database already; name another directory, or open it without `error_if_exists`", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },

    /// A key is longer than [`KEY_LEN_MAX`](crate::KEY_LEN_MAX). Nothing was written.
    #[error("the key has {len} bytes, at most {max} are allowed")]
    KeyTooLarge {
        /// Length of the key in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },

    /// A value is longer than [`VALUE_LEN_MAX`](crate::VALUE_LEN_MAX). Nothing was written.
    #[error("the value has {len} bytes, at most {max} are allowed")]
    ValueTooLarge {
        /// Length of the value in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },

    /// A batch is larger than [`BATCH_LEN_MAX`](crate::BATCH_LEN_MAX). Nothing was written.
    #[error("the batch has {len} bytes, at most {max} are allowed: split it")]
    BatchTooLarge {
        /// Encoded length of the batch in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },

    /// An option has a value outside its range, or two options contradict each other.
    #[error("option `{option}` is {value}, but must be {allowed}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: String,
    },

    /// The device is full. Reads go on; writes resume by themselves once there is room; an opening that
    /// failed with this has lost nothing, and succeeds then. A write that
    /// was refused with this is not there, with one exception: where overwriting takes space as well
    /// (file systems that copy on write), a `Power` write or a sync may be told that what it waits for
    /// cannot be brought to the device now. It is visible then, and durable once there is room.
    #[error(
        "no space left to {operation} {}: free some space; a database that is open then resumes writing by itself",
        path.display()
    )]
    DiskFull {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// The file that could not grow.
        path: PathBuf,
    },

    /// A write or sync of the WAL or manifest failed earlier. The handle refuses writes and goes
    /// on serving reads. Whether the writes in flight then are on disk is unknown until reopened.
    #[error("writes are refused since an earlier failure ({cause}): close and reopen the database")]
    Poisoned {
        /// The first failure.
        cause: String,
    },

    /// [`IoBackend::Uring`](crate::IoBackend::Uring) was demanded but the kernel denies rings.
    #[error("io_uring cannot be used: {cause}; {remedy}")]
    RingDenied {
        /// Why.
        cause: String,
        /// What to change.
        remedy: String,
    },

    /// The database was closed, by this handle or another of its clones; or, of a `CoreDb`, its `Driver` was dropped.
    #[error("the database is closed")]
    Closed,

    /// The call was made in a process that was forked from the one that opened the database, and
    /// has done nothing. Neither has dropping the database, its snapshots and ranges there. The child
    /// may open other databases of its own.
    #[error(
        "this process was forked from the one that opened the database: use it there, or open it here \
         once it is closed there"
    )]
    Forked,
}

/// The system error inside [`Error::Io`], shareable between the callers it concerns.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct IoSource(std::sync::Arc<io::Error>);

impl IoSource {
    /// The class of the system error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }

    /// The raw `errno`, where there is one.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.raw_os_error()
    }
}

fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at offset {offset}"))
}

// The same on every Linux; the standard library has no kind for the first two.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EFBIG: i32 = 27;

/// What helps, where the system's own words do not say it.
fn remedy(source: &IoSource) -> &'static str {
    match source.raw_os_error() {
        Some(EMFILE) => "; every table is open: raise the limit of open files (`ulimit -n`)",
        Some(ENFILE) => "; raise the system's limit of open files (`sysctl fs.file-max`)",
        Some(EFBIG) => "; raise the limit of file sizes (`ulimit -f`)",
        _ => "",
    }
}

impl Error {
    /// Wraps a system error; a full device becomes [`Error::DiskFull`].
    pub(crate) fn io(operation: &'static str, path: &Path, offset: Option<u64>, e: io::Error) -> Self {
        let path = path.to_path_buf();
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { operation, path },
            _ => Self::Io { operation, path, offset, source: IoSource(std::sync::Arc::new(e)) },
        }
    }

    /// Whether it says that there is too little of something: space, descriptors, memory, or length that files
    /// may have (`RLIMIT_FSIZE`). What failed
    /// with it has not happened, and may be tried again.
    pub(crate) fn is_shortage(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, OutOfMemory, WouldBlock};
        match self {
            Self::DiskFull { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), OutOfMemory | WouldBlock | FileTooLarge)
                    || matches!(source.raw_os_error(), Some(ENFILE | EMFILE))
            }
            _ => false,
        }
    }

    /// Damage found in `path`.
    pub(crate) fn corruption(
        path: &Path,
        offset: u64,
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Corruption {
            path: path.to_path_buf(),
            offset,
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn too_little_of_something_is_a_shortage_and_other_failures_are_none() {
        let is_shortage = |e: Errno| Error::io("write", Path::new("file"), None, e.into()).is_shortage();
        for e in
            [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN]
        {
            assert!(is_shortage(e), "{e}");
        }
        for e in [Errno::IO, Errno::CANCELED, Errno::INVAL, Errno::ACCESS, Errno::ROFS] {
            assert!(!is_shortage(e), "{e}");
        }
        assert!(!Error::Closed.is_shortage());
    }

    #[test]
    fn too_many_open_files_are_told_with_what_helps() {
        let error = |e: Errno| Error::io("open", Path::new("file"), None, e.into()).to_string();
        let expected = "cannot open file: Too many open files (os error 24); \
                        every table is open: raise the limit of open files (`ulimit -n`)";
        assert_eq!(error(Errno::MFILE), expected);
        assert!(error(Errno::NFILE).ends_with("limit of open files (`sysctl fs.file-max`)"));
        assert!(error(Errno::FBIG).ends_with("limit of file sizes (`ulimit -f`)"));
        assert_eq!(error(Errno::IO), "cannot open file: Input/output error (os error 5)");
    }
}

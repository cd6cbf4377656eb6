//! Handles to open files and to the directory lock, the same for every backend.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::FlockOperation;

#[cfg(feature = "sim")]
use super::OpenMode;
use super::Process;
use crate::base::sync::Arc;

/// An open file. Clones share one descriptor, which closes with the last of them; operations in
/// flight hold a clone.
#[derive(Clone, Debug)]
pub(crate) struct File(Arc<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    handle: Handle,
    kind: Kind,
}

/// How it is read.
#[derive(Debug)]
enum Kind {
    Plain,
    /// Here and there, and perhaps also by another descriptor, which is opened when it is wanted and closes with this one.
    AtRandom {
        past_page_cache: OnceLock<Option<File>>,
    },
    /// Past the page cache.
    Direct,
}

/// What the world that opened the file knows it by.
#[derive(Debug)]
enum Handle {
    System(OwnedFd),
    Locked(LockedFile),
    #[cfg(feature = "sim")]
    Simulated(super::sim::Handle),
}

/// A descriptor with an exclusive `flock` on it.
#[derive(Debug)]
struct LockedFile {
    descriptor: OwnedFd,
    process: Process,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing is not enough: children that this process has forked have copies of the descriptor until they
        // run another program. And a child must not give up its parent's lock.
        if self.process.is_current() {
            let _unlocked = rustix::fs::flock(&self.descriptor, FlockOperation::Unlock);
        }
    }
}

impl File {
    /// Wraps an open descriptor that has just been locked. The lock ends with the last clone.
    pub(super) fn locked(path: PathBuf, descriptor: OwnedFd) -> Self {
        let handle = Handle::Locked(LockedFile { descriptor, process: Process::current() });
        Self(Arc::new(OpenFile { path, handle, kind: Kind::Plain }))
    }

    /// Wraps an open descriptor.
    pub(crate) fn new(path: PathBuf, descriptor: OwnedFd) -> Self {
        Self(Arc::new(OpenFile { path, handle: Handle::System(descriptor), kind: Kind::Plain }))
    }

    /// Wraps a descriptor by which a file is read here and there.
    pub(super) fn at_random(path: PathBuf, descriptor: OwnedFd) -> Self {
        let kind = Kind::AtRandom { past_page_cache: OnceLock::new() };
        Self(Arc::new(OpenFile { path, handle: Handle::System(descriptor), kind }))
    }

    /// Wraps a descriptor by which a file is read past the page cache.
    pub(super) fn direct(path: PathBuf, descriptor: OwnedFd) -> Self {
        Self(Arc::new(OpenFile { path, handle: Handle::System(descriptor), kind: Kind::Direct }))
    }

    /// Wraps an open file of a simulated world.
    #[cfg(feature = "sim")]
    pub(super) fn of_world(path: PathBuf, handle: super::sim::Handle, mode: OpenMode) -> Self {
        let kind = match mode {
            OpenMode::ReadAtRandom => Kind::AtRandom { past_page_cache: OnceLock::new() },
            OpenMode::ReadDirect => Kind::Direct,
            _ => Kind::Plain,
        };
        Self(Arc::new(OpenFile { path, handle: Handle::Simulated(handle), kind }))
    }

    /// What a simulated world knows it by.
    #[cfg(feature = "sim")]
    pub(super) fn simulated(&self) -> &super::sim::Handle {
        match &self.0.handle {
            Handle::Simulated(handle) => handle,
            Handle::System(_) | Handle::Locked(_) => unreachable!("files stay in the world that opened them"),
        }
    }

    /// Whether it is read past the page cache: then queues and rings are asked for whole sectors, into aligned memory.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.0.kind, Kind::Direct)
    }

    /// Whether it was opened to be read here and there.
    pub(super) fn is_read_at_random(&self) -> bool {
        matches!(self.0.kind, Kind::AtRandom { .. })
    }

    /// The same file to be read past the page cache, which `open` opens the first time; if it does not, it is not asked
    /// again. None but of a file that is read here and there.
    pub(super) fn past_page_cache(&self, open: impl FnOnce(&Self) -> Option<Self>) -> Option<Self> {
        match &self.0.kind {
            Kind::AtRandom { past_page_cache } => past_page_cache.get_or_init(|| open(self)).clone(),
            Kind::Plain | Kind::Direct => None,
        }
    }

    /// The path it was opened by, for error messages.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0.handle {
            Handle::System(descriptor) => descriptor.as_fd(),
            Handle::Locked(file) => file.descriptor.as_fd(),
            #[cfg(feature = "sim")]
            Handle::Simulated(_) => unreachable!("files stay in the world that opened them"),
        }
    }
}

/// The exclusive right to a database directory; given up when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Lock(pub(crate) File);

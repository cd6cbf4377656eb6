//! What goes wrong while process and power live, each with its probability per operation.

use std::path::Path;

use rustix::io::Errno;

use super::random::Random;

/// Probabilities of faults, each per operation, from 0 (never) to 1 (always). The default is a
/// perfect disk.
///
/// Short transfers, `EINTR`, `EAGAIN` and `ECANCELED` are missing on purpose: the real backends resubmit those
/// themselves, so the engine never sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// A read fails with `EIO`, having read nothing.
    pub read_error: f64,
    /// A write fails with `EIO`; any of its sectors may have been written.
    pub write_error: f64,
    /// A sync fails with `EIO`, `ENOSPC` or `EDQUOT`; what it was to make durable is durable, or
    /// lost for good, or lost at once, also for readers.
    pub sync_error: f64,
    /// Opening or making a file fails with `EIO` or `EMFILE`; a new one may be there all the same.
    pub open_error: f64,
    /// Opening or making a file fails with `EMFILE`, `ENFILE` or `ENOMEM`: others hold what it takes.
    /// Nothing has happened.
    pub open_shortage: f64,
    /// Listing a directory fails with `EIO`.
    pub list_error: f64,
    /// Asking for the length of a file or for free space fails with `EIO`.
    pub stat_error: f64,
    /// Mapping a file fails with `EIO` or `ENOMEM`.
    pub map_error: f64,
    /// A page of a mapping is refused, or a write on a caller's thread fails with `EIO` or `ENOSPC`, a beginning
    /// of it written.
    pub store_error: f64,
    /// Making a directory fails with `EIO` or `ENOSPC`; it may be there all the same.
    pub create_dir_error: f64,
    /// Opening the lock file fails with `EIO` or `EMFILE`; it may be there all the same, and nobody has it.
    pub lock_error: f64,
    /// Removing a file fails with `EIO`; its name may be gone all the same.
    pub remove_error: f64,
    /// Removing a file fails with `ENOSPC` or `EDQUOT`; its name is still there.
    pub remove_shortage: f64,
    /// Reserving space fails with `EIO` or `ENOSPC`; the file may have its new length all the same.
    pub allocate_error: f64,
    /// Shortening a file fails with `EIO`; it may be as short all the same.
    pub shorten_error: f64,
    /// Renaming a file fails with `EIO`; it may have the new name all the same.
    pub rename_error: f64,
    /// Syncing a directory fails with `ENOSPC`; its names are as durable as before.
    pub directory_sync_shortage: f64,
    /// What is overwritten takes new space, as on a file system that copies on write: the write fails
    /// with `ENOSPC` while there is none, having written nothing.
    pub copy_on_write: bool,
    /// A bit flips, for good, in what a read is about to return.
    pub bit_flip: f64,
    /// A write ends up at another offset of the same or of another file, and is reported as done.
    pub misdirected_write: f64,
    /// An operation takes a thousand times as long.
    pub latency_spike: f64,
    /// The queue takes no more for a while: an operation waits for all that are in flight.
    pub queue_full: f64,
    /// The only files that suffer, by the beginnings of their names, such as `table-`; empty means
    /// all. Directories suffer only if this is empty.
    pub only: Vec<String>,
}

impl Faults {
    /// Whether a file is among those that suffer.
    pub(super) fn concern(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.only.is_empty() || self.only.iter().any(|beginning| name.starts_with(beginning.as_str()))
    }

    /// Draws whether a fault with this probability strikes `path`.
    pub(super) fn strike(&self, probability: f64, path: &Path, random: &mut Random) -> bool {
        self.concern(path) && random.chance(probability)
    }
}

/// One of the errors a failing operation may end with.
pub(super) fn pick(errors: &[Errno], random: &mut Random) -> Errno {
    errors[random.below(errors.len() as u64) as usize]
}

//! Which errors the engine may report, given what the world has done to it.
//!
//! On a healthy disk: none at all. Each kind of fault permits its own error and no other, and only
//! from its beginning until it has been made good; damage permits [`Error::Corruption`] for ever,
//! since nothing makes it good, but never wrong data.

use rabi::Error;
use rabi::sim::Faults;

/// What has gone wrong in the world so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    /// Operations failed since this database was opened.
    pub(crate) errors: bool,
    /// Whether they failed at any time since it was opened, made good or not: a handle that refuses
    /// writes may not have been asked for any before.
    failed_before: bool,
    /// The device was short of space since this database was opened.
    pub(crate) full: bool,
    /// Since this database was opened, what lacks may have ended the log or the manifest: half a large
    /// batch on a device that refuses what overwrites, or a manifest whose name could not be synced.
    may_end: bool,
    /// Bytes on the device were damaged, ever.
    pub(crate) damaged: bool,
    /// Some of that in files where damage at the very end cannot be told from a torn end, so that
    /// acknowledged writes may be gone without an error.
    pub(crate) may_lose: bool,
    /// Files that were damaged since the last opening that succeeded.
    pub(crate) damaged_files: Vec<String>,
    /// This handle has said that it refuses writes for good.
    pub(crate) poisoned: bool,
    /// This handle is being closed.
    pub(crate) closing: bool,
}

impl Judge {
    /// A new opening, on a disk that may still be `failing` or `full`.
    pub(crate) fn open(&mut self, failing: bool, full: bool) {
        let (damaged, may_lose, damaged_files) =
            (self.damaged, self.may_lose, std::mem::take(&mut self.damaged_files));
        let may_end = full && self.may_end;
        *self = Self { errors: failing, full, may_end, damaged, may_lose, damaged_files, ..Self::default() };
    }

    /// There is too little space, and of whatever else the faults say.
    pub(crate) fn short_of_all(&mut self, faults: &Faults) {
        self.full = true;
        self.may_end |= faults.copy_on_write || faults.directory_sync_shortage > 0.0;
    }

    /// A background task may have met a fault before it ended and not have made it good yet; after
    /// this it must have, unless the handle refuses writes.
    pub(crate) fn made_good(&mut self) {
        self.failed_before |= self.errors || self.may_end;
        (self.errors, self.full, self.may_end) = (false, false, false);
    }

    /// Whether a read may be answered with `error`: only by what hinders reading. It goes on while the
    /// device is full, and after writes were refused for good.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn permit_read(&mut self, what: &str, error: &Error) -> Result<(), String> {
        match error {
            Error::Io { .. } if self.errors || self.damaged => Ok(()),
            Error::Corruption { .. } => self.permit(what, error),
            _ => Err(format!("{what}: {error}; a read has nothing to do with that")),
        }
    }

    /// Whether `error` may be the answer.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn permit(&mut self, what: &str, error: &Error) -> Result<(), String> {
        let (permitted, needed) = match error {
            Error::Io { source, .. } => {
                // ENOMEM, ENFILE, EMFILE.
                let is_shortage = matches!(source.raw_os_error(), Some(12 | 23 | 24));
                let permitted = self.errors || self.damaged || (self.full && is_shortage);
                (permitted, "failing operations, or a lack of what it names")
            }
            // A failing sync or allocation may say so as well.
            Error::DiskFull { .. } => (self.full || self.errors, "a full device"),
            Error::Corruption { .. } => (self.damaged, "damage"),
            Error::Poisoned { .. } => {
                let failed = self.errors || self.failed_before || self.may_end;
                let permitted = self.poisoned || failed || self.damaged;
                self.poisoned |= permitted;
                (permitted, "a failed write of the log or the manifest")
            }
            Error::Closed => (self.closing, "a closed handle"),
            _ => (false, "nothing that ever happens here"),
        };
        if permitted { Ok(()) } else { Err(format!("{what}: {error}; that would take {needed}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_permits_its_own_error_only() {
        let poisoned = Error::Poisoned { cause: "sync".into() };
        let full = Error::DiskFull { operation: "write", path: "f".into() };
        let mut healthy = Judge::default();
        assert!(healthy.permit("put", &poisoned).is_err() && !healthy.poisoned);
        assert!(healthy.permit("put", &full).unwrap_err().ends_with("that would take a full device"));
        let mut failing = Judge::default();
        failing.open(true, false);
        assert!(failing.permit("put", &poisoned).is_ok() && failing.poisoned);
        assert!(failing.permit_read("get", &poisoned).is_err(), "reads go on");
        failing.made_good();
        assert!(failing.permit("put", &poisoned).is_ok(), "for the life of the handle");
        failing.open(false, false);
        assert!(failing.permit("put", &poisoned).is_err());
    }
}

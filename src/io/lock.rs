//! The lock of a database directory: an exclusive `flock` on a file, which names its holder.
//!
//! The lock belongs to the open file description, not to the process: a second open in the same
//! process is refused as well, and every ring that has the file registered keeps the lock for as
//! long as it has requests in flight, even after `kill -9`. A new owner therefore never starts
//! while the kernel still writes for the old one, and may have to wait a moment.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{File, Lock};
use crate::base::error::{Error, Result};

/// How long a killed holder's requests may keep the lock before it counts as held.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Takes the lock, making the file if need be, and writes this process' name into it.
pub(super) fn take(path: &Path) -> Result<Lock> {
    let failed = |operation, e: Errno| Error::io(operation, path, None, e.into());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let rights = Mode::from_raw_mode(0o644);
    let descriptor =
        rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, rights)).map_err(|e| failed("open", e))?;
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        match rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if !holder_lives(path) && Instant::now() < deadline => {
                thread::sleep(PAUSE)
            }
            Err(Errno::WOULDBLOCK) => return Err(held(path)),
            Err(e) => return Err(failed("lock", e)),
        }
    }
    let name = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let holder = format!("process {} ({})\n", std::process::id(), name.trim_end());
    rustix::fs::ftruncate(&descriptor, 0).map_err(|e| failed("shorten", e))?;
    rustix::io::pwrite(&descriptor, holder.as_bytes(), 0).map_err(|e| failed("write", e))?;
    Ok(Lock(File::new(path.to_path_buf(), descriptor)))
}

/// Whether the process named in the lock file runs: then there is nothing to wait for.
fn holder_lives(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let pid = text.split_whitespace().nth(1).and_then(|word| word.parse::<u32>().ok());
    let stat = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    // The state follows the name in parentheses; a zombie (Z) or dead (X) process runs no more.
    let state =
        stat.as_deref().and_then(|stat| stat.rsplit(") ").next()).and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn held(path: &Path) -> Error {
    let dir = path.parent().unwrap_or(path).to_path_buf();
    let holder = match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) => "a process that has not written its name yet".to_owned(),
        Err(e) => unreadable(&e),
    };
    Error::Locked { dir, holder }
}

fn unreadable(e: &io::Error) -> String {
    format!("a process whose name cannot be read ({e})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_with_the_name_of_the_holder_until_the_first_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("LOCK");
        let first = take(&path).unwrap();
        let second = first.clone();
        drop(first);
        match take(&path) {
            Err(Error::Locked { dir, holder }) => {
                assert_eq!(dir, root.path());
                assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
                assert!(holder.ends_with(')'), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        drop(second);
        take(&path).unwrap();
    }

    #[test]
    fn the_requests_of_a_killed_holder_are_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("LOCK");
        let first = take(&path).unwrap();
        // Beyond the largest process number: such a holder does not run.
        fs::write(&path, "process 4194305 (gone)\n").unwrap();
        let other = thread::spawn(move || {
            thread::sleep(4 * PAUSE);
            drop(first);
        });
        take(&path).unwrap();
        other.join().unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let text = take(&root.path().join("absent/LOCK")).unwrap_err().to_string();
        assert!(text.contains("absent/LOCK: No such file"), "{text}");
    }
}

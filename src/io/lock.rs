//! The lock of a database directory: an exclusive `flock` on a file, which names its holder.
//!
//! The lock belongs to the open file description, not to the process: a second open in the same
//! process is refused as well, and every ring that has the file registered keeps the lock for as
//! long as it has requests in flight, even after `kill -9`. A new owner therefore never starts
//! while the kernel still writes for the old one, and may have to wait a moment.
//!
//! A child forked from the holder has a copy of the descriptor, so closing it does not give up the lock: the
//! process that took it unlocks by a call. If that process is killed, the lock lasts until the last of its
//! children that still has the copy has ended or run another program.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Dir, File, Lock};
use crate::base::error::{Error, Result};

/// How long a killed holder's requests may keep the lock before it counts as held.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// More than the name of a holder takes.
const HOLDER_LEN_MAX: usize = 128;

/// Takes the lock of `dir`, making its file `name` if need be, and writes this process' name into it.
pub(super) fn take(dir: &Dir, name: &str) -> Result<Lock> {
    let path = dir.path_of(name);
    let failed = |operation, e: Errno| Error::io(operation, &path, None, e.into());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let rights = Mode::from_raw_mode(0o644);
    let open = || rustix::io::retry_on_intr(|| rustix::fs::openat(dir.file(), name, flags, rights));
    let mut descriptor = open().map_err(|e| failed("open", e))?;
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        match rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_named(dir, name, &descriptor) => break,
            // The file was replaced since it was opened: its lock is no longer the directory's.
            Ok(()) => descriptor = open().map_err(|e| failed("open", e))?,
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if !holder_lives(&descriptor) && Instant::now() < deadline => {
                thread::sleep(PAUSE)
            }
            Err(Errno::WOULDBLOCK) => return Err(held(dir, &descriptor)),
            Err(e) => return Err(failed("lock", e)),
        }
    }
    let comm = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let holder = format!("process {} ({})\n", std::process::id(), comm.trim_end());
    rustix::fs::ftruncate(&descriptor, 0).map_err(|e| failed("shorten", e))?;
    rustix::io::pwrite(&descriptor, holder.as_bytes(), 0).map_err(|e| failed("write", e))?;
    Ok(Lock(File::locked(path, descriptor)))
}

/// Whether `name` in `dir` still stands for the open file.
fn is_named(dir: &Dir, name: &str, descriptor: &OwnedFd) -> bool {
    let named = rustix::fs::statat(dir.file(), name, AtFlags::empty());
    let opened = rustix::fs::fstat(descriptor);
    matches!((named, opened), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

/// What the lock file says about its holder.
fn holder_text(descriptor: &OwnedFd) -> io::Result<String> {
    let mut text = [0; HOLDER_LEN_MAX];
    let len = rustix::io::retry_on_intr(|| rustix::io::pread(descriptor, &mut text, 0))?;
    Ok(String::from_utf8_lossy(&text[..len]).into_owned())
}

/// Whether the process named in the lock file runs: then there is nothing to wait for.
fn holder_lives(descriptor: &OwnedFd) -> bool {
    let text = holder_text(descriptor).unwrap_or_default();
    let pid = text.split_whitespace().nth(1).and_then(|word| word.parse::<u32>().ok());
    let stat = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    // The state follows the name in parentheses; a zombie (Z) or dead (X) process runs no more.
    let state =
        stat.as_deref().and_then(|stat| stat.rsplit(") ").next()).and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn held(dir: &Dir, descriptor: &OwnedFd) -> Error {
    let holder = match holder_text(descriptor) {
        Ok(text) if text.trim().is_empty() => "a process that has not written its name yet".to_owned(),
        Ok(text) if holder_lives(descriptor) => text.trim().to_owned(),
        Ok(text) => format!("what {} has left behind (a child it forked, or requests)", text.trim()),
        Err(e) => unreadable(&e),
    };
    Error::Locked { dir: dir.path().to_path_buf(), holder }
}

fn unreadable(e: &io::Error) -> String {
    format!("a process whose name cannot be read ({e})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::names::open_dir;

    const NAME: &str = "LOCK";

    fn scratch() -> (tempfile::TempDir, Dir) {
        let root = tempfile::tempdir().unwrap();
        let dir = open_dir(root.path()).unwrap().unwrap();
        (root, dir)
    }

    #[test]
    fn a_second_lock_is_refused_with_the_name_of_the_holder_until_the_first_is_gone() {
        let (root, dir) = scratch();
        let first = take(&dir, NAME).unwrap();
        let second = first.clone();
        drop(first);
        match take(&dir, NAME) {
            Err(Error::Locked { dir, holder }) => {
                assert_eq!(dir, root.path());
                assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
                assert!(holder.ends_with(')'), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        drop(second);
        take(&dir, NAME).unwrap();
    }

    #[test]
    fn the_requests_of_a_killed_holder_are_waited_for() {
        let (root, dir) = scratch();
        let first = take(&dir, NAME).unwrap();
        // Beyond the largest process number: such a holder does not run.
        fs::write(root.path().join(NAME), "process 4194305 (gone)\n").unwrap();
        let other = thread::spawn(move || {
            thread::sleep(4 * PAUSE);
            drop(first);
        });
        take(&dir, NAME).unwrap();
        other.join().unwrap();
    }

    #[test]
    fn the_lock_is_that_of_the_directory_and_not_of_the_one_that_took_its_place() {
        let root = tempfile::tempdir().unwrap();
        let (path, away) = (root.path().join("db"), root.path().join("away"));
        fs::create_dir(&path).unwrap();
        let dir = open_dir(&path).unwrap().unwrap();
        let first = take(&dir, NAME).unwrap();
        fs::rename(&path, &away).unwrap();
        fs::create_dir(&path).unwrap();
        take(&open_dir(&path).unwrap().unwrap(), NAME).unwrap();
        let holder = format!("process {} (", std::process::id());
        match take(&dir, NAME) {
            Err(Error::Locked { holder: found, .. }) => assert!(found.starts_with(&holder), "{found}"),
            other => panic!("{other:?}"),
        }
        drop(first);
        take(&dir, NAME).unwrap();
    }

    #[test]
    fn a_lock_file_that_was_replaced_is_not_the_lock_any_more() {
        let (root, dir) = scratch();
        let first = take(&dir, NAME).unwrap();
        assert!(is_named(&dir, NAME, &opened(&dir)));
        let old = opened(&dir);
        fs::remove_file(root.path().join(NAME)).unwrap();
        assert!(!is_named(&dir, NAME, &old));
        fs::write(root.path().join(NAME), "").unwrap();
        assert!(!is_named(&dir, NAME, &old));
        drop(first);
    }

    fn opened(dir: &Dir) -> OwnedFd {
        rustix::fs::openat(dir.file(), NAME, OFlags::RDWR, Mode::empty()).unwrap()
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error_that_names_the_file() {
        let (root, dir) = scratch();
        drop(root);
        let text = take(&dir, NAME).unwrap_err().to_string();
        assert!(text.contains("/LOCK: No such file"), "{text}");
    }
}

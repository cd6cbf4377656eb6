//! The choice of a backend, and the words for a kernel that denies rings.
//!
//! Whether rings may be used is found out by using one. What stands in the way is then named with
//! its remedy ([`explain`], a pure function), once per process in the log or as an error.

use std::fs;
use std::io;
use std::sync::Once;

use rustix::io::Errno;

use super::host::{Host, Way};
use super::{Io, uring};
use crate::base::error::{Error, Result};
use crate::base::options::IoBackend;
use crate::base::sync::Arc;

/// Holds 0 (all may use rings), 1 (a group may) or 2 (nobody may); missing before 6.6.
const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";

/// The machine, reached as `backend` demands.
///
/// # Errors
/// [`Error::RingDenied`] if rings are demanded and denied.
pub(crate) fn choose(backend: IoBackend) -> Result<Arc<dyn Io>> {
    choose_by(backend, uring::test_ring)
}

fn choose_by(backend: IoBackend, test: impl FnOnce() -> io::Result<()>) -> Result<Arc<dyn Io>> {
    static SAID: Once = Once::new();
    let way = match backend {
        IoBackend::Blocking => Way::Calls { why: "chosen by option".to_owned() },
        IoBackend::Uring => test().map(|()| Way::Rings).map_err(|e| denied(&e))?,
        IoBackend::Auto => match test() {
            Ok(()) => Way::Rings,
            Err(e) => {
                let Denial { cause, remedy } = denial(&e);
                SAID.call_once(|| {
                    tracing::warn!("io_uring cannot be used, going on without: {cause}; {remedy}");
                });
                Way::Calls { why: cause }
            }
        },
    };
    Ok(Arc::new(Host::new(way)))
}

/// The error for a ring that could not be made.
pub(super) fn denied(e: &io::Error) -> Error {
    let Denial { cause, remedy } = denial(e);
    Error::RingDenied { cause, remedy }
}

/// Why there is no ring, and what to change.
#[derive(Debug, PartialEq, Eq)]
struct Denial {
    cause: String,
    remedy: String,
}

fn denial(e: &io::Error) -> Denial {
    let sysctl = fs::read_to_string(SYSCTL).ok().and_then(|text| text.trim().parse().ok());
    match Errno::from_io_error(e) {
        Some(errno) => explain(errno, sysctl),
        None => Denial { cause: e.to_string(), remedy: INSTEAD.to_owned() },
    }
}

const INSTEAD: &str = "or choose the blocking backend";

/// Cause and remedy from the error of a ring's setup and the value of the sysctl.
fn explain(errno: Errno, sysctl: Option<u32>) -> Denial {
    let (cause, remedy) = match (errno, sysctl) {
        (Errno::PERM | Errno::ACCESS, Some(1)) => (
            "sysctl kernel.io_uring_disabled is 1 and this process is not in the permitted group",
            "add its user to the group named by sysctl kernel.io_uring_group, or set \
             kernel.io_uring_disabled to 0",
        ),
        (Errno::PERM | Errno::ACCESS, Some(2..)) => (
            "sysctl kernel.io_uring_disabled is 2, which forbids rings to all processes",
            "set kernel.io_uring_disabled to 0",
        ),
        (Errno::PERM, _) => (
            "a filter on system calls denies it (EPERM), as containers have by default",
            "run the container with a seccomp profile that permits io_uring_setup, \
             io_uring_enter and io_uring_register",
        ),
        (Errno::ACCESS, _) => (
            "a security policy denies it (EACCES)",
            "permit io_uring to this process in the SELinux policy or seccomp profile",
        ),
        (Errno::NOSYS, _) => (
            "the kernel has no io_uring (ENOSYS)",
            "use Linux 5.11 or later, built with CONFIG_IO_URING and not behind a sandbox that \
             hides it",
        ),
        (Errno::NOMEM, _) => (
            "no memory for a ring (ENOMEM)",
            "raise the limit of locked memory (`ulimit -l`, LimitMEMLOCK in systemd), which \
             kernels before 5.12 count rings against, or free some memory",
        ),
        (Errno::INVAL, _) => ("the kernel is older than 5.11 (EINVAL)", "use Linux 5.11 or later"),
        (Errno::MFILE | Errno::NFILE, _) => {
            ("too many files are open for another ring", "raise the limit of open files (`ulimit -n`)")
        }
        (other, _) => return unexpected(other),
    };
    Denial { cause: cause.to_owned(), remedy: format!("{remedy}, {INSTEAD}") }
}

fn unexpected(errno: Errno) -> Denial {
    let cause = format!("the kernel refuses it: {}", io::Error::from(errno));
    Denial { cause, remedy: format!("see io_uring_setup(2) for this error, {INSTEAD}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: Errno, sysctl: Option<u32>, cause: &str, remedy: &str) {
        let denial = explain(errno, sysctl);
        assert!(denial.cause.contains(cause), "{denial:?}");
        assert!(denial.remedy.contains(remedy), "{denial:?}");
        assert!(denial.remedy.ends_with("or choose the blocking backend"), "{denial:?}");
    }

    #[test]
    fn each_denial_is_told_with_its_remedy() {
        check(Errno::PERM, Some(1), "is 1", "kernel.io_uring_group");
        check(Errno::PERM, Some(2), "is 2", "kernel.io_uring_disabled to 0");
        check(Errno::PERM, Some(0), "filter on system calls", "seccomp profile");
        check(Errno::PERM, None, "filter on system calls", "seccomp profile");
        check(Errno::ACCESS, None, "EACCES", "SELinux");
        check(Errno::NOSYS, None, "ENOSYS", "Linux 5.11 or later");
        check(Errno::NOMEM, Some(0), "ENOMEM", "ulimit -l");
        check(Errno::INVAL, None, "older than 5.11", "Linux 5.11");
        check(Errno::MFILE, None, "too many files", "ulimit -n");
        check(Errno::FAULT, None, "Bad address", "io_uring_setup(2)");
    }

    #[test]
    fn a_denied_ring_is_an_error_only_if_demanded() {
        let denied = || Err(Errno::NOSYS.into());
        let text = choose_by(IoBackend::Uring, denied).err().unwrap().to_string();
        assert_eq!(
            text,
            "io_uring cannot be used: the kernel has no io_uring (ENOSYS); use Linux 5.11 or \
             later, built with CONFIG_IO_URING and not behind a sandbox that hides it, or choose \
             the blocking backend"
        );
        let backend = |choice| choose_by(choice, denied).unwrap().backend();
        assert_eq!(backend(IoBackend::Auto), "blocking: the kernel has no io_uring (ENOSYS)");
        assert_eq!(backend(IoBackend::Blocking), "blocking: chosen by option");
        assert_eq!(choose_by(IoBackend::Auto, || Ok(())).unwrap().backend(), "uring");
    }
}

//! The choice of a backend, and the message where the kernel denies rings.
//!
//! Whether rings may be used is found out by using one. If not, the cause and its remedy ([`explain`], a pure
//! function) go to the log, once per process, or into an error.

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

/// A system call that rings need, and why it fails.
#[derive(Debug)]
pub(super) struct Refusal {
    call: &'static str,
    error: io::Error,
}

impl Refusal {
    /// Makes one of an error of `call`.
    pub(super) fn of(call: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self { call, error }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Denial { cause, remedy } = denial(&refusal);
        Self::RingDenied { cause, remedy }
    }
}

/// The machine, reached as `backend` demands.
///
/// # Errors
/// [`Error::RingDenied`] if rings are demanded and denied.
pub(crate) fn choose(backend: IoBackend) -> Result<Arc<dyn Io>> {
    choose_by(backend, uring::test_ring)
}

/// The machine without rings, for a caller that was denied them later than by the trial.
pub(crate) fn without_rings(cause: String, remedy: &str) -> Arc<dyn Io> {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!("io_uring cannot be used, going on without: {cause}; {remedy}");
    });
    Arc::new(Host::new(Way::Calls { why: cause }))
}

fn choose_by(
    backend: IoBackend,
    test: impl FnOnce() -> std::result::Result<(), Refusal>,
) -> Result<Arc<dyn Io>> {
    let way = match backend {
        IoBackend::Blocking => Way::Calls { why: "chosen by option".to_owned() },
        IoBackend::Uring => test().map(|()| Way::Rings)?,
        IoBackend::Auto => match test() {
            Ok(()) => Way::Rings,
            Err(refusal) => {
                let Denial { cause, remedy } = denial(&refusal);
                return Ok(without_rings(cause, &remedy));
            }
        },
    };
    Ok(Arc::new(Host::new(way)))
}

/// Why there is no ring, and what to change.
#[derive(Debug, PartialEq, Eq)]
struct Denial {
    cause: String,
    remedy: String,
}

fn denial(Refusal { call, error }: &Refusal) -> Denial {
    let sysctl = fs::read_to_string(SYSCTL).ok().and_then(|text| text.trim().parse().ok());
    match Errno::from_io_error(error) {
        Some(errno) => explain(call, errno, sysctl),
        None => Denial { cause: format!("{call}: {error}"), remedy: INSTEAD.to_owned() },
    }
}

/// The call that comes first.
pub(super) const SETUP: &str = "io_uring_setup";

const INSTEAD: &str = "or choose the blocking backend";

/// Cause and remedy from the error of a call and the value of the sysctl.
fn explain(call: &str, errno: Errno, sysctl: Option<u32>) -> Denial {
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
        (Errno::NOSYS, _) if call != SETUP => (
            "a filter on system calls hides it (ENOSYS)",
            "permit io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile",
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
        (Errno::INVAL, _) => {
            ("the kernel is older than 5.11, or a sandbox knows less (EINVAL)", "use Linux 5.11 or later")
        }
        (Errno::MFILE | Errno::NFILE, _) => {
            ("too many files are open for another ring", "raise the limit of open files (`ulimit -n`)")
        }
        (other, _) => return unexpected(call, other),
    };
    Denial { cause: format!("{call}: {cause}"), remedy: format!("{remedy}, {INSTEAD}") }
}

fn unexpected(call: &str, errno: Errno) -> Denial {
    let cause = format!("{call}: the kernel refuses it: {}", io::Error::from(errno));
    Denial { cause, remedy: format!("see {call}(2) for this error, {INSTEAD}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: Errno, sysctl: Option<u32>, cause: &str, remedy: &str) {
        let denial = explain(SETUP, errno, sysctl);
        assert!(denial.cause.starts_with("io_uring_setup: "), "{denial:?}");
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
        let hidden = explain("io_uring_register", Errno::NOSYS, None);
        assert_eq!(hidden.cause, "io_uring_register: a filter on system calls hides it (ENOSYS)");
    }

    #[test]
    fn a_denied_ring_is_an_error_only_if_demanded() {
        let denied = || Err(Refusal::of(SETUP)(Errno::NOSYS.into()));
        let text = choose_by(IoBackend::Uring, denied).err().unwrap().to_string();
        assert_eq!(
            text,
            "io_uring cannot be used: io_uring_setup: the kernel has no io_uring (ENOSYS); use Linux 5.11 or \
             later, built with CONFIG_IO_URING and not behind a sandbox that hides it, or choose \
             the blocking backend"
        );
        let backend = |choice| choose_by(choice, denied).unwrap().backend();
        assert_eq!(backend(IoBackend::Auto), "blocking: io_uring_setup: the kernel has no io_uring (ENOSYS)");
        assert_eq!(backend(IoBackend::Blocking), "blocking: chosen by option");
        assert_eq!(choose_by(IoBackend::Auto, || Ok(())).unwrap().backend(), "uring");
    }
}

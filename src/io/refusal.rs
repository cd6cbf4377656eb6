//! Why there is no ring, and what to change: what the kernel says, made into words. [`explain`] is a pure function.

use std::fs;
use std::io;

use rustix::io::Errno;

use crate::base::error::Error;

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

/// Why there is no ring, and what to change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) cause: String,
    pub(super) remedy: String,
}

/// What a refusal means on this machine.
pub(super) fn denial(Refusal { call, error }: &Refusal) -> Denial {
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
}

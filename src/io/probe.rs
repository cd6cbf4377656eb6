//! Which way the machine is reached.
//!
//! Whether rings may be used is found out by using one. If not, the [cause and its remedy](super::refusal) go to the
//! log once, or into the error where rings were demanded.

use std::sync::Once;

use super::host::{Host, Way};
use super::refusal::{Denial, Refusal, denial};
use super::{Io, uring};
use crate::base::error::Result;
use crate::base::options::IoBackend;
use crate::base::sync::Arc;

/// The machine, reached as `backend` demands.
///
/// # Errors
/// [`Error::RingDenied`](crate::base::error::Error::RingDenied) if rings are demanded and denied.
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

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::io::refusal::SETUP;

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

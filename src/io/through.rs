//! Durable writes on behalf of a calling thread.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A durable write on behalf of a caller, who waits for it. On a real machine it has ended when it is returned: the calling
/// thread has waited. In a simulated one it takes its time, and must be polled to its end: what it was lent is
/// looked at until then.
pub(crate) enum Through {
    /// The device has it, or it failed.
    Ended(Option<io::Result<()>>),
    /// It is on its way.
    #[cfg(feature = "sim")]
    Begun(super::sim::CallerWrite),
}

impl Through {
    /// One that has come to this.
    pub(super) fn ended(result: io::Result<()>) -> Self {
        Self::Ended(Some(result))
    }
}

impl Future for Through {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Ended(result) => Poll::Ready(result.take().expect("polled after its end")),
            #[cfg(feature = "sim")]
            Self::Begun(write) => write.poll(_context),
        }
    }
}

//! What a task on a core comes to.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;
use crate::exec::{Outcome, Reply, block_on};

/// Waits for a task on a core, which [`Db::spawn_on`](crate::Db::spawn_on), [`CoreDb::spawn`](crate::CoreDb::spawn) or
/// [`Driver::spawn`](crate::Driver::spawn) has made: as a future, on any executor, or by [`join`](Self::join). The task goes on if this is dropped.
pub struct JoinHandle<R>(Result<Reply<Outcome<R>>>);

impl<R> JoinHandle<R> {
    pub(super) fn new(started: Result<Reply<Outcome<R>>>) -> Self {
        Self(started)
    }

    /// Waits on the calling thread until the task has ended; returns its output. On the thread of a
    /// [`Driver`](crate::Driver) nobody else runs its tasks: there `driver.block_on(handle)` waits for one that has not
    /// ended, and this would for ever.
    ///
    /// # Errors
    /// As the future has them.
    ///
    /// # Panics
    /// If it is called by a task on a core: there it is awaited.
    pub fn join(self) -> std::result::Result<R, JoinError> {
        block_on(self)
    }

    /// Whether the task has ended, so that nothing waits for it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().map_or(true, Reply::is_ready)
    }
}

impl<R> Future for JoinHandle<R> {
    type Output = std::result::Result<R, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.0 {
            Ok(reply) => match Pin::new(reply).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => answer,
            },
            Err(refused) => Err(refused.clone()),
        };
        Poll::Ready(match answer {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(panic)) => {
                let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
                let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
                Err(JoinError(Cause::Panicked(said, Mutex::new(panic))))
            }
            Err(error) => Err(JoinError(Cause::Ended(error))),
        })
    }
}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinHandle")
    }
}

/// Why a task on a core has no output: it panicked, or it was ended before its own end.
pub struct JoinError(Cause);

enum Cause {
    /// What it said, and what it panicked with. The mutex is never locked.
    Panicked(Option<String>, Mutex<Box<dyn Any + Send>>),
    Ended(Error),
}

impl JoinError {
    /// Whether the task panicked. Everything else on its core has gone on.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panicked(..))
    }

    /// What the task panicked with, for [`resume_unwind`](std::panic::resume_unwind).
    #[must_use]
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        match self.0 {
            Cause::Panicked(_, panic) => {
                Some(panic.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
            }
            Cause::Ended(_) => None,
        }
    }

    /// Why the task was ended, or never begun: [`Error::Closed`] if the database was closed, its last handle or the task's
    /// `Driver` dropped, or if the core has failed; [`Error::Forked`] in a child of the process that opened the database.
    #[must_use]
    pub fn ended_by(&self) -> Option<&Error> {
        match &self.0 {
            Cause::Panicked(..) => None,
            Cause::Ended(error) => Some(error),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Ended(error) => write!(f, "the task on a core was ended: {error}"),
            Cause::Panicked(Some(said), _) => write!(f, "the task on a core panicked: {said}"),
            Cause::Panicked(None, _) => f.write_str("the task on a core panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.ended_by().map(|error| error as _)
    }
}

//! What a guest has of the engine: its calls stay on its core, and so do its reads.
//!
//! It does not keep the database open: when that is closed, or its last handle dropped, the core ends and drops its
//! guests. Until then they are refused.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Engine;
use super::caller::Caller;
use super::open::Handle;
use super::reads::{Piece, Pieces, read_all};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::planted::planted;
use crate::base::sync::{Arc, Weak};
use crate::exec::{Driven, Local, Outcome, Reply};
use crate::io::Buffer;

/// See the module. Cheap to clone, never leaves its core.
#[derive(Clone)]
pub(crate) struct OnCore(Rc<State>);

struct State {
    engine: Arc<Engine>,
    handle: Weak<Handle>,
    local: Local,
    core: usize,
}

impl Handle {
    /// Makes a guest on a core; tells what it comes to.
    pub(crate) fn spawn_on<F, T>(self: &Arc<Self>, core: usize, make: F) -> Result<Reply<Outcome<T::Output>>>
    where
        F: FnOnce(OnCore) -> T + Send + 'static,
        T: Future<Output: Send> + 'static,
    {
        self.0.check_open()?;
        let (engine, handle) = (Arc::clone(&self.0), Arc::downgrade(self));
        Ok(self.0.cores.spawn_guest(core, move |local| {
            let on = OnCore(Rc::new(State { engine, handle, local, core }));
            // `make` is the guest's code as well.
            async move { make(on).await }
        }))
    }
}

impl Handle {
    /// A core without a thread, for the loop of the calling thread, and what its tasks have of the engine.
    pub(crate) fn drive(self: &Arc<Self>) -> Result<(Driven, OnCore)> {
        self.0.check_open()?;
        let core = self.0.cores.count();
        let driven = Driven::new(&self.0.io, core, self.0.directory.file())?;
        let (engine, handle, local) = (Arc::clone(&self.0), Arc::downgrade(self), driven.local().clone());
        Ok((driven, OnCore(Rc::new(State { engine, handle, local, core }))))
    }
}

impl OnCore {
    /// Makes another guest on this core; tells what it comes to.
    pub(crate) fn spawn<T: Future + 'static>(&self, future: T) -> Result<Reply<Outcome<T::Output>>> {
        self.check_open()?;
        Ok(self.0.local.spawn_guest(future))
    }

    /// The number of its core.
    pub(crate) fn core(&self) -> usize {
        self.0.core
    }

    /// Lets others have their turn.
    pub(crate) async fn yield_now(&self) {
        self.0.local.yield_now().await;
    }

    /// Waits for a time.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.0.local.sleep(duration).await;
    }
}

impl Caller for OnCore {
    type Reads = Pin<Box<dyn Future<Output = Pieces>>>;
    type Bytes = Buffer;

    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    fn check_open(&self) -> Result<()> {
        self.0.engine.check_open()?;
        if self.0.local.has_ended() { Err(Error::Closed) } else { Ok(()) }
    }

    fn keep_open(&self) -> Result<Arc<Handle>> {
        self.0.handle.upgrade().ok_or(Error::Closed)
    }

    fn begin_reads(&self, pieces: Vec<Piece>) -> Self::Reads {
        reached!("read: a core has read for its own guest");
        let local = self.0.local.clone();
        Box::pin(async move {
            let mut read = read_all(local.clone(), pieces).await;
            if local.has_ended() {
                return Err(Error::Closed);
            }
            if planted!(GuestReadsSwapped) {
                read.reverse();
            }
            Ok(read)
        })
    }

    fn poll_turn(&self, context: &mut Context<'_>, calls: u32) -> Poll<()> {
        // A child has no other turns: its call goes on, and is refused.
        if !self.0.engine.process.is_current() {
            return Poll::Ready(());
        }
        self.0.local.poll_turn(context, calls)
    }
}

//! An operation of a caller that has begun and not ended: a future of the engine, polled only when
//! it was woken, so that a lost wake-up shows as an operation that never ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rabi::{Durability, Result};

use crate::guests::Found;
use crate::model::Entry;

/// What was begun.
pub(crate) enum What {
    /// A batch, and its last seqno once it has entered the order.
    Write { entries: Vec<Entry>, durability: Durability, last: Option<u64> },
    /// A sync, or an empty batch of the kind `Power`, with all that was visible at its beginning.
    Sync { upto: u64 },
    /// A flush of what was visible at its beginning.
    Flush { upto: u64 },
    /// A compaction of what was visible at its beginning.
    Compact { upto: u64 },
    /// A lookup by a task on a core, with all that was visible at its beginning.
    MultiGet { keys: Vec<Vec<u8>>, from: u64, found: Found },
    /// A close with all that was visible at its beginning.
    Close { upto: u64 },
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // One thread: no order to be kept with anything.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The operation.
pub(crate) struct Pending {
    pub(crate) what: What,
    pub(crate) since: Duration,
    /// The handle had refused writes for good before this began.
    pub(crate) was_refused: bool,
    /// After so many polls it is dropped, if it has not ended: only calls that permit that.
    drops_after: Option<usize>,
    polls: usize,
    /// A core may enter its batch.
    pub(crate) is_by_core: bool,
    future: Pin<Box<dyn Future<Output = Result<()>>>>,
    flag: Arc<Flag>,
}

impl Pending {
    pub(crate) fn new(
        what: What,
        since: Duration,
        was_refused: bool,
        future: impl Future<Output = Result<()>> + 'static,
    ) -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let (drops_after, polls, is_by_core) = (None, 0, false);
        Self { what, since, was_refused, drops_after, polls, is_by_core, future: Box::pin(future), flag }
    }

    /// A core may enter its batch, in a turn of its own.
    pub(crate) fn by_core(self) -> Self {
        Self { is_by_core: true, ..self }
    }

    /// Its caller has no patience for more polls than these.
    pub(crate) fn dropped_after(self, polls: usize) -> Self {
        Self { drops_after: Some(polls), ..self }
    }

    /// Whether the caller drops it now.
    pub(crate) fn is_given_up(&self) -> bool {
        self.drops_after.is_some_and(|polls| self.polls >= polls)
    }

    /// Whether it was woken since it was last polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::Relaxed)
    }

    /// Lets it go on.
    pub(crate) fn poll(&mut self) -> Option<Result<()>> {
        self.flag.0.store(false, Ordering::Relaxed);
        self.polls += 1;
        let waker = Waker::from(Arc::clone(&self.flag));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Bytes of the entries of a write.
    pub(crate) fn entries_len(&self) -> usize {
        match &self.what {
            What::Write { entries, .. } => entries.iter().map(entry_len).sum(),
            _ => 0,
        }
    }

    /// What it is, as text.
    pub(crate) fn name(&self) -> String {
        match &self.what {
            What::Write { entries, durability, last } => {
                let bytes: usize = entries.iter().map(entry_len).sum();
                let entered = last.map_or("not in the order".into(), |last| format!("up to seqno {last}"));
                format!("write of {} entries, {bytes} bytes, {durability:?}, {entered}", entries.len())
            }
            What::Sync { upto } => format!("sync up to seqno {upto}"),
            What::Flush { upto } => format!("flush up to seqno {upto}"),
            What::Compact { upto } => format!("compaction up to seqno {upto}"),
            What::MultiGet { keys, from, .. } => format!("lookup of {} keys from seqno {from}", keys.len()),
            What::Close { upto } => format!("close at seqno {upto}"),
        }
    }
}

fn entry_len((key, value): &Entry) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len())
}

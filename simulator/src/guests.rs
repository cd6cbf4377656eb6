//! Operations that a task on a core does for a caller: it reads on its core's own queue, may let go of reads half way,
//! may keep its core busy before, and may panic when it is done.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use rabi::{CoreDb, Db, JoinError, JoinHandle, Result, Value, WriteBatch, WriteOptions};

/// So many calls take twenty turns of a task: it looks at the clock every 16th time, and 20 us pass from look to look.
const CALLS_MAX: usize = 3200;

/// What several keys were found to have, once they were looked up.
pub(crate) type Found = Arc<Mutex<Vec<Result<Option<Value>>>>>;

/// How a task goes about its lookup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    /// The core it lives on.
    pub(crate) core: usize,
    /// After so many polls it gives the lookup up, and begins again.
    pub(crate) gives_up_after: Option<usize>,
    /// Before, it calls until it has had to let others have their turn.
    pub(crate) is_busy: bool,
    pub(crate) panics: bool,
}

/// Applies a batch.
pub(crate) fn write(
    db: &Db,
    core: usize,
    batch: WriteBatch,
    options: WriteOptions,
) -> impl Future<Output = Result<()>> + use<> {
    let task = db.spawn_on(core, move |db| async move { db.write(batch, options).await });
    async move { task.await.map_err(reason).flatten() }
}

/// Looks keys up, and leaves what they have in `found`.
pub(crate) fn multi_get(
    db: &Db,
    conduct: Conduct,
    keys: Vec<Vec<u8>>,
    found: Found,
) -> impl Future<Output = Result<()>> + use<> {
    let task: JoinHandle<()> = db.spawn_on(conduct.core, move |db| async move {
        if let Some(polls) = conduct.gives_up_after {
            give_up(&db, &keys, polls).await;
        }
        if conduct.is_busy {
            keep_busy(&db).await;
        }
        let values = db.multi_get(&keys).await;
        *found.lock().unwrap_or_else(PoisonError::into_inner) = values;
        if conduct.panics {
            // Not `panic!`: nobody has to hear of it.
            resume_unwind(Box::new("as it was told"));
        }
    });
    async move {
        match task.await {
            Err(error) if !error.is_panic() => Err(reason(error)),
            ended => {
                assert_eq!(ended.is_err(), conduct.panics, "whoever joins a task learns how it ended");
                Ok(())
            }
        }
    }
}

/// Drops a lookup after so many polls.
async fn give_up(db: &CoreDb, keys: &[Vec<u8>], polls: usize) {
    let mut lookup = pin!(db.multi_get(keys));
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 || lookup.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// Calls again and again, for nothing, until it is polled once more.
async fn keep_busy(db: &CoreDb) {
    let polls = Cell::new(0);
    let mut calls = pin!(async {
        let mut count = 0;
        while polls.get() < 2 && db.contains_key("").await.is_ok() {
            count += 1;
            assert!(count < CALLS_MAX, "a task has kept its core for {count} calls");
        }
    });
    poll_fn(|context| {
        polls.set(polls.get() + 1);
        calls.as_mut().poll(context)
    })
    .await;
}

fn reason(error: JoinError) -> rabi::Error {
    error.ended_by().cloned().unwrap_or_else(|| panic!("{error}"))
}

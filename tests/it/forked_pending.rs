//! Futures that are pending when the process forks, polled in the child: they come to nothing, and do nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rabi::{CoreDb, Db, Driver, Error, Options, StageMode};

use crate::scratch::Scratch;
use crate::system::{fork, run_alone};

/// A task may make so many calls before others have their turn: the next one is pending once.
const CALLS_OF_A_TURN: usize = 15;

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Begins a call that waits for its turn.
fn begin<'a, F: Future>(db: &'a CoreDb, call: impl FnOnce(&'a CoreDb) -> F) -> Pin<Box<F>> {
    for _ in 0..CALLS_OF_A_TURN {
        assert!(poll(Box::pin(db.get("before")).as_mut()).is_ready());
    }
    let mut call = Box::pin(call(db));
    assert!(poll(call.as_mut()).is_pending(), "its turn is over");
    call
}

/// Polls the future in a child, where `is_right` is to approve of what comes of it; then in the parent up to its end.
fn poll_in_child<F: Future>(future: Pin<Box<F>>, is_right: impl Fn(Poll<F::Output>) -> bool) -> F::Output {
    let mut future = Some(future);
    let child = fork(|| {
        let mut future = future.take().expect("the child's copy");
        assert!(is_right(poll(future.as_mut())), "it came to something else in a child");
    });
    child.wait().unwrap();
    let mut future = future.expect("the parent's");
    loop {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
        std::thread::yield_now();
    }
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_turns() {
    for mode in [StageMode::Mapped, StageMode::Written] {
        let scratch = Scratch::new();
        let db = Db::open(scratch.dir(), Options::new().cores(1).stage_mode(mode)).unwrap();
        db.put("before", "x").unwrap();
        let driver = Driver::new(&db).unwrap();
        let calls = driver.db();
        let put = begin(&calls, |db| db.put("late", [1; 300]));
        assert!(poll_in_child(put, |polled| matches!(polled, Poll::Ready(Err(Error::Forked)))).is_ok());
        let get = begin(&calls, |db| db.get("late"));
        let value = poll_in_child(get, |polled| matches!(polled, Poll::Ready(Err(Error::Forked)))).unwrap();
        assert_eq!(value.as_deref(), Some(&[1; 300][..]));
        let get = begin(&calls, |db| db.multi_get(["before", "late", "none"]));
        let are_refused = |polled: Poll<Vec<rabi::Result<_>>>| matches!(polled, Poll::Ready(all) if all.iter().all(|one| matches!(one, Err(Error::Forked))));
        let values = poll_in_child(get, are_refused);
        let found: Vec<bool> = values.into_iter().map(|value| value.unwrap().is_some()).collect();
        assert_eq!(found, [true, true, false]);
        db.put("after", "x").unwrap();
        drop(driver);
        db.close().unwrap();
        let keys: Vec<_> =
            Db::open(scratch.dir(), Options::new()).unwrap().keys().map(Result::unwrap).collect();
        assert_eq!(keys, [&b"after"[..], b"before", b"late"]);
    }
}

#[test]
fn a_call_that_waited_for_its_turn_is_refused_in_a_child() {
    run_alone("forked_pending::scene_of_turns");
}

#[test]
#[ignore = "runs in a process of its own, by the test below"]
fn scene_of_a_close() {
    // It waits for a flush, or for the log.
    for is_flushed in [false, true] {
        let scratch = Scratch::new();
        let db = Db::open(scratch.dir(), Options::new().cores(2)).unwrap();
        db.put("before", "x").unwrap();
        if is_flushed {
            db.flush().unwrap();
        }
        let mut close = Box::pin(db.to_async().close());
        if poll(close.as_mut()).is_ready() {
            assert!(is_flushed, "a flush takes longer than a poll");
            continue;
        }
        let is_right = |polled| matches!(polled, Poll::Pending | Poll::Ready(Err(Error::Forked)));
        assert!(poll_in_child(close, is_right).is_ok());
    }
}

#[test]
fn a_close_that_waits_closes_nothing_in_a_child() {
    run_alone("forked_pending::scene_of_a_close");
}

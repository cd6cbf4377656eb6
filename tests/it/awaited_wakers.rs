//! Wakers that call the database: none is called while the engine holds a lock.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rabi::sim::{Faults, World};
use rabi::{AsyncDb, Db};

use crate::scratch::small;

/// Writes when it is woken, as an executor may that runs its tasks where they are woken.
struct Writes {
    db: AsyncDb,
    woken: AtomicUsize,
}

impl Wake for Writes {
    fn wake(self: Arc<Self>) {
        self.db.as_blocking().put("woken", "").unwrap();
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

/// One future waits for its flush while another freezes the memtable.
fn freeze_under_a_waiter() -> usize {
    let world = World::new(7, Faults::default());
    let (mut stepper, mut opening) = Db::open_simulated(&world, "/db", small()).unwrap();
    let db = loop {
        if let Some(opened) = opening.poll() {
            break opened.unwrap().to_async();
        }
        for core in 0..stepper.cores() {
            stepper.turn(core);
        }
    };
    let waker = Arc::new(Writes { db: db.clone(), woken: AtomicUsize::new(0) });
    let polled = |mut flush: Pin<Box<dyn Future<Output = rabi::Result<()>> + '_>>, waker: &Waker| {
        assert!(matches!(flush.as_mut().poll(&mut Context::from_waker(waker)), Poll::Pending));
        std::mem::forget(flush);
    };
    for (round, next) in [Waker::from(Arc::clone(&waker)), Waker::noop().clone()].iter().enumerate() {
        db.as_blocking().put([round as u8], "value").unwrap();
        polled(Box::pin(db.flush()), next);
    }
    waker.woken.load(Ordering::Relaxed)
}

#[test]
fn a_waker_may_write_while_a_memtable_is_frozen() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(freeze_under_a_waiter()));
    let woken = ended.recv_timeout(Duration::from_secs(30)).expect("it waits for a lock that it holds");
    assert_eq!(woken, 1);
}

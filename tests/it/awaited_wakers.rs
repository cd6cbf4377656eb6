//! Wakers that call the database: none is called while the engine holds a lock.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rabi::sim::{Faults, World};
use rabi::{AsyncDb, Db, Durability, WriteBatch, WriteOptions};

use crate::scratch::{Scratch, contents, small, wait_until};
use crate::system::deny;

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

/// A waker whose call panics.
struct Panics(AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a waker of the host's");
    }
}

/// Calls that cores answer, and the log.
fn wait_with_wakers_that_panic() {
    let scratch = Scratch::new();
    let options = small().cores(2).cache_size_bytes(0);
    let db = Db::open(scratch.dir(), options.clone()).unwrap();
    (0..1000).for_each(|number| db.put(format!("{number:04}"), [1; 100]).unwrap());
    db.compact().unwrap();
    // Cores read everything, also what the page cache has.
    deny(libc::SYS_preadv2, libc::EOPNOTSUPP);
    let awaited = db.to_async();
    let power = WriteOptions::new().durability(Durability::Power);
    for round in 0..20 {
        let called = Arc::new(Panics(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&called));
        let mut batch = WriteBatch::new();
        batch.put("power", [round]);
        let calls: [Pin<Box<dyn Future<Output = rabi::Result<()>> + '_>>; 3] = [
            Box::pin(async { awaited.get("0100").await.map(drop) }),
            Box::pin(awaited.flush()),
            Box::pin(awaited.write(batch, power)),
        ];
        let polled = calls.map(|mut call| {
            let is_pending = call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
            is_pending.then_some(call)
        });
        let pending: Vec<_> = polled.into_iter().flatten().collect();
        wait_until("all are called", || called.0.load(Ordering::Relaxed) >= pending.len());
        for call in pending {
            smol::block_on(call).unwrap();
        }
        db.put("next", [round]).unwrap();
        db.sync().unwrap();
    }
    db.compact().unwrap();
    assert_eq!(contents(&db).len(), 1002);
    db.close().unwrap();
    assert_eq!(contents(&Db::open(scratch.dir(), options).unwrap()).len(), 1002);
}

#[test]
fn a_waker_that_panics_ends_no_core_and_keeps_nobody_waiting() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        wait_with_wakers_that_panic();
        done.send(())
    });
    ended.recv_timeout(Duration::from_secs(30)).expect("it failed, or waits for ever");
}

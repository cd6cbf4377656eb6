//! A driver whose thread waits in its ring, for a future of its own and for tasks.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rabi::{CoreDb, Db, Driver, Error, IoBackend};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::scratch::{Scratch, contents, forget_pages, small};
use crate::system::{deny, fork, fork_and_go_on, run_alone};

const BACKENDS: [IoBackend; 2] = [IoBackend::Auto, IoBackend::Blocking];

fn open(scratch: &Scratch, backend: IoBackend) -> Db {
    let db = Db::open(scratch.dir(), small().io_backend(backend).cache_size_bytes(0)).unwrap();
    (0..2000).for_each(|number| db.put(format!("{number:04}"), [1; 300]).unwrap());
    db.compact().unwrap();
    forget_pages(&scratch.dir());
    db
}

fn is_readable(driver: &Driver, at_most: Duration) -> bool {
    let timeout = Timespec::try_from(at_most).unwrap();
    poll(&mut [PollFd::new(driver, PollFlags::IN)], Some(&timeout)).unwrap() > 0
}

async fn read(db: &CoreDb, first: usize) -> usize {
    let mut found = 0;
    for number in (first..2000).step_by(16) {
        found += usize::from(db.get(format!("{number:04}")).await.unwrap().is_some());
    }
    found
}

#[test]
fn a_future_that_borrows_and_tasks_beside_it_come_to_their_ends() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        let calls = driver.db();
        let tasks: Vec<_> =
            (0..15).map(|task| driver.spawn(move |db| async move { read(&db, task).await })).collect();
        let (mut count, elsewhere) = (0, db.to_async());
        let found = driver.block_on(async {
            count += read(&calls, 15).await;
            calls.put("0000", "new").await?;
            // Not the driver's: the waker goes to a core.
            elsewhere.flush().await?;
            calls.sleep(Duration::from_millis(3)).await;
            for task in tasks {
                count += task.await.unwrap();
            }
            calls.get("0000").await
        });
        assert_eq!((count, found.unwrap().unwrap().as_deref()), (2000, Some(&b"new"[..])));
        // Whatever it left is done, and soon nobody calls it any more: a core may have kept its waker for a while.
        assert!(is_readable(&driver, Duration::ZERO));
        let mut runs = 0;
        while is_readable(&driver, Duration::from_millis(50)) {
            driver.run_ready().unwrap();
            runs += 1;
            assert!(runs < 20, "it is called for nothing");
        }
        drop((driver, calls));
        db.close().unwrap();
    }
}

/// Each of two threads waits for the other, so that each call finds the driver's asleep or about to sleep.
#[test]
fn no_call_of_another_thread_is_lost_in_the_ring_or_in_the_loop() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        let (to_other, from_driver) = mpsc::channel::<(Arc<AtomicBool>, Waker)>();
        let other = std::thread::spawn(move || {
            for (flag, waker) in from_driver {
                flag.store(true, Ordering::Release);
                waker.wake();
            }
        });
        let ask = |sender: mpsc::Sender<(Arc<AtomicBool>, Waker)>| async move {
            let (flag, mut is_asked) = (Arc::new(AtomicBool::new(false)), false);
            poll_fn(|context| {
                if !std::mem::replace(&mut is_asked, true) {
                    sender.send((Arc::clone(&flag), context.waker().clone())).unwrap();
                }
                if flag.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        for _ in 0..300 {
            driver
                .block_on(async {
                    ask(to_other.clone()).await;
                    ask(to_other.clone()).await;
                })
                .unwrap();
            let sender = to_other.clone();
            let task = driver.spawn(move |_| ask(sender));
            while !task.is_finished() {
                assert!(is_readable(&driver, Duration::from_secs(20)), "waited in vain");
                driver.run_ready().unwrap();
            }
        }
        drop(to_other);
        other.join().unwrap();
    }
}

#[test]
fn a_future_may_end_or_panic_with_reads_in_flight() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        let calls = driver.db();
        for round in 0..20 {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                driver.block_on(async {
                    let mut reads: Vec<_> =
                        (0..100).map(|key| Box::pin(calls.get(format!("{key:04}")))).collect();
                    poll_fn(|context| {
                        for read in &mut reads {
                            let _in_flight = read.as_mut().poll(context).is_pending();
                        }
                        Poll::Ready(())
                    })
                    .await;
                    assert!(round % 2 == 0, "on purpose");
                })
            }));
            assert_eq!(ended.is_ok(), round % 2 == 0);
            assert_eq!(driver.block_on(read(&calls, round % 16)).unwrap(), 125);
        }
        assert_eq!(contents(&db).len(), 2000);
    }
}

#[test]
fn a_task_that_never_waits_does_not_keep_the_future_from_being_polled() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let mut driver = Driver::new(&db).unwrap();
    let (calls, polls) = (driver.db(), Arc::new(AtomicUsize::new(0)));
    let counts = Arc::clone(&polls);
    let busy = driver.spawn(move |db| async move {
        while counts.load(Ordering::Relaxed) < 200 {
            assert!(db.get("absent").await.unwrap().is_none());
        }
    });
    let begin = Instant::now();
    driver
        .block_on(async {
            while polls.fetch_add(1, Ordering::Relaxed) < 200 {
                calls.yield_now().await;
            }
            busy.await.unwrap();
        })
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn tasks_may_not_wait_so_and_a_closed_database_ends_calls_alone() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let parents = db.clone();
    let refused = db.spawn_on(0, move |_| async move {
        let mut driver = Driver::new(&parents).unwrap();
        driver.block_on(async {}).unwrap();
    });
    assert!(refused.join().unwrap_err().is_panic());
    let mut driver = Driver::new(&db).unwrap();
    let calls = driver.db();
    let closes = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        db.close().unwrap();
    });
    let ended = driver.block_on(async {
        loop {
            if let Err(error) = calls.get("0001").await {
                return error;
            }
            calls.sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(matches!(ended.unwrap(), Error::Closed));
    assert_eq!(driver.block_on(async { 7 }).unwrap(), 7);
    closes.join().unwrap();
}

#[test]
fn a_forked_child_is_refused() {
    run_alone("driver_blocks::a_future_forks");
}

#[test]
#[ignore = "runs in a process of its own, by the test above"]
fn a_future_forks() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        let mut of_child = Some(&mut driver);
        fork(|| {
            let driver = of_child.take().unwrap();
            assert!(matches!(driver.block_on(async {}), Err(Error::Forked)));
        })
        .wait()
        .unwrap();
        let calls = driver.db();
        assert_eq!(driver.block_on(read(&calls, 3)).unwrap(), 125);
        fork_within(&mut driver);
    }
}

/// Found: the child took a turn more, with the tasks of its parent, and might wait for a lock that another thread had held.
fn fork_within(driver: &mut Driver) {
    let parent = std::process::id();
    let foreign = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&foreign);
    let task = driver.spawn(move |db| async move {
        loop {
            counts.fetch_add(usize::from(std::process::id() != parent), Ordering::Relaxed);
            db.yield_now().await;
        }
    });
    let calls = driver.db();
    let mut child = None;
    let ended = driver.block_on(async {
        calls.yield_now().await;
        child = fork_and_go_on();
        if child.is_none() {
            std::future::pending::<()>().await;
        }
    });
    let Some(child) = child else {
        let is_right = matches!(ended, Err(Error::Forked)) && foreign.load(Ordering::Relaxed) == 0;
        std::process::exit(i32::from(!is_right));
    };
    child.wait().unwrap();
    ended.unwrap();
    drop(task);
}

/// Found: the loop slept on what a handle had begun between two runs.
#[test]
fn what_is_begun_outside_of_a_run_calls_for_one() {
    // Everything is read by the driver, also what the page cache has.
    deny(libc::SYS_preadv2, libc::EOPNOTSUPP);
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        let calls = driver.db();
        for round in 0..3 {
            let mut runs = 0;
            while is_readable(&driver, Duration::from_millis(20)) && runs < 20 {
                driver.run_ready().unwrap();
                runs += 1;
            }
            assert!(driver.timeout().is_none());
            let key = format!("{:04}", 100 * round);
            let mut lookup = Box::pin(calls.get(&key));
            let task = if round == 0 { Some(calls.spawn(async { 7 })) } else { None };
            if round > 0 {
                let mut context = Context::from_waker(Waker::noop());
                assert!(lookup.as_mut().poll(&mut context).is_pending());
            }
            assert!(is_readable(&driver, Duration::ZERO), "round {round}");
            if round == 2 {
                driver.block_on(lookup).unwrap().unwrap().unwrap();
            }
            driver.run_ready().unwrap();
            assert!(task.is_none_or(|task| task.is_finished()));
        }
    }
}

#[test]
fn the_future_may_not_wait_by_calls_that_block_either() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let mut driver = Driver::new(&db).unwrap();
    let calls = driver.db();
    let task = driver.spawn(|db| async move { db.get("0001").await });
    // It would wait for ever: who runs the task is who waits.
    let joined = catch_unwind(AssertUnwindSafe(|| driver.block_on(async { task.join() }).map(drop)));
    assert!(joined.is_err());
    assert!(driver.block_on(calls.get("0001")).unwrap().unwrap().is_some());
    db.put("afterwards", "as before").unwrap();
}

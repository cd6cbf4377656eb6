//! Tasks in a loop around poll(2): whatever they wait for makes the descriptor readable.

use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use rabi::{CoreDb, Db, Driver, Durability, Error, IoBackend, JoinHandle, WriteBatch, WriteOptions};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::scratch::{Scratch, contents, forget_pages, small};
use crate::system::{deny, deny_with, fork, run_alone};

const BACKENDS: [IoBackend; 2] = [IoBackend::Auto, IoBackend::Blocking];

fn open(scratch: &Scratch, backend: IoBackend) -> Db {
    Db::open(scratch.dir(), small().io_backend(backend).cache_size_bytes(0)).unwrap()
}

fn is_readable(driver: &Driver, at_most: Duration) -> bool {
    let timeout = Timespec::try_from(at_most).unwrap();
    poll(&mut [PollFd::new(driver, PollFlags::IN)], Some(&timeout)).unwrap() > 0
}

/// Waits as a loop does; nothing is run that was not called for.
fn run<R>(driver: &mut Driver, task: JoinHandle<R>) -> R {
    while !task.is_finished() {
        let at_most = driver.timeout().unwrap_or(Duration::from_secs(20));
        assert!(is_readable(driver, at_most) || driver.timeout().is_some(), "waited in vain");
        driver.run_ready().unwrap();
    }
    task.join().unwrap()
}

/// Everything that has to wait for something.
async fn work(db: CoreDb, task: usize) -> rabi::Result<usize> {
    let of = |number: usize| format!("{task}/{number:04}");
    for number in 0..200 {
        db.put(of(number), vec![task as u8; 100]).await?;
    }
    db.flush().await?;
    let mut batch = WriteBatch::new();
    batch.put(of(7), "in a batch");
    db.write(batch, WriteOptions::new().durability(Durability::Power)).await?;
    db.sleep(Duration::from_millis(3)).await;
    for number in 0..200 {
        assert!(db.get(of(number)).await?.is_some());
    }
    let found = db.multi_get((0..300).map(of)).await;
    assert_eq!(found.into_iter().filter(|found| matches!(found, Ok(Some(_)))).count(), 200);
    let inner = db.clone();
    let inner = db.spawn(async move { inner.sync().await });
    inner.await.unwrap()?;
    let (mut range, mut count) = (db.prefix(format!("{task}/")), 0);
    while let Some(entry) = range.next().await {
        entry?;
        count += 1;
    }
    Ok(count)
}

#[test]
fn a_loop_around_poll_runs_tasks() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        assert!(!is_readable(&driver, Duration::ZERO) && driver.timeout().is_none());
        let elsewhere = db.to_async();
        let tasks: Vec<_> = (0..8).map(|task| driver.spawn(move |db| work(db, task))).collect();
        // Awaits what is not the driver's.
        let other = driver.spawn(|_| async move { elsewhere.flush().await });
        for task in tasks {
            assert_eq!(run(&mut driver, task).unwrap(), 200);
        }
        run(&mut driver, other).unwrap();
        // Those that it ran have left nothing to be done.
        driver.run_ready().unwrap();
        assert!(!is_readable(&driver, Duration::from_millis(50)));
        let panicked: JoinHandle<()> = driver.spawn(|_| async { panic!("in a loop") });
        while !panicked.is_finished() {
            driver.run_ready().unwrap();
        }
        assert!(panicked.join().unwrap_err().is_panic());
        assert_eq!(contents(&db).len(), 1600);
        db.close().unwrap();
        let refused = driver.spawn(|db| async move { db.get("key").await });
        assert!(matches!(refused.join().unwrap_err().ended_by(), Some(Error::Closed)));
        drop(driver);
    }
}

/// Found: a ring whose completions are deferred to its thread does not wake who polls its own descriptor.
#[test]
fn reads_of_the_device_alone_wake_the_loop() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        (0..2000).for_each(|number| db.put(format!("{number:04}"), [1; 300]).unwrap());
        db.compact().unwrap();
        forget_pages(&scratch.dir());
        let mut driver = Driver::new(&db).unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                driver.spawn(move |db| async move {
                    for number in (task..2000).step_by(16) {
                        assert!(db.get(format!("{number:04}")).await.unwrap().is_some());
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| run(&mut driver, task));
    }
}

#[test]
fn other_threads_wake_a_task_and_a_busy_one_does_not_hold_the_loop() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let mut driver = Driver::new(&db).unwrap();
    let (sender, receiver) = smol_channel();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        sender.store(1, Ordering::Relaxed);
    });
    let seen = Arc::clone(&receiver);
    let task = driver.spawn(move |db| async move {
        // Waits for another thread, by a task that never waits.
        while seen.load(Ordering::Relaxed) == 0 {
            assert!(db.get("absent").await.unwrap().is_none());
        }
    });
    let mut longest = Duration::ZERO;
    while !task.is_finished() {
        assert!(is_readable(&driver, Duration::from_secs(20)));
        let begin = Instant::now();
        driver.run_ready().unwrap();
        longest = longest.max(begin.elapsed());
    }
    task.join().unwrap();
    thread.join().unwrap();
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

fn smol_channel() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let shared = Arc::new(AtomicUsize::new(0));
    (Arc::clone(&shared), shared)
}

#[test]
fn a_driver_that_is_dropped_drops_its_tasks_and_frees_the_directory() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        (0..100).for_each(|number| db.put(format!("{number:03}"), [1; 200]).unwrap());
        db.flush().unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        struct Told(Arc<AtomicUsize>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut driver = Driver::new(&db).unwrap();
        for _ in 0..10 {
            let told = Told(Arc::clone(&dropped));
            drop(driver.spawn(move |db| async move {
                let _told = told;
                loop {
                    drop(db.multi_get((0..100).map(|number| format!("{number:03}"))).await);
                    db.sleep(Duration::from_millis(1)).await;
                }
            }));
        }
        for _ in 0..20 {
            driver.run_ready().unwrap();
        }
        // The database first: the driver does not keep it.
        db.close().unwrap();
        let again = open(&scratch, backend);
        assert_eq!(contents(&again).len(), 100);
        driver.run_ready().unwrap();
        drop(driver);
        assert_eq!(dropped.load(Ordering::Relaxed), 10);
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_closed<T>(answer: rabi::Result<T>) -> bool {
    matches!(answer, Err(Error::Closed))
}

/// Calls of all kinds, begun when the driver is gone.
async fn call_in_vain(db: &CoreDb) {
    assert!(is_closed(db.get("0001").await) && is_closed(db.contains_key("0001").await));
    assert!(db.multi_get(["0001", "0002"]).await.into_iter().all(is_closed));
    assert!(is_closed(db.put("key", "value").await) && is_closed(db.delete("key").await));
    let mut batch = WriteBatch::new();
    batch.put("key", "value");
    assert!(is_closed(db.write(batch, WriteOptions::new()).await));
    assert!(is_closed(db.submit(WriteBatch::new()).await));
    assert!(is_closed(db.sync().await) && is_closed(db.flush().await));
    assert!(is_closed(db.iter().next().await.unwrap()));
    let snapshot = db.snapshot();
    assert!(is_closed(snapshot.get("0001").await));
    assert!(snapshot.multi_get(["0001"]).await.into_iter().all(is_closed));
    assert!(is_closed(snapshot.prefix("0").next().await.unwrap()));
    assert!(matches!(db.spawn(async {}).await.unwrap_err().ended_by(), Some(Error::Closed)));
    db.yield_now().await;
    db.sleep(Duration::from_secs(3600)).await;
}

/// A task gives its handle away, and the driver is dropped while calls of it wait: not yet sent, and in flight.
fn keep_a_handle(backend: IoBackend) {
    let scratch = Scratch::new();
    let db = open(&scratch, backend);
    (0..2000).for_each(|number| db.put(format!("{number:04}"), [1; 300]).unwrap());
    db.compact().unwrap();
    let mut driver = Driver::new(&db).unwrap();
    let kept = driver.spawn(|db| async move { db });
    let kept = run(&mut driver, kept);
    let snapshot = kept.snapshot();
    let (mut range, mut other) = (kept.iter(), snapshot.prefix("1"));
    let mut waiting: Vec<Pin<Box<dyn Future<Output = bool> + '_>>> = vec![
        Box::pin(async { is_closed(kept.get("0100").await) }),
        Box::pin(async { kept.multi_get(["0500", "1000"]).await.into_iter().all(is_closed) }),
        Box::pin(async { is_closed(range.next().await.unwrap()) && range.next().await.is_none() }),
        Box::pin(async {
            kept.sleep(Duration::from_secs(3600)).await;
            is_closed(kept.get("0100").await)
        }),
        Box::pin(async { is_closed(snapshot.get("1500").await) }),
        Box::pin(async { is_closed(other.next().await.unwrap()) }),
    ];
    // Everything is read by the driver, also what the page cache has.
    deny(libc::SYS_preadv2, libc::EOPNOTSUPP);
    let wakers: Vec<_> = waiting.iter().map(|_| Arc::new(Counts::default())).collect();
    for (number, (call, counts)) in waiting.iter_mut().zip(&wakers).enumerate() {
        let waker = Waker::from(Arc::clone(counts));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        if number == 3 {
            driver.run_ready().unwrap();
        }
    }
    drop(driver);
    assert!(wakers.iter().all(|counts| counts.0.load(Ordering::Relaxed) > 0), "somebody is not told");
    for call in waiting {
        assert!(smol::block_on(call));
    }
    smol::block_on(call_in_vain(&kept));
    // The database goes on, and another driver.
    let mut driver = Driver::new(&db).unwrap();
    let task = driver.spawn(|db| async move { db.get("0100").await });
    assert!(run(&mut driver, task).unwrap().is_some());
    assert_eq!(contents(&db).len(), 2000);
    drop((driver, range, other, snapshot, kept));
    db.close().unwrap();
}

/// Runs a scene on a thread of its own, which it may leave waiting for ever.
fn run_with_deadline(scene: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let scene = std::thread::spawn(move || {
        scene();
        done.send(()).unwrap();
    });
    let error = ended.recv_timeout(Duration::from_secs(20)).err();
    assert_ne!(error, Some(mpsc::RecvTimeoutError::Timeout), "it waits for ever");
    scene.join().unwrap();
}

#[test]
fn a_handle_kept_beyond_its_driver_is_refused() {
    BACKENDS.into_iter().for_each(|backend| run_with_deadline(move || keep_a_handle(backend)));
}

/// A kernel that has no memory for a request: it says EAGAIN, and no descriptor tells when that is over.
fn read_from_a_crowded_kernel() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    (0..2000).for_each(|number| db.put(format!("{number:04}"), [1; 300]).unwrap());
    db.compact().unwrap();
    let mut driver = Driver::new(&db).unwrap();
    // Sends what the ring always has.
    driver.run_ready().unwrap();
    deny(libc::SYS_preadv2, libc::EOPNOTSUPP);
    deny_with(libc::SYS_io_uring_enter, 1, libc::EAGAIN);
    let read = |driver: &Driver, key: &'static str| driver.spawn(move |db| async move { db.get(key).await });
    let first = read(&driver, "0100");
    let (begin, mut runs) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_millis(100) {
        driver.run_ready().unwrap();
        assert!(!first.is_finished(), "the request was refused");
        let at_most = driver.timeout().unwrap_or(Duration::from_secs(2));
        assert!(
            at_most < Duration::from_secs(1) || is_readable(&driver, at_most),
            "it sleeps on an unsent request"
        );
        is_readable(&driver, at_most);
        runs += 1;
    }
    assert!((2..200).contains(&runs), "{runs} runs of a driver that can do nothing");
    // This kernel never has room for one request alone, so whoever drops the driver waits for it: nobody does.
    std::mem::forget((driver, first, db, scratch));
}

#[test]
fn a_driver_does_not_sleep_on_a_request_that_the_kernel_has_no_room_for() {
    let scratch = Scratch::new();
    match Db::open(scratch.dir(), small().io_backend(IoBackend::Uring)) {
        Ok(_) => run_with_deadline(read_from_a_crowded_kernel),
        Err(error) => println!("skipped: {error}"),
    }
}

#[test]
fn a_forked_child_runs_nothing() {
    run_alone("driver::a_program_forks");
}

#[test]
#[ignore = "runs in a process of its own, by the test above"]
fn a_program_forks() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        let mut driver = Driver::new(&db).unwrap();
        let task = driver.spawn(|db| work(db, 1));
        driver.run_ready().unwrap();
        let parents = db.clone();
        let mut of_child = Some(&mut driver);
        fork(|| {
            let driver = of_child.take().unwrap();
            assert!(matches!(driver.run_ready(), Err(Error::Forked)));
            assert!(matches!(Driver::new(&parents), Err(Error::Forked)));
            let task = driver.spawn(|_| async {});
            assert!(matches!(task.join().unwrap_err().ended_by(), Some(Error::Forked)));
            let _descriptor = (driver.as_fd(), driver.timeout());
        })
        .wait()
        .unwrap();
        assert_eq!(run(&mut driver, task).unwrap(), 200);
    }
}

//! Tasks on the engine's cores: the same answers as elsewhere; what goes wrong in one stays with it; nobody starves.

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use rabi::{
    CoreDb, Db, Durability, Error, IoBackend, JoinError, JoinHandle, Options, Value, WriteBatch, WriteOptions,
};

use crate::generator::Random;
use crate::scratch::{Scratch, contents, number, small, wait_until};
use crate::system::{fork_and_go_on, run_alone};

const BACKENDS: [IoBackend; 2] = [IoBackend::Auto, IoBackend::Blocking];

fn open(scratch: &Scratch, backend: IoBackend) -> Db {
    Db::open(scratch.dir(), small().cores(3).io_backend(backend).cache_size_bytes(16 << 10)).unwrap()
}

/// Writes, deletes, and reads everything in every way while others do the same, here and on other cores.
async fn work(db: CoreDb, task: usize) -> rabi::Result<usize> {
    let mut random = Random::new(("guests", task));
    let of = |number: usize| format!("{task}/{number:05}");
    let mut expected: Vec<Option<Vec<u8>>> = vec![None; 200];
    for round in 0..5 {
        for _ in 0..100 {
            let number = random.below(200);
            if random.chance(20) {
                db.delete(of(number)).await?;
                expected[number] = None;
            } else {
                let len = random.below(200);
                let value = random.bytes(len);
                db.put(of(number), &value).await?;
                expected[number] = Some(value);
            }
        }
        match round {
            1 | 2 => db.flush().await?,
            3 => {
                let mut batch = WriteBatch::new();
                batch.put(of(7), "in a batch");
                expected[7] = Some(b"in a batch".into());
                db.write(batch, WriteOptions::new().durability(Durability::Power)).await?;
            }
            _ => db.sync().await?,
        }
        let snapshot = db.snapshot();
        for (number, expected) in expected.iter().enumerate() {
            assert_eq!(db.get(of(number)).await?.as_deref(), expected.as_deref());
            assert_eq!(db.contains_key(of(number)).await?, expected.is_some());
        }
        assert_eq!(snapshot.get(of(9)).await?.as_deref(), expected[9].as_deref());
        for found in [db.multi_get((0..200).map(of)).await, snapshot.multi_get((0..200).map(of)).await] {
            let found: Vec<Option<Value>> = found.into_iter().collect::<rabi::Result<_>>()?;
            assert!(found.iter().map(Option::as_deref).eq(expected.iter().map(Option::as_deref)));
        }
        let keys =
            (0..200).filter(|number| expected[*number].is_some()).map(|number| of(number).into_bytes());
        let keys: Vec<Vec<u8>> = keys.collect();
        let ranges = [
            (db.prefix(format!("{task}/")), false),
            (snapshot.range(of(0)..of(999)).rev(), true),
            (snapshot.prefix(format!("{task}/")), false),
        ];
        for (mut range, is_backward) in ranges {
            let mut read = Vec::new();
            while let Some(entry) = range.next().await {
                read.push(entry?.0);
            }
            if is_backward {
                read.reverse();
            }
            assert!(read == keys);
        }
        db.yield_now().await;
    }
    Ok(expected.iter().flatten().count())
}

#[test]
fn tasks_on_all_cores_write_and_read() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        assert_eq!((db.cores(), number(&db.stats(), "cores")), (3, 3));
        let tasks: Vec<_> = (0..9)
            .map(|task| {
                db.spawn_on(task % 3, move |db| {
                    assert_eq!(db.core(), task % 3);
                    // A task of a task: neither has to be `Send`.
                    let count = Rc::new(RefCell::new(0));
                    let counted = Rc::clone(&count);
                    async move {
                        let inner = db.spawn(work(db.clone(), task));
                        db.sleep(Duration::from_millis(1)).await;
                        *counted.borrow_mut() += inner.await.unwrap()?;
                        rabi::Result::Ok(*count.borrow())
                    }
                })
            })
            .collect();
        let written: usize = tasks.into_iter().map(|task| task.join().unwrap().unwrap()).sum();
        assert_eq!(contents(&db).len(), written);
        db.close().unwrap();
    }
}

fn said(error: &JoinError) -> String {
    error.to_string()
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

#[test]
fn a_panic_stays_with_the_task() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        for core in 0..3 {
            let beside = db.spawn_on(core, |db| async move {
                for number in 0..400 {
                    db.put(format!("beside/{}/{number}", db.core()), [1; 100]).await?;
                    db.yield_now().await;
                }
                rabi::Result::Ok(())
            });
            let at_once: JoinHandle<()> = db.spawn_on(core, |_| async { panic!("at once") });
            let made: JoinHandle<()> =
                db.spawn_on(core, move |_| -> std::future::Ready<()> { panic!("{core} made") });
            let later = db.spawn_on(core, |db| async move {
                db.flush().await.unwrap();
                assert_eq!(db.get("absent").await.unwrap().as_deref(), Some(&b"x"[..]), "later");
            });
            let dropped = db.spawn_on(core, |db| async move {
                let _bomb = Bomb;
                db.yield_now().await;
                7
            });
            // Nobody takes what it returns.
            drop(db.spawn_on(core, |_| async { Bomb }));
            assert_eq!(said(&at_once.join().unwrap_err()), "the task on a core panicked: at once");
            let made = made.join().unwrap_err();
            assert!(made.is_panic() && made.ended_by().is_none());
            assert_eq!(made.into_panic().unwrap().downcast_ref::<String>().unwrap(), &format!("{core} made"));
            let later = said(&smol::block_on(later).unwrap_err());
            assert!(
                later.starts_with("the task on a core panicked: assertion") && later.contains("later"),
                "{later}"
            );
            // The drop of a local is part of its last poll.
            assert_eq!(said(&dropped.join().unwrap_err()), "the task on a core panicked: in a drop");
            beside.join().unwrap().unwrap();
        }
        (0..400).for_each(|number| db.put(format!("{number}"), [2; 100]).unwrap());
        db.compact().unwrap();
        assert_eq!(contents(&db).len(), 1600);
        // What waits panics as it is dropped at the end.
        drop(db.spawn_on(1, |db| async move {
            let _bomb = Bomb;
            db.sleep(Duration::from_secs(3600)).await;
        }));
        db.close().unwrap();
        assert_eq!(contents(&open(&scratch, backend)).len(), 1600);
    }
}

/// Tells when it is dropped.
struct Told(Arc<AtomicUsize>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tasks that never end: asleep, waiting for nothing, half way through a range, and busy.
fn endless(db: &Db, dropped: &Arc<AtomicUsize>) -> Vec<JoinHandle<()>> {
    let core = |index: usize| index % db.cores();
    let told = || Told(Arc::clone(dropped));
    let (first, second, third, fourth) = (told(), told(), told(), told());
    vec![
        db.spawn_on(core(0), |db| async move {
            let _told = first;
            db.sleep(Duration::from_secs(3600)).await;
        }),
        db.spawn_on(core(1), |_| async move {
            let _told = second;
            std::future::pending::<()>().await;
        }),
        db.spawn_on(core(2), |db| async move {
            let _told = third;
            let snapshot = db.snapshot();
            let mut range = snapshot.prefix("");
            range.next().await.unwrap().unwrap();
            // A circle that nobody frees, with a handle in it.
            let circle: Rc<RefCell<Option<Box<dyn Any>>>> = Rc::default();
            *circle.borrow_mut() = Some(Box::new((Rc::clone(&circle), db.clone())));
            std::future::pending::<()>().await;
            drop(range);
        }),
        db.spawn_on(core(1), |db| async move {
            let _told = fourth;
            while let Ok(found) = db.get("key").await {
                assert!(found.is_some());
            }
            std::future::pending::<()>().await;
        }),
    ]
}

#[test]
fn when_the_database_ends_so_do_its_tasks() {
    for (backend, closes) in BACKENDS.into_iter().flat_map(|backend| [(backend, true), (backend, false)]) {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        db.put("key", "value").unwrap();
        db.put("other", "value").unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let tasks = endless(&db, &dropped);
        let begun = db.spawn_on(2, |_| async {});
        begun.join().unwrap();
        assert!(tasks.iter().all(|task| !task.is_finished()));
        let clone = db.clone();
        if closes {
            db.close().unwrap();
            let refused = clone.spawn_on(0, |_| async {}).join().unwrap_err();
            assert!(matches!(refused.ended_by(), Some(Error::Closed)));
        } else {
            drop((db, clone));
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 4, "dropped before the call returns");
        // The directory is free at once.
        assert_eq!(contents(&open(&scratch, backend)).len(), 2);
        for task in tasks {
            assert!(task.is_finished());
            let error = task.join().unwrap_err();
            assert!(matches!(error.ended_by(), Some(Error::Closed)), "{error}");
            assert!(error.into_panic().is_none());
        }
    }
}

#[test]
fn a_task_may_hold_the_last_handle() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let kept = db.clone();
    let task = db.spawn_on(1, move |db| async move {
        db.sleep(Duration::from_millis(20)).await;
        db.put("late", "value").await.unwrap();
        drop(kept);
        assert!(matches!(db.get("late").await, Err(Error::Closed)));
        assert!(matches!(db.spawn(async {}).await.unwrap_err().ended_by(), Some(Error::Closed)));
    });
    drop(db);
    task.join().unwrap();
    let mut again = None;
    wait_until("the directory is free", || {
        again = Db::open(scratch.dir(), small()).ok();
        again.is_some()
    });
    assert_eq!(contents(&again.unwrap()).len(), 1);
}

#[test]
fn a_call_that_would_block_its_core_panics_first() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    type Call = fn(Db);
    let calls: [Call; 6] = [
        |db| db.put("blocking", "").unwrap(),
        |db| db.write(WriteBatch::new(), WriteOptions::new().durability(Durability::Power)).unwrap(),
        |db| db.sync().unwrap(),
        |db| db.flush().unwrap(),
        |db| db.close().unwrap(),
        |db| db.spawn_on(1, |_| async {}).join().unwrap(),
    ];
    for call in calls {
        let theirs = db.clone();
        let error = db.spawn_on(0, move |_| async move { call(theirs) }).join().unwrap_err();
        assert!(said(&error).contains("await the same call of its `CoreDb`"), "{error}");
    }
    // Reads wait for nobody but the device.
    let theirs = db.clone();
    db.spawn_on(0, move |_| async move { assert!(theirs.get("blocking").unwrap().is_none()) })
        .join()
        .unwrap();
    db.put("key", "value").unwrap();
    assert_eq!(contents(&db).len(), 1);
}

#[test]
fn a_child_that_a_task_forks_does_nothing() {
    run_alone("guests::a_task_forks");
}

#[test]
#[ignore = "runs in a process of its own, by the test above"]
fn a_task_forks() {
    for backend in BACKENDS {
        let scratch = Scratch::new();
        let db = open(&scratch, backend);
        (0..300).for_each(|number| db.put(format!("{number}"), [1; 100]).unwrap());
        db.flush().unwrap();
        for core in 0..3 {
            let child = db.spawn_on(core, |db| async move {
                let forked = fork_and_go_on();
                if forked.is_none() {
                    // More than a task has calls before it lets others have their turn.
                    for _ in 0..40 {
                        assert!(matches!(db.get("7").await, Err(Error::Forked)));
                    }
                    assert!(matches!(db.put("7", "child").await, Err(Error::Forked)));
                    assert!(matches!(db.flush().await, Err(Error::Forked)));
                    assert!(matches!(db.spawn(async {}).await.unwrap_err().ended_by(), Some(Error::Forked)));
                    // Polled again: not in the child.
                    db.yield_now().await;
                }
                forked.expect("the child's core goes on")
            });
            child.join().unwrap().wait().unwrap();
            db.put(format!("{core}"), "parent").unwrap();
            db.flush().unwrap();
        }
        assert_eq!(contents(&db).len(), 300);
        db.close().unwrap();
    }
}

#[test]
fn busy_tasks_let_the_engine_and_each_other_work() {
    let scratch = Scratch::new();
    let options = Options::new().cores(2).memtable_size_bytes(256 << 10).partition_size_bytes(256 << 10);
    let db = Db::open(scratch.dir(), options).unwrap();
    db.put("hot", "value").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<JoinHandle<usize>> = (0..100)
        .map(|task| {
            let stop = Arc::clone(&stop);
            db.spawn_on(task % 2, move |db| async move {
                let mut calls = 0;
                // Never waits for anything.
                while !stop.load(Ordering::Relaxed) {
                    match task % 4 {
                        0 | 1 => drop(db.get("hot").await.unwrap()),
                        2 => db.put(format!("{task}"), "value").await.unwrap(),
                        _ => assert_eq!(db.prefix("hot").next().await.unwrap().unwrap().0, b"hot"),
                    }
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let begin = Instant::now();
    for number in 0..2000 {
        db.put(format!("key{number}"), [1; 500]).unwrap();
    }
    (0..20).for_each(|_| db.sync().unwrap());
    db.flush().unwrap();
    db.compact().unwrap();
    let took = begin.elapsed();
    wait_until("every task has had its turn", || begin.elapsed() > Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    let calls: Vec<usize> = tasks.into_iter().map(|task| task.join().unwrap()).collect();
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
    assert!(took < Duration::from_secs(20), "the engine starved: {took:?}");
}

#[test]
fn a_database_on_a_core_is_read_in_one_submission() {
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), small().cores(2).cache_size_bytes(0)).unwrap();
    (0..300).for_each(|number| db.put(format!("{number:04}"), [3; 200]).unwrap());
    db.compact().unwrap();
    let found = db.spawn_on(1, |db| async move { db.multi_get((0..300).map(|n| format!("{n:04}"))).await });
    assert!(found.join().unwrap().into_iter().all(|found| found.unwrap().is_some()));
}

/// A waker whose call panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker of the host's");
    }
}

#[test]
fn a_waker_that_panics_ends_nothing() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    let task = db.spawn_on(0, |db| async move {
        let mut sleep = Box::pin(db.sleep(Duration::from_millis(2)));
        let waker = Waker::from(Arc::new(Panics));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        db.sleep(Duration::from_millis(20)).await;
        7
    });
    assert_eq!(task.join().unwrap(), 7);
    db.put("key", "value").unwrap();
    db.close().unwrap();
}

#[test]
fn a_call_ends_although_its_task_uses_up_every_turn() {
    let scratch = Scratch::new();
    let db = open(&scratch, IoBackend::Auto);
    (0..64).for_each(|number| db.put(format!("{number:02}"), "value").unwrap());
    let task = db.spawn_on(1, |db| async move {
        let mut found = pin!(async {
            let found = db.multi_get((0..64).map(|number| format!("{number:02}"))).await;
            let mut range = db.prefix("");
            let mut entries = 0;
            while range.next().await.is_some() {
                entries += 1;
            }
            (found.len(), entries)
        });
        let mut polls = 0;
        poll_fn(move |context| {
            polls += 1;
            assert!(polls < 1000, "it never comes to its end");
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(250) {}
            found.as_mut().poll(context)
        })
        .await
    });
    assert_eq!(task.join().unwrap(), (64, 64));
    db.close().unwrap();
}

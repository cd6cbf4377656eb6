//! Tasks on cores that the test steps, on a simulated machine: calls that are dropped after so many polls leave nothing
//! behind, and the bugs that can be planted show.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use rabi::sim::{Bug, Faults, Stepper, World, plant};
use rabi::{CoreDb, Db, Driver, Durability, JoinHandle, WriteBatch, WriteOptions};

use crate::scratch::{number, small};

struct Machine {
    world: World,
    stepper: Stepper,
    db: Db,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let world = World::new(seed, Faults::default());
        let options = small().cores(2).cache_size_bytes(0);
        let (mut stepper, mut opening) = Db::open_simulated(&world, "/db", options).unwrap();
        let db = loop {
            if let Some(opened) = opening.poll() {
                break opened.unwrap();
            }
            turn(&world, &mut stepper);
        };
        Self { world, stepper, db }
    }

    /// Steps the cores until the task has ended; `None` if it does not.
    fn try_join<R>(&mut self, mut task: JoinHandle<R>) -> Option<Result<R, rabi::JoinError>> {
        for _ in 0..20_000 {
            let polled = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(ended) = polled {
                return Some(ended);
            }
            turn(&self.world, &mut self.stepper);
        }
        None
    }

    fn join<R>(&mut self, task: JoinHandle<R>) -> R {
        self.try_join(task).expect("it ends").unwrap()
    }

    /// Runs a task on core 1.
    fn run<F, T>(&mut self, make: F) -> T::Output
    where
        F: FnOnce(CoreDb) -> T + Send + 'static,
        T: Future<Output: Send> + 'static,
    {
        let task = self.db.spawn_on(1, make);
        self.join(task)
    }

    /// All levels.
    fn fill(&mut self) {
        self.run(|db| async move {
            for part in 0..3 {
                for index in 0..60_usize {
                    db.put(key(part + 3 * index), [part as u8; 90]).await.unwrap();
                }
                db.flush().await.unwrap();
            }
            db.put("in memory", "value").await.unwrap();
        });
    }
}

/// Time passes although somebody may have something to do: a task that wakes itself always has.
fn turn(world: &World, stepper: &mut Stepper) {
    for core in 0..stepper.cores() {
        stepper.turn(core);
    }
    if let Some(next) = world.next_event() {
        world.advance(next.max(world.now()));
    }
}

fn key(number: usize) -> String {
    format!("key{number:04}")
}

/// Polls up to `polls` times, in as many turns of the core, and drops the future; whether it had ended.
async fn drop_after<T>(polls: usize, mut future: Pin<Box<dyn Future<Output = T> + '_>>) -> bool {
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        context.waker().wake_by_ref();
        if future.as_mut().poll(context).is_ready() { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

type Call = for<'a> fn(&'a CoreDb) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Drops a call after every number of polls until it ends before; how many it took.
async fn drop_at_every_poll(db: &CoreDb, call: Call) -> usize {
    for polls in 0..10_000 {
        let ended = drop_after(polls, call(db)).await;
        for number in [0, 1, 2, 77, 179, 300] {
            assert_eq!(db.get(key(number)).await.unwrap().is_some(), number < 180, "{number}");
        }
        if ended {
            return polls;
        }
    }
    panic!("it never ends")
}

#[test]
fn a_call_on_a_core_may_be_dropped_at_any_poll() {
    let mut machine = Machine::new(1);
    machine.fill();
    let reads: [(Call, usize); 4] = [
        (|db| Box::pin(async { drop(db.get(key(40)).await.unwrap()) }), 2),
        (|db| Box::pin(async { drop(db.multi_get((0..300).map(key)).await) }), 2),
        (|db| Box::pin(async { drop(db.snapshot().get(key(41)).await.unwrap()) }), 2),
        (
            |db| {
                Box::pin(async {
                    let (mut range, mut count) = (db.prefix("key"), 0);
                    while let Some(entry) = range.next().await {
                        entry.unwrap();
                        count += 1;
                    }
                    assert_eq!(count, 180);
                })
            },
            6,
        ),
    ];
    let writes: [(Call, usize); 4] = [
        (|db| Box::pin(async { db.flush().await.unwrap() }), 2),
        (|db| Box::pin(async { db.sync().await.unwrap() }), 1),
        (
            |db| {
                Box::pin(async {
                    let mut large = WriteBatch::new();
                    (0..40).for_each(|number| large.put(format!("large{number}"), [7; 2000]));
                    db.write(large, WriteOptions::new().durability(Durability::Power)).await.unwrap();
                })
            },
            2,
        ),
        (
            |db| {
                Box::pin(async {
                    let mut batch = WriteBatch::new();
                    batch.put("ticket", "value");
                    db.submit(batch).await.unwrap().durable().await.unwrap();
                    db.delete("ticket").await.unwrap();
                })
            },
            2,
        ),
    ];
    for (call, at_least) in reads.into_iter().chain(writes) {
        let polls = machine.run(move |db| async move { drop_at_every_poll(&db, call).await });
        assert!(polls >= at_least, "{polls} polls");
    }
    // Nobody holds on to old versions: what is overwritten takes no more memory.
    machine.run(|db| async move {
        db.flush().await.unwrap();
        for _ in 0..200 {
            db.put("again", [1; 100]).await.unwrap();
        }
    });
    let bytes = number(&machine.db.stats(), "memtable_bytes");
    assert!(bytes < 4 * 300, "{bytes} bytes of one key: somebody still reads old versions");
}

#[test]
fn a_step_of_a_range_that_a_task_drops_loses_no_entry() {
    let mut machine = Machine::new(2);
    machine.fill();
    let (keys, dropped) = machine.run(|db| async move {
        let (mut range, mut keys, mut dropped) = (db.range(key(10)..key(170)), Vec::new(), 0);
        for polls in (1..4).cycle() {
            let mut found = None;
            let step = Box::pin(async { found = Some(range.next().await) });
            if !drop_after(polls, step).await {
                dropped += 1;
            }
            match found {
                Some(Some(entry)) => keys.push(String::from_utf8(entry.unwrap().0).unwrap()),
                Some(None) => break,
                None => {}
            }
        }
        (keys, dropped)
    });
    assert!(keys == (10..170).map(key).collect::<Vec<_>>() && dropped > 6, "{dropped} were dropped");
}

#[test]
fn a_dropped_database_drops_its_tasks_with_its_cores() {
    let mut machine = Machine::new(3);
    let (sender, dropped) = std::sync::mpsc::channel::<()>();
    let task = machine.db.spawn_on(0, |db| async move {
        let (_sender, clone) = (sender, db.clone());
        let reads = db.spawn(async move { drop(clone.get("key").await) });
        reads.await.unwrap();
        std::future::pending::<()>().await;
    });
    (0..10).for_each(|_| turn(&machine.world, &mut machine.stepper));
    assert_eq!(dropped.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
    let Machine { stepper, db, .. } = machine;
    drop(db);
    drop(stepper);
    assert_eq!(dropped.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    assert!(task.is_finished());
}

#[test]
fn a_driver_runs_beside_cores_that_are_stepped() {
    let mut machine = Machine::new(5);
    machine.fill();
    let mut driver = Driver::new(&machine.db).unwrap();
    let task = driver.spawn(|db| async move {
        let polls =
            drop_at_every_poll(&db, |db| Box::pin(async { drop(db.get(key(40)).await.unwrap()) })).await;
        db.sleep(std::time::Duration::from_secs(5)).await;
        db.put("driven", "value").await.unwrap();
        db.flush().await.unwrap();
        assert!(db.multi_get((0..180).map(key)).await.iter().all(|found| matches!(found, Ok(Some(_)))));
        polls
    });
    for _ in 0..20_000 {
        driver.run_ready().unwrap();
        turn(&machine.world, &mut machine.stepper);
        if task.is_finished() {
            break;
        }
    }
    assert!(machine.join(task) >= 2);
}

/// Makes a task on core 1 that makes so many calls, and never waits.
fn make_busy(machine: &Machine, at_most: usize, calls: &Arc<AtomicUsize>) -> JoinHandle<()> {
    let calls = Arc::clone(calls);
    machine.db.spawn_on(1, move |db| async move {
        for _ in 0..at_most {
            assert!(db.get("in memory").await.unwrap().is_some());
            calls.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// How many calls a task that never waits makes, at most, before another has its turn.
fn calls_between_turns(machine: &mut Machine) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let busy = make_busy(machine, 20_000, &calls);
    let most = machine.run(move |db| async move {
        let (mut last, mut most) = (0, 0);
        for _ in 0..20 {
            db.yield_now().await;
            let now = calls.load(Ordering::Relaxed);
            (last, most) = (now, most.max(now - last));
        }
        most
    });
    machine.join(busy);
    most
}

/// In a simulation 20 us pass between two looks at the clock, so about 160 calls are a turn of a task.
#[test]
fn tasks_that_never_wait_have_turns_of_one_length_together() {
    let mut machine = Machine::new(6);
    machine.fill();
    let most = calls_between_turns(&mut machine);
    assert!((16..800).contains(&most), "{most} calls before another has its turn");
    // However many there are: the engine's tasks and completions wait for two turns at most.
    let calls = Arc::new(AtomicUsize::new(0));
    let busy: Vec<_> = (0..50).map(|_| make_busy(&machine, 500, &calls)).collect();
    let (mut last, mut most) = (0, 0);
    while busy.iter().any(|task| !task.is_finished()) {
        machine.stepper.turn(1);
        let now = calls.load(Ordering::Relaxed);
        (last, most) = (now, most.max(now - last));
    }
    assert!((16..1600).contains(&most), "{most} calls before the core goes on");
    busy.into_iter().for_each(|task| machine.join(task));
    plant(Some(Bug::GuestTurnEndless));
    let most = calls_between_turns(&mut machine);
    plant(None);
    assert!(most >= 20_000, "{most} calls, although nothing ends a turn");
}

#[test]
fn planted_bugs_show() {
    let mut machine = Machine::new(4);
    machine.fill();
    plant(Some(Bug::GuestForgotten));
    let task = machine.db.spawn_on(1, |db| async move { db.yield_now().await });
    assert!(machine.try_join(task).is_none(), "it was polled again");
    plant(Some(Bug::GuestReadsSwapped));
    let found = machine.run(|db| async move { db.multi_get((0..180).map(key)).await });
    assert!(found.iter().any(Result::is_err), "blocks in another order went unnoticed");
    plant(Some(Bug::GuestPanicUncaught));
    let task = machine.db.spawn_on(1, |_| async { resume_unwind(Box::new("planted")) });
    let ended = catch_unwind(AssertUnwindSafe(|| machine.try_join::<()>(task)));
    plant(None);
    assert!(ended.is_err(), "the core has gone on");
}

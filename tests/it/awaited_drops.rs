//! Futures that are dropped after so many polls, for every number of polls, on a simulated machine.
//!
//! Nothing is left behind: no lock, no place, no reader. A write has happened wholly or not at all.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rabi::sim::{Faults, Stepper, World};
use rabi::{AsyncDb, Db, Durability, Options, WriteBatch, WriteOptions};

use crate::scratch::{number, small};

struct Machine {
    world: World,
    stepper: Stepper,
    db: AsyncDb,
}

impl Machine {
    fn new(seed: u64, options: Options) -> Self {
        let world = World::new(seed, Faults::default());
        let (mut stepper, mut opening) = Db::open_simulated(&world, "/db", options).unwrap();
        let db = loop {
            if let Some(opened) = opening.poll() {
                break opened.unwrap().to_async();
            }
            turn(&world, &mut stepper);
        };
        Self { world, stepper, db }
    }

    /// Lets every core take a turn; if none has anything to do, time passes.
    fn turn(&mut self) {
        turn(&self.world, &mut self.stepper);
    }

    fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        for _ in 0..100_000 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            self.turn();
        }
        panic!("it never ends: {}", self.db.as_blocking().stats())
    }

    /// Polls up to `polls` times, with turns of the cores in between, and drops the future; whether it had ended.
    fn drop_after<T>(&mut self, polls: usize, mut future: Pin<Box<dyn Future<Output = T> + '_>>) -> bool {
        for _ in 0..polls {
            if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return true;
            }
            turn(&self.world, &mut self.stepper);
        }
        false
    }

    /// All levels, and nothing cached.
    fn fill(&mut self) {
        let db = self.db.clone();
        for part in 0..4 {
            for index in 0..60_usize {
                self.run(db.put(key(part + 4 * index), [part as u8; 90])).unwrap();
            }
            match part {
                0 => self.run(db.compact()).unwrap(),
                1 | 2 => self.run(db.flush()).unwrap(),
                _ => {}
            }
        }
    }

    /// Nobody holds on to old versions: what is overwritten takes no more memory.
    fn check_nothing_is_held(&mut self) {
        let db = self.db.clone();
        self.run(db.flush()).unwrap();
        (0..200).for_each(|_| self.run(db.put("again", [1; 100])).unwrap());
        let bytes = number(&db.as_blocking().stats(), "memtable_bytes");
        assert!(bytes < 4 * 300, "{bytes} bytes of one key: somebody still reads old versions");
    }
}

fn turn(world: &World, stepper: &mut Stepper) {
    let mut worked = false;
    for core in 0..stepper.cores() {
        worked |= stepper.turn(core);
    }
    if !worked && let Some(next) = world.next_event() {
        world.advance(next.max(world.now()));
    }
}

fn key(number: usize) -> String {
    format!("key{number:04}")
}

fn options() -> Options {
    small().cores(2).cache_size_bytes(0)
}

/// Drops what `begin` makes after every number of polls until it ends before; how many it took.
fn drop_at_every_poll<T>(
    machine: &mut Machine,
    begin: impl for<'a> Fn(&'a AsyncDb) -> Pin<Box<dyn Future<Output = T> + 'a>>,
    mut check: impl FnMut(&mut Machine, bool),
) -> usize {
    for polls in 0..10_000 {
        let db = machine.db.clone();
        let ended = machine.drop_after(polls, begin(&db));
        check(machine, ended);
        if ended {
            return polls;
        }
    }
    panic!("it never ends")
}

#[test]
fn reads_leave_nothing_behind() {
    let mut machine = Machine::new(1, options());
    machine.fill();
    let intact = |machine: &mut Machine, _| {
        let db = machine.db.clone();
        for number in [0, 1, 2, 3, 77, 239, 300] {
            let found = machine.run(db.get(key(number))).unwrap();
            assert_eq!(found.is_some(), number < 240, "{number}");
        }
    };
    let get = drop_at_every_poll(&mut machine, |db| Box::pin(db.get(key(40))), intact);
    let several = drop_at_every_poll(&mut machine, |db| Box::pin(db.multi_get((0..300).map(key))), intact);
    let absent = drop_at_every_poll(&mut machine, |db| Box::pin(db.contains_key(key(40))), intact);
    let scan = drop_at_every_poll(
        &mut machine,
        |db| {
            Box::pin(async {
                let (mut range, mut count) = (db.iter(), 0);
                while let Some(entry) = range.next().await {
                    entry.unwrap();
                    count += 1;
                }
                assert_eq!(count, 240);
            })
        },
        |_, _| {},
    );
    assert!(get >= 2 && absent >= 2 && several >= 2 && scan > 20, "{get} {absent} {several} {scan} polls");
    machine.check_nothing_is_held();
}

#[test]
fn a_step_of_a_range_that_is_dropped_loses_no_entry() {
    for (descending, seed) in [(false, 5), (true, 5)] {
        let mut machine = Machine::new(seed, options());
        machine.fill();
        let range = machine.db.range(key(10)..key(200));
        let mut range = if descending { range.rev() } else { range };
        let mut keys = Vec::new();
        let mut dropped = 0;
        for polls in (1..4).cycle() {
            let mut next = Box::pin(range.next());
            let mut found = None;
            for _ in 0..polls {
                if let Poll::Ready(ready) = next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    found = Some(ready);
                    break;
                }
                turn(&machine.world, &mut machine.stepper);
            }
            match found {
                Some(Some(entry)) => keys.push(String::from_utf8(entry.unwrap().0).unwrap()),
                Some(None) => break,
                None => dropped += 1,
            }
        }
        if descending {
            keys.reverse();
        }
        assert_eq!(keys, (10..200).map(key).collect::<Vec<_>>(), "{dropped} were dropped");
        assert!(dropped > 20, "{dropped} were dropped");
    }
}

#[test]
fn writes_happen_wholly_or_not_at_all() {
    for (seed, durability) in [(3, Durability::Process), (4, Durability::Power)] {
        let mut machine = Machine::new(seed, options());
        let write = |db: &AsyncDb, round: usize, len: usize| {
            let (db, mut batch) = (db.clone(), WriteBatch::new());
            (0..10).for_each(|number| batch.put(key(number), vec![round as u8; len]));
            async move { db.write(batch, WriteOptions::new().durability(durability)).await.unwrap() }
        };
        // Of 100 bytes in one piece; the larger ones in several, by a core.
        for len in [100, 4000, 12_000] {
            let mut is_there = 0;
            for polls in 0..10_000 {
                let round = polls % 200 + 1;
                let future = write(&machine.db, round, len);
                let ended = machine.drop_after(polls, Box::pin(future));
                // What a core has been given comes to its end.
                (0..200).for_each(|_| machine.turn());
                let db = machine.db.clone();
                let found = machine.run(db.multi_get((0..10).map(key)));
                let found: Vec<_> = found.into_iter().map(|found| found.unwrap()).collect();
                assert!(found.iter().all(|value| *value == found[0]), "half of a batch is there");
                let happened = found[0].as_deref() == Some(&vec![round as u8; len][..]);
                assert!(happened || !ended, "acknowledged and not there");
                is_there += usize::from(happened && !ended);
                if ended {
                    break;
                }
            }
            assert!(len == 100 || is_there > 0, "all that were dropped had not happened");
        }
        machine.check_nothing_is_held();
    }
}

#[test]
fn who_is_dropped_while_the_memtables_are_full_has_not_written() {
    let mut machine = Machine::new(5, options().max_frozen_memtables(2));
    let (db, mut written) = (machine.db.clone(), 0);
    // Cores stand still: memtables, or the stage, fill up.
    let mut waiting = loop {
        let mut put = Box::pin(db.put(key(written), vec![1; 900]));
        match put.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done.unwrap(),
            Poll::Pending => break put,
        }
        written += 1;
    };
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(waiting);
    (0..2000).for_each(|_| machine.turn());
    assert!(!machine.run(db.contains_key(key(written))).unwrap());
    for index in 0..written {
        assert!(machine.run(db.contains_key(key(index))).unwrap());
    }
    machine.run(db.put(key(written), "now there is room")).unwrap();
}

#[test]
fn flushes_compactions_syncs_and_tickets_may_be_dropped() {
    let mut machine = Machine::new(6, options());
    machine.fill();
    let put = |machine: &mut Machine| {
        let db = machine.db.clone();
        machine.run(db.put("key", "value")).unwrap();
    };
    let checked = |machine: &mut Machine, _| put(machine);
    let flush = drop_at_every_poll(&mut machine, |db| Box::pin(db.flush()), checked);
    let compact = drop_at_every_poll(&mut machine, |db| Box::pin(db.compact()), checked);
    let sync = drop_at_every_poll(&mut machine, |db| Box::pin(db.sync()), checked);
    let ticket = drop_at_every_poll(
        &mut machine,
        |db| {
            Box::pin(async {
                let mut batch = WriteBatch::new();
                batch.put("ticket", "value");
                db.submit(batch).await.unwrap().durable().await.unwrap();
            })
        },
        checked,
    );
    assert!(flush > 2 && compact > 2 && sync > 1 && ticket > 1, "{flush} {compact} {sync} {ticket} polls");
    machine.check_nothing_is_held();
    let close = machine.db.clone().close();
    drop(close);
    put(&mut machine);
}

/// A thread that ends in the middle of its write to the log: whether the device has the group is not known then. Nobody
/// waits for it in vain, and writes are refused from then on.
#[test]
fn a_caller_that_ends_while_it_drains_fails_the_log_and_leaves_nobody_waiting() {
    let mut machine = Machine::new(3, options());
    let db = machine.db.as_blocking().clone();
    machine.run(db.put_async(b"before", b"1")).unwrap();
    let power = WriteOptions::new().durability(Durability::Power);
    let write = |key: &str| {
        let mut batch = WriteBatch::new();
        batch.put(key, "1");
        Box::pin(db.write_async(batch, power))
    };
    let (mut leading, mut following) = (write("leading"), write("following"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(leading.as_mut().poll(&mut context).is_pending());
    assert!(following.as_mut().poll(&mut context).is_pending());
    drop(leading);
    let refused = machine.run(following).unwrap_err().to_string();
    assert!(refused.contains("a thread has ended while it wrote the log"), "{refused}");
    assert!(machine.run(write("after")).is_err());
    let awaited = machine.db.clone();
    assert!(machine.run(awaited.put("after", "1")).is_err());
    assert_eq!(machine.run(awaited.get("before")).unwrap().as_deref(), Some(&b"1"[..]));
}

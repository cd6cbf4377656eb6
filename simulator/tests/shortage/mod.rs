//! Too little of something, and nothing else wrong: space, descriptors, room to remove a name. Every
//! call returns, nothing acknowledged is lost, and when there is enough again everything works.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rabi::sim::{Faults, Stepper, Survival, World};
use rabi::{Db, Durability, Error, Options, Result, StageMode, WriteBatch, WriteOptions};

const DIR: &str = "db";

/// Longer than any call takes that ever ends.
const PATIENCE: Duration = Duration::from_secs(100);

const POWER: WriteOptions = WriteOptions::new().durability(Durability::Power);

/// A database in a world, and its cores.
struct Machine {
    world: World,
    stepper: Stepper,
    db: Db,
}

impl Machine {
    fn new() -> Self {
        Self::open(World::new(7, Faults::default()))
    }

    fn open(world: World) -> Self {
        Self::open_with(world, options())
    }

    fn open_with(world: World, options: Options) -> Self {
        let (mut stepper, mut opening) = Db::open_simulated(&world, DIR, options).unwrap();
        loop {
            if let Some(opened) = opening.poll() {
                return Self { db: opened.unwrap(), stepper, world };
            }
            turn(&world, &mut stepper);
        }
    }

    /// Runs a call to its end.
    fn run(&mut self, what: &str, call: impl Future<Output = Result<()>>) -> Result<()> {
        let mut call = pin!(call);
        let since = self.world.now();
        loop {
            if let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return result;
            }
            assert!(self.world.now() < since + PATIENCE, "{what} never returns");
            turn(&self.world, &mut self.stepper);
        }
    }

    fn put(&mut self, key: &[u8], len: usize, options: WriteOptions) -> Result<()> {
        self.write(&[(key, len)], options)
    }

    fn write(&mut self, entries: &[(&[u8], usize)], options: WriteOptions) -> Result<()> {
        let mut batch = WriteBatch::new();
        for (key, len) in entries {
            batch.put(key, vec![b'v'; *len]);
        }
        let write = self.db.write_async(batch, options);
        self.run("a write", write)
    }

    fn flush(&mut self) -> Result<()> {
        let flush = self.db.flush_async();
        self.run("a flush", flush)
    }

    fn pass(&mut self, time: Duration) {
        let end = self.world.now() + time;
        while self.world.now() < end {
            turn(&self.world, &mut self.stepper);
        }
    }

    fn files(&self, prefix: &str) -> Vec<String> {
        let names = self.world.files(DIR).into_iter().map(|(name, _)| name);
        names.filter(|name| name.starts_with(prefix)).collect()
    }

    /// Writes with `Process` until one is refused; returns how many were not, and why that one was.
    fn write_until_refused(&mut self) -> (usize, Error) {
        for number in 0..2000_usize {
            if let Err(error) = self.put(&number.to_be_bytes(), 500, WriteOptions::default()) {
                return (number, error);
            }
        }
        panic!("nothing is ever refused");
    }

    /// The power goes, and the database is opened again.
    fn lose_power(self) -> Self {
        self.world.crash_power(Survival::Nothing);
        drop(self.db);
        drop(self.stepper);
        self.world.heal();
        self.world.set_capacity(u64::MAX);
        Self::open(self.world)
    }

    fn resumes(&mut self) {
        self.world.heal();
        self.world.set_capacity(u64::MAX);
        self.pass(Duration::from_secs(2));
        self.put(b"later", 500, POWER).unwrap();
        self.flush().unwrap();
    }

    fn close(mut self) {
        let close = self.db.clone().close_async();
        self.run("a close", close).unwrap();
    }
}

fn turn(world: &World, stepper: &mut Stepper) {
    let worked = (0..stepper.cores()).filter(|core| stepper.turn(*core)).count();
    if worked == 0
        && let Some(next) = world.next_event()
    {
        world.advance(next.max(world.now()));
    }
}

fn options() -> Options {
    Options::new()
        .cores(2)
        .memtable_size_bytes(64 << 10)
        .wal_segment_size_bytes(64 << 10)
        .stage_size_bytes(64 << 10)
}

#[test]
fn an_edit_counts_although_the_old_manifest_cannot_be_removed() {
    let mut machine = Machine::new();
    let only = vec!["MANIFEST-".to_owned()];
    machine.world.set_faults(Faults { remove_shortage: 1.0, only, ..Faults::default() });
    // Long keys make long edits, so that a few of them fill a manifest.
    let mut count = 0_u8;
    while machine.files("MANIFEST-").len() < 2 {
        count += 1;
        machine.put(&vec![count; 60_000], 10, WriteOptions::default()).unwrap();
        machine.flush().unwrap();
    }
    machine.pass(Duration::from_secs(5));
    machine = machine.lose_power();
    for number in 1..=count {
        assert!(machine.db.get(vec![number; 60_000]).unwrap().is_some(), "{number} of {count}");
    }
    machine.close();
}

#[test]
fn an_old_manifest_goes_once_it_can_be_removed() {
    let mut machine = Machine::new();
    let only = vec!["MANIFEST-".to_owned()];
    machine.world.set_faults(Faults { remove_shortage: 1.0, only, ..Faults::default() });
    for count in 0..40 {
        machine.put(&vec![count; 60_000], 10, WriteOptions::default()).unwrap();
        machine.flush().unwrap();
    }
    assert!(machine.files("MANIFEST-").len() > 1);
    machine.resumes();
    machine.pass(Duration::from_secs(5));
    assert_eq!(machine.files("MANIFEST-").len(), 1);
    machine.close();
}

#[test]
fn an_opening_succeeds_although_what_it_replaces_cannot_be_removed() {
    let mut machine = Machine::new();
    machine.put(b"key", 500, POWER).unwrap();
    machine.world.crash_process();
    drop(machine.db);
    drop(machine.stepper);
    machine.world.set_faults(Faults { remove_shortage: 1.0, ..Faults::default() });
    let mut machine = Machine::open(machine.world);
    assert!(machine.db.get("key").unwrap().is_some());
    assert!(machine.files("stage-").len() > 1);
    machine.resumes();
    machine.pass(Duration::from_secs(5));
    assert_eq!((machine.files("stage-").len(), machine.files("MANIFEST-").len()), (1, 1));
    machine.close();
}

#[test]
fn a_directory_that_cannot_be_synced_gathers_no_segments() {
    let mut machine = Machine::new();
    machine.world.set_faults(Faults { directory_sync_shortage: 1.0, ..Faults::default() });
    let (_, error) = machine.write_until_refused();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    machine.pass(Duration::from_secs(10));
    let segments = machine.files("wal-");
    assert!(segments.len() <= 6, "{segments:?}");
    machine.resumes();
    machine.close();
}

#[test]
fn a_log_that_gets_no_descriptor_or_memory_waits_for_them() {
    let mut machine = Machine::new();
    let only = vec!["wal-".to_owned()];
    machine.world.set_faults(Faults { open_shortage: 1.0, only, ..Faults::default() });
    let (count, error) = machine.write_until_refused();
    let text = error.to_string();
    assert!(matches!(error, Error::Io { .. }), "{text}");
    assert!(text.starts_with("cannot create db/wal-"), "{text}");
    let causes = ["Too many open files", "Cannot allocate memory"];
    assert!(causes.iter().any(|cause| text.contains(cause)), "{text}");
    machine.pass(Duration::from_secs(10));
    machine.resumes();
    for number in 0..count {
        assert!(machine.db.get(number.to_be_bytes()).unwrap().is_some(), "{number}");
    }
    machine.close();
}

#[test]
fn a_batch_larger_than_what_is_free_is_refused_whole_and_others_go_on() {
    let mut machine = Machine::new();
    machine.put(b"before", 500, POWER).unwrap();
    machine.world.set_capacity(machine.world.used() + (200 << 10));
    let entries: Vec<_> = (0..400_u32).map(|number| number.to_be_bytes()).collect();
    let large: Vec<_> = entries.iter().map(|key| (key.as_slice(), 2000)).collect();
    let error = machine.write(&large, WriteOptions::default()).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    machine.pass(Duration::from_secs(1));
    machine.put(b"after", 500, POWER).unwrap();
    machine.flush().unwrap();
    machine = machine.lose_power();
    for (key, _) in &large {
        assert!(machine.db.get(key).unwrap().is_none(), "nothing of the batch is there");
    }
    assert!(machine.db.get("before").unwrap().is_some() && machine.db.get("after").unwrap().is_some());
    machine.write(&large, POWER).unwrap();
    machine = machine.lose_power();
    for (key, _) in &large {
        assert!(machine.db.get(key).unwrap().is_some(), "all of the batch is there");
    }
    machine.close();
}

#[test]
fn a_power_write_is_told_that_what_it_waits_for_cannot_be_written() {
    let mut machine = Machine::new();
    machine.put(b"before", 500, POWER).unwrap();
    machine.world.set_faults(Faults { copy_on_write: true, ..Faults::default() });
    machine.world.set_capacity(machine.world.used());
    let error = machine.put(b"key", 500, POWER).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    machine.resumes();
    machine = machine.lose_power();
    assert!(machine.db.get("later").unwrap().is_some());
    machine.close();
}

#[test]
fn a_large_batch_that_cannot_be_ended_ends_the_log_and_leaves_nothing() {
    let mut machine = Machine::new();
    machine.put(b"before", 500, POWER).unwrap();
    let entries: Vec<_> = (0..400_u32).map(|number| number.to_be_bytes()).collect();
    let mut batch = WriteBatch::new();
    entries.iter().for_each(|key| batch.put(key, vec![b'v'; 2000]));
    let mut write = Box::pin(machine.db.write_async(batch, WriteOptions::default()));
    // It has its room when something of it was drained.
    let drained = machine.db.stats().get("wal_durable_lsn").unwrap() + (64 << 10);
    while machine.db.stats().get("wal_durable_lsn").unwrap() < drained {
        assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        turn(&machine.world, &mut machine.stepper);
    }
    machine.world.set_faults(Faults { copy_on_write: true, ..Faults::default() });
    machine.world.set_capacity(machine.world.used());
    let error = machine.run("a large batch", write).unwrap_err();
    assert!(error.to_string().contains("a large batch was broken off: no space left"), "{error}");
    assert!(machine.put(b"refused", 500, WriteOptions::default()).is_err());
    machine = machine.lose_power();
    let keys: Vec<_> = machine.db.range::<[u8; 0]>(..).map(|entry| entry.unwrap().0).collect();
    assert_eq!(keys, [b"before".to_vec()]);
    machine.close();
}

#[test]
fn a_close_on_a_full_device_returns() {
    let mut machine = Machine::new();
    machine.put(b"before", 500, POWER).unwrap();
    machine.world.set_faults(Faults { copy_on_write: true, ..Faults::default() });
    machine.world.set_capacity(machine.world.used());
    let (_, error) = machine.write_until_refused();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    let close = machine.db.clone().close_async();
    assert!(machine.run("a close", close).is_err());
}

#[test]
fn an_empty_power_batch_makes_everything_before_it_survive_loss_of_power() {
    let mut machine = Machine::new();
    machine.put(b"key", 500, WriteOptions::default()).unwrap();
    machine.write(&[], POWER).unwrap();
    machine = machine.lose_power();
    assert!(machine.db.get("key").unwrap().is_some());
    machine.close();
}

#[test]
fn a_sync_makes_everything_before_it_survive_loss_of_power() {
    let mut machine = Machine::new();
    for number in 0..300_u32 {
        machine.put(&number.to_be_bytes(), 500, WriteOptions::default()).unwrap();
    }
    let sync = machine.db.sync_async();
    machine.run("a sync", sync).unwrap();
    machine = machine.lose_power();
    for number in 0..300_u32 {
        assert!(machine.db.get(number.to_be_bytes()).unwrap().is_some(), "{number}");
    }
    machine.close();
}

#[test]
fn marks_that_cannot_be_written_leave_one_copy_of_them_whole() {
    for seed in 0..800 {
        let written = || options().stage_mode(StageMode::Written);
        let mut machine = Machine::open_with(World::new(seed, Faults::default()), written());
        let only = vec!["stage-".to_owned()];
        machine.world.set_faults(Faults { store_error: 0.5, only, ..Faults::default() });
        let mut acknowledged = Vec::new();
        for number in 0..8_u8 {
            if machine.put(&[number], 500, POWER).is_ok() {
                acknowledged.push(number);
            }
        }
        machine.world.crash_process();
        drop(machine.db);
        drop(machine.stepper);
        machine.world.heal();
        let machine = Machine::open_with(machine.world, written());
        for number in acknowledged {
            assert!(machine.db.get([number]).unwrap().is_some(), "{number} of seed {seed}");
        }
        machine.close();
    }
}

#[test]
fn a_stage_that_turned_out_not_to_be_mapped_keeps_what_is_written_to_it() {
    for seed in 0..20 {
        let world = World::new(seed, Faults { store_error: 0.5, ..Faults::default() });
        let mut machine = Machine::open(world);
        machine.world.heal();
        let mode = machine.db.stats().stage;
        machine.put(b"key", 500, WriteOptions::default()).unwrap();
        machine.world.crash_process();
        drop(machine.db);
        drop(machine.stepper);
        let machine = Machine::open(machine.world);
        assert!(machine.db.get("key").unwrap().is_some(), "seed {seed}, {mode}");
        machine.close();
    }
}

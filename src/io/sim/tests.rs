//! Databases in a simulated world: they work, and the same seed gives the same run.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::{Faults, Survival, World};
use crate::db::Stepper;
use crate::{Db, Options};

const DIR: &str = "db";

pub(super) fn options() -> Options {
    Options::new()
        .cores(2)
        .memtable_size_bytes(16 << 10)
        .wal_segment_size_bytes(64 << 10)
        .stage_size_bytes(64 << 10)
}

/// Steps all cores once; lets time pass when none has anything to do.
pub(super) fn step(world: &World, stepper: &mut Stepper) {
    let mut worked = false;
    for core in 0..stepper.cores() {
        worked |= stepper.turn(core);
    }
    if !worked {
        world.advance(world.next_event().expect("somebody waits for something"));
    }
}

fn run<F: Future>(world: &World, stepper: &mut Stepper, future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        step(world, stepper);
    }
}

pub(super) fn try_open(world: &World) -> crate::Result<(Stepper, Db)> {
    try_open_with(world, options())
}

pub(super) fn try_open_with(world: &World, options: Options) -> crate::Result<(Stepper, Db)> {
    let (mut stepper, mut opening) = Db::open_simulated(world, DIR, options)?;
    loop {
        if let Some(opened) = opening.poll() {
            return opened.map(|db| (stepper, db));
        }
        step(world, &mut stepper);
    }
}

fn open(world: &World) -> (Stepper, Db) {
    try_open(world).unwrap()
}

fn fill(world: &World, stepper: &mut Stepper, db: &Db, count: usize) {
    for number in 0..count {
        let key = format!("key{:04}", number % 300);
        run(world, stepper, db.put_async(key.as_bytes(), &[number as u8; 100])).unwrap();
    }
}

fn digest(seed: u64) -> u64 {
    let world = World::new(seed, Faults::default());
    let (mut stepper, db) = open(&world);
    fill(&world, &mut stepper, &db, 1000);
    run(&world, &mut stepper, db.compact_async()).unwrap();
    assert_eq!(db.range::<&[u8]>(..).count(), 300);
    world.crash_power(Survival::Any);
    drop((db, stepper));
    let (_stepper, db) = open(&world);
    assert!(db.range::<&[u8]>(..).count() <= 300);
    world.digest()
}

#[test]
fn the_same_seed_is_the_same_run_whatever_other_threads_do() {
    let first = digest(1);
    let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(|| digest(1))).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), first);
    }
    assert_ne!(digest(2), first);
}

#[test]
fn what_a_process_has_written_outlives_it() {
    let world = World::new(3, Faults::default());
    let (mut stepper, db) = open(&world);
    fill(&world, &mut stepper, &db, 777);
    let before: Vec<_> = db.range::<&[u8]>(..).map(Result::unwrap).collect();
    assert!(matches!(Db::open_simulated(&world, DIR, options()), Err(crate::Error::Locked { .. })));
    world.crash_process();
    drop((db, stepper));
    let (_stepper, db) = open(&world);
    let after: Vec<_> = db.range::<&[u8]>(..).map(Result::unwrap).collect();
    assert_eq!(before.len(), after.len());
    assert!(before == after);
}

#[test]
fn an_opening_whose_calls_fail_says_which_and_succeeds_when_they_do() {
    let always = |fault: fn(&mut Faults) -> &mut f64| {
        let mut faults = Faults::default();
        *fault(&mut faults) = 1.0;
        faults
    };
    let check = |world: &World, faults: Faults, expected: &str| {
        world.set_faults(faults);
        let Err(error) = try_open(world) else { panic!("opened, though it cannot {expected}") };
        assert!(error.to_string().contains(expected), "{error}");
        world.heal();
    };
    let world = World::new(4, Faults::default());
    check(&world, always(|faults| &mut faults.create_dir_error), " create directory db: ");
    check(&world, always(|faults| &mut faults.lock_error), "cannot open db/LOCK: ");
    world.set_faults(always(|faults| &mut faults.map_error));
    let (mut stepper, db) = open(&world);
    let stage = db.stats().stage;
    assert!(stage.starts_with("written: cannot map db/stage-"), "{stage}");
    world.heal();
    fill(&world, &mut stepper, &db, 10);
    drop((db, stepper));
    check(&world, always(|faults| &mut faults.stat_error), "cannot find the length of db/");
    let (_stepper, db) = open(&world);
    assert_eq!(db.range::<&[u8]>(..).count(), 10);
}

#[test]
fn files_can_be_taken_away_and_cut_off_for_good() {
    let world = World::new(5, Faults::default());
    let (mut stepper, db) = open(&world);
    fill(&world, &mut stepper, &db, 10);
    drop((db, stepper));
    let (name, len) = world.files(DIR).into_iter().find(|(name, _)| name.starts_with("wal-")).unwrap();
    let path = format!("{DIR}/{name}");
    assert!(world.shorten(&path, len / 2) && !world.shorten(&path, len / 2));
    assert!(world.remove(format!("{DIR}/LOCK")) && !world.remove(format!("{DIR}/LOCK")));
    world.crash_power(Survival::Any);
    assert!(world.files(DIR).contains(&(name, len / 2)));
    assert!(!world.files(DIR).iter().any(|(name, _)| name == "LOCK"));
}

//! Openings that are interrupted, one after the other: what an opening builds upon must not go with
//! the power, though the opening that made it never lived to make it durable.

use super::tests::{options, step, try_open, try_open_with};
use super::{Faults, Lie, Survival, Syncs, World};
use crate::db::{OpeningDb, Stepper};
use crate::{Db, Error};

const DIR: &str = "db";

/// Steps of the first opening up to its first files beside the manifest.
const FIRST_STEPS: usize = 14;

/// Every third step, another one each time, is enough of the second opening.
const STRIDE: usize = 3;

/// Opens and takes up to `steps` steps; whether it came to an end before.
fn open_in_part(world: &World, steps: usize) -> bool {
    let (mut stepper, mut opening): (Stepper, OpeningDb) = Db::open_simulated(world, DIR, options()).unwrap();
    for _ in 0..steps {
        if opening.poll().is_some() {
            return true;
        }
        step(world, &mut stepper);
    }
    false
}

/// The process dies at each of the first steps of the first opening of a new database, in which the
/// first manifest is made; the power goes at steps of the second: the third finds a database, or
/// none. Returns what an opening is refused with.
fn sweep(survival: Survival, lie: Option<Lie>) -> Result<(), String> {
    for first in 0..FIRST_STEPS {
        for second in (first % STRIDE..).step_by(STRIDE) {
            let world = World::new((first * 1000 + second) as u64, Faults::default());
            world.set_lie(lie);
            assert!(!open_in_part(&world, first));
            world.crash_process();
            let ended = open_in_part(&world, second);
            world.crash_power(survival);
            if let Err(error) = try_open(&world) {
                return Err(format!("dead after {first} steps, without power after {second}: {error}"));
            }
            if ended {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn an_opening_makes_durable_what_it_builds_upon() {
    for survival in [Survival::Nothing, Survival::Blocks] {
        assert_eq!(sweep(survival, None), Ok(()));
    }
}

/// An opening dies with its manifest written and not synced; the next fails to sync it, after which the kernel holds
/// it for clean although the device has lost it; a third goes so far, and the power goes.
fn sweep_after_a_failed_sync() -> Result<(), String> {
    for first in 0..FIRST_STEPS {
        for third in (first % STRIDE..3 * FIRST_STEPS).step_by(STRIDE) {
            let world = World::new((first * 1000 + third) as u64, Faults::default());
            assert!(!open_in_part(&world, first));
            world.crash_process();
            let only = vec!["MANIFEST-".to_owned()];
            world.set_faults(Faults { sync_error: 1.0, only, ..Faults::default() });
            let _refused = try_open(&world);
            world.crash_process();
            world.set_faults(Faults::default());
            let ended = open_in_part(&world, third);
            world.crash_power(Survival::Nothing);
            if let Err(error) = try_open(&world) {
                return Err(format!("dead after {first} steps, without power after {third}: {error}"));
            }
            if ended {
                break;
            }
        }
    }
    Ok(())
}

#[test]
fn an_opening_does_not_trust_a_sync_after_one_that_failed() {
    assert_eq!(sweep_after_a_failed_sync(), Ok(()));
}

#[test]
fn an_opening_that_does_not_is_noticed() {
    for (syncs, survival) in
        [(Syncs::FoundFiles("MANIFEST-"), Survival::Nothing), (Syncs::FoundDirectories, Survival::Blocks)]
    {
        let swept = sweep(survival, Some(Lie::SyncSkipped(syncs)));
        assert!(swept.is_err(), "{syncs:?} is skipped and nobody notices");
    }
}

/// The first opening finds the device full, after more of it each time: what asked for a new database may ask
/// again, and is refused once there is one.
#[test]
fn a_new_database_can_be_asked_for_again_after_an_opening_that_failed() {
    let wanted = || options().error_if_exists(true);
    let mut failed = 0;
    for capacity in (0..).step_by(4096) {
        let world = World::new(capacity, Faults::default());
        world.set_capacity(capacity);
        match try_open_with(&world, wanted()) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, Error::DiskFull { .. }), "{capacity}: {error}"),
        }
        failed += 1;
        world.crash_process();
        world.set_capacity(1 << 30);
        if let Err(error) = try_open_with(&world, wanted()) {
            panic!("{capacity} bytes: {error}");
        }
        world.crash_process();
        assert!(matches!(try_open_with(&world, wanted()), Err(Error::Exists { .. })));
        drop(try_open(&world).unwrap());
    }
    assert!(failed > 10, "{failed}");
}

/// The same where the process dies at any step instead.
#[test]
fn a_new_database_can_be_asked_for_again_until_there_is_one() {
    let wanted = || options().error_if_exists(true);
    let (mut repeated, mut refused) = (0, 0);
    for steps in 0.. {
        let world = World::new(steps as u64, Faults::default());
        let ended = open_in_part(&world, steps);
        world.crash_process();
        match try_open_with(&world, wanted()) {
            Ok(_) => repeated += 1,
            Err(Error::Exists { .. }) => refused += 1,
            Err(error) => panic!("dead after {steps} steps: {error}"),
        }
        world.crash_process();
        drop(try_open(&world).unwrap());
        if ended {
            break;
        }
    }
    assert!(repeated > FIRST_STEPS && refused > 0, "{repeated} and {refused}");
}

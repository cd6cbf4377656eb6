//! A run from its first opening to its last: rounds of opening, work, and an end of one kind or
//! another; at the end of all the disk is healthy, and everything must work and be there.

use rabi::Error;
use rabi::sim::{Faults, World};

use crate::checks::verify;
use crate::fault_profile::FaultProfile;
use crate::figures::Figures;
use crate::opening::Opened;
use crate::parameters::Parameters;
use crate::pending::What;
use crate::random::Random;
use crate::simulation::Simulation;

/// Attempts to open before faults end, so that each run gets somewhere.
const ATTEMPTS_MAX: usize = 6;

/// Plays a run to its end. Panics where the engine does not keep its promises.
pub(crate) fn play(simulation: &Simulation) -> Figures {
    let run = &simulation.run;
    run.note(format_args!("run {}", run.parameters));
    let ended = simulation.play();
    run.world.set_read_hook(None);
    let counts = run.world.counts();
    let mut figures = run.figures.borrow().clone();
    figures.runs = 1;
    figures.unreadable = u64::from(!ended);
    figures.process_crashes = counts.process_crashes;
    figures.power_losses = counts.power_losses;
    figures.faults += counts.faults;
    figures.simulated = run.world.now();
    figures
}

/// A world for a run.
pub(crate) fn world_of(parameters: &Parameters) -> World {
    let world = World::new(parameters.seed, Faults::default());
    // Some file systems cannot reserve space (FUSE, ext3).
    world.set_reserves(!Random::new(parameters.seed, "file system").chance(15));
    world
}

impl Simulation {
    /// Returns whether it came to its proper end; damage may make the database unreadable before.
    fn play(&self) -> bool {
        let rounds = self.run.parameters.rounds;
        for round in 0..rounds {
            if !self.open() {
                return false;
            }
            if self.rng.borrow_mut().chance(60) {
                verify(&self.run, &self.db());
            }
            let crashed = self.work(self.run.parameters.operations / rounds + 1);
            self.run.note(format_args!("round {round} is over"));
            if !crashed {
                self.end_round();
            }
        }
        self.is_ending.set(true);
        self.end_faults();
        self.finish()
    }

    /// The disk is healthy for good: everything must work.
    fn finish(&self) -> bool {
        for last in [false, true] {
            if !self.open() {
                return false;
            }
            verify(&self.run, &self.db());
            let seqno = self.run.model.borrow().visible();
            if !last {
                self.settle();
                self.check_amounts();
                self.check_leftovers();
            }
            self.close();
            if last {
                assert_eq!(self.run.model.borrow().visible(), seqno, "opening again changed something");
                if !self.run.judge.borrow().damaged {
                    self.run.directory.borrow().check_others(&self.run.world);
                }
            }
        }
        true
    }

    /// Opens, as often as crashes and errors interrupt it. False if damage prevents it for good.
    fn open(&self) -> bool {
        let mut attempt = 0;
        loop {
            attempt += 1;
            assert!(attempt < 2 * ATTEMPTS_MAX, "cannot be opened on a healthy disk");
            if attempt > ATTEMPTS_MAX {
                self.end_faults();
            } else if self.changes_faults() && self.rng.borrow_mut().chance(30) {
                self.change_faults();
            }
            if self.damages_files() && attempt == 1 && self.rng.borrow_mut().chance(40) {
                self.damage_files();
            }
            self.run.directory.borrow_mut().redraw(&self.run.world, self.is_made.get());
            let may_crash = self.run.parameters.crashes && attempt <= ATTEMPTS_MAX && !self.is_ending.get();
            match self.try_open(may_crash.then_some(attempt)) {
                Opened::Ready(db) => return self.opened(db),
                Opened::Interrupted => {}
                Opened::Refused(error) if !self.run.judge.borrow().damaged_files.is_empty() => {
                    self.run.note(format_args!("opening: {error}"));
                    self.run.figures.borrow_mut().errors += 1;
                    self.refused_for_damage(&error);
                    return false;
                }
                Opened::Refused(error) => {
                    self.run.permit("opening", &error);
                    if matches!(error, Error::Corruption { .. }) {
                        return false;
                    }
                }
            }
        }
    }

    fn changes_faults(&self) -> bool {
        self.run.parameters.profile != FaultProfile::Healthy && !self.is_ending.get()
    }

    /// Whether files may be damaged now: there must be some, and nothing may hold them.
    fn damages_files(&self) -> bool {
        self.run.parameters.profile == FaultProfile::FileDamage && self.is_made.get() && !self.is_ending.get()
    }

    /// Lets callers work until they have used up their operations; true if a crash came first.
    fn work(&self, operations: usize) -> bool {
        self.quota.set(operations);
        let crash_after = {
            let mut rng = self.rng.borrow_mut();
            (self.run.parameters.crashes && rng.chance(70)).then(|| rng.magnitude(operations * 30))
        };
        for turn in 0.. {
            if crash_after == Some(turn) {
                self.crash(60);
                self.drop_all();
                return true;
            }
            if self.changes_faults() && self.rng.borrow_mut().below(400) == 0 {
                self.change_faults();
            }
            self.change_directory();
            if self.quota.get() == 0 && self.is_idle() {
                break;
            }
            self.turn(true);
        }
        false
    }

    fn end_round(&self) {
        let (kind, settles, fills) = {
            let mut rng = self.rng.borrow_mut();
            (rng.below(4), rng.chance(30), rng.chance(40))
        };
        if fills && self.run.parameters.profile.fills() {
            return self.end_on_a_full_device();
        }
        if settles {
            self.end_faults();
            self.settle();
            self.check_leftovers();
        }
        match kind {
            0 => self.close(),
            1 => self.drop_all(),
            _ if !self.run.parameters.crashes => self.drop_all(),
            _ => {
                self.crash(60);
                self.drop_all();
            }
        }
    }

    /// There is too little of everything and never more: each call returns all the same, the close too.
    fn end_on_a_full_device(&self) {
        self.fill_device();
        self.quota.set(60);
        while self.quota.get() > 0 || !self.is_idle() {
            self.turn(true);
        }
        self.close();
    }

    /// Closes in an orderly way. A failure to do so leaves what a dropped database leaves.
    fn close(&self) {
        self.run.judge.borrow_mut().closing = true;
        let upto = self.run.model.borrow().visible();
        let db = self.db();
        self.callers[0].borrow_mut().begin(&self.run, What::Close { upto }, db.clone().close_async());
        self.wait();
        if !matches!(db.get("any key"), Err(Error::Closed)) {
            panic!("a closed database answers a get");
        }
        drop(db);
        self.drop_all();
    }
}

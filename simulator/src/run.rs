//! A run from its first opening to its last: rounds of opening, work, and an end of one kind or
//! another; at the end of all the disk is healthy, and everything must work and be there.

use std::rc::Rc;
use std::time::Duration;

use rabi::sim::{Faults, Survival, World};
use rabi::{Db, Error};

use crate::figures::Figures;
use crate::interruption::Interruption;
use crate::options;
use crate::parameters::{Parameters, Weather};
use crate::pending::What;
use crate::random::Random;
use crate::reading::{HeldRange, Reading, Walk, Way, check_get, read_range};
use crate::scene::{Cores, Scene};

/// Attempts to open before the weather turns calm, so that each run gets somewhere.
const ATTEMPTS_MAX: usize = 6;

/// What an attempt to open came to.
pub(crate) enum Opened {
    Ready(Db),
    Interrupted,
    Refused(Error),
}

/// Plays the scene to its end. Panics where the engine does not keep its promises.
pub(crate) fn run(scene: &Rc<Scene>) -> Figures {
    scene.note(format_args!("run {}", scene.parameters));
    let ended = scene.play();
    scene.world.set_interlude(None);
    let counts = scene.world.counts();
    let mut figures = scene.figures.borrow().clone();
    figures.runs = 1;
    figures.unreadable = u64::from(!ended);
    figures.process_crashes = counts.process_crashes;
    figures.power_losses = counts.power_losses;
    figures.faults += counts.faults;
    figures.simulated = scene.world.now();
    figures
}

/// A world for a run.
pub(crate) fn world_of(parameters: &Parameters) -> World {
    let world = World::new(parameters.seed, Faults::default());
    // Some file systems cannot reserve space (FUSE, ext3).
    world.set_reserves(!Random::new(parameters.seed, "file system").chance(15));
    world
}

impl Scene {
    /// Returns whether it came to its proper end; damage may make the database unreadable before.
    fn play(self: &Rc<Self>) -> bool {
        let rounds = self.parameters.rounds;
        for round in 0..rounds {
            if !self.open() {
                return false;
            }
            if self.fate.borrow_mut().chance(60) {
                self.verify();
            }
            let crashed = self.work(self.parameters.operations / rounds + 1);
            self.note(format_args!("round {round} is over"));
            if !crashed {
                self.end_round();
            }
        }
        self.is_ending.set(true);
        self.calm_weather();
        self.finish()
    }

    /// The disk is healthy for good: everything must work.
    fn finish(self: &Rc<Self>) -> bool {
        for last in [false, true] {
            if !self.open() {
                return false;
            }
            self.verify();
            let seqno = self.model.borrow().visible();
            if !last {
                self.settle();
                self.check_amounts();
                self.check_leftovers();
            }
            self.close();
            if last {
                assert_eq!(self.model.borrow().visible(), seqno, "opening again changed something");
                self.check_strangers();
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
                self.calm_weather();
            } else if self.changes_weather() && self.fate.borrow_mut().chance(30) {
                self.change_weather();
            }
            if self.is_harmful() && attempt == 1 && self.fate.borrow_mut().chance(40) {
                self.harm_files();
            }
            self.redraw_ground();
            let may_crash = self.parameters.crashes && attempt <= ATTEMPTS_MAX && !self.is_ending.get();
            match self.try_open(may_crash.then_some(attempt)) {
                Opened::Ready(db) => return self.opened(db),
                Opened::Interrupted => {}
                Opened::Refused(error) if !self.judge.borrow().harmed.is_empty() => {
                    self.note(format_args!("opening: {error}"));
                    self.figures.borrow_mut().errors += 1;
                    self.refused_for_harm(&error);
                    return false;
                }
                Opened::Refused(error) => {
                    self.permit("opening", &error);
                    if matches!(error, Error::Corruption { .. }) {
                        return false;
                    }
                }
            }
        }
    }

    fn changes_weather(&self) -> bool {
        self.parameters.weather != Weather::Calm && !self.is_ending.get()
    }

    /// Whether files may be harmed now: there must be some, and nothing may hold them.
    fn is_harmful(&self) -> bool {
        self.parameters.weather == Weather::Harm && self.is_made.get() && !self.is_ending.get()
    }

    /// Opens; may be interrupted if it is told which attempt it is.
    pub(crate) fn try_open(&self, attempt: Option<usize>) -> Opened {
        let (failing, full) = self.troubles();
        self.judge.borrow_mut().open(failing, full);
        self.figures.borrow_mut().openings += 1;
        let (options, end) = {
            let mut fate = self.fate.borrow_mut();
            let (options, durability) = options::draw(&mut fate, self.parameters.cores, self.is_made.get());
            self.durability.set(durability);
            let opening = self.figures.borrow().openings;
            self.garbage_percent.set(options::garbage_percent(self.parameters.seed, opening));
            let options = options.compact_garbage_percent(self.garbage_percent.get());
            (options, attempt.and_then(|attempt| Interruption::draw(&mut fate, attempt)))
        };
        self.enter_current_dir();
        self.note(format_args!("opening {} with {}", self.path(), options::describe(&options)));
        match Db::open_simulated(&self.world, self.path(), options) {
            Err(error) => Opened::Refused(error),
            Ok((stepper, opening)) => {
                *self.cores.borrow_mut() = Cores::new(stepper);
                let opened = self.step_opening(opening, end);
                if !matches!(opened, Opened::Ready(_)) {
                    self.drop_all();
                }
                opened
            }
        }
    }

    /// The order of writes ends where the opening says it does, or the run fails. False if harm to the manifest
    /// has led to a place from which the run cannot go on.
    fn opened(&self, db: Db) -> bool {
        let seqno = db.last_seqno();
        self.note(format_args!("open at seqno {seqno}, floor {}", self.model.borrow().floor()));
        let may_lose = self.judge.borrow().may_lose;
        let mut model = self.model.borrow_mut();
        self.figures.borrow_mut().taken_by_damage += model.floor().saturating_sub(seqno);
        let harmed = std::mem::take(&mut self.judge.borrow_mut().harmed);
        if let Err(reason) = model.recover(seqno, may_lose) {
            assert!(harmed.iter().any(|name| name.starts_with("MANIFEST-")), "{reason}");
            self.note(format_args!("{reason}: the manifest was harmed"));
            drop(model);
            self.check_nothing_is_invented(&db);
            drop(db);
            self.drop_all();
            return false;
        }
        drop(model);
        if !harmed.is_empty() {
            self.check_nothing_is_invented(&db);
        }
        self.is_made.set(true);
        *self.db.borrow_mut() = Some(db);
        true
    }

    /// Lets callers work until they have used up their operations; true if a crash came first.
    fn work(&self, operations: usize) -> bool {
        self.quota.set(operations);
        let crash_after = {
            let mut fate = self.fate.borrow_mut();
            (self.parameters.crashes && fate.chance(70)).then(|| fate.magnitude(operations * 30))
        };
        for turn in 0.. {
            if crash_after == Some(turn) {
                self.crash(60);
                self.drop_all();
                return true;
            }
            if self.changes_weather() && self.fate.borrow_mut().below(400) == 0 {
                self.change_weather();
            }
            self.move_ground();
            if self.quota.get() == 0 && self.is_idle() {
                break;
            }
            self.turn(true);
        }
        false
    }

    fn is_idle(&self) -> bool {
        self.callers.iter().all(|caller| caller.borrow().pending.is_none())
    }

    /// The process dies, or in so many of 100 cases the power goes with it.
    pub(crate) fn crash(&self, power_percent: usize) {
        let survival = {
            let mut fate = self.fate.borrow_mut();
            fate.chance(power_percent).then_some(Survival::Any)
        };
        self.note(format_args!("crash: {}", if survival.is_some() { "power" } else { "process" }));
        match survival {
            None => self.world.crash_process(),
            Some(survival) => {
                self.world.crash_power(survival);
                self.model.borrow_mut().lose_power();
            }
        }
    }

    /// Drops everything that belongs to the open database: after a crash, what is dead; otherwise
    /// as a program does that ends without closing it.
    fn drop_all(&self) {
        for caller in &self.callers {
            caller.borrow_mut().let_go();
        }
        drop(self.db.borrow_mut().take());
        let cores = std::mem::take(&mut *self.cores.borrow_mut());
        drop(cores);
    }

    fn end_round(&self) {
        let (kind, settles, fills) = {
            let mut fate = self.fate.borrow_mut();
            (fate.below(4), fate.chance(30), fate.chance(40))
        };
        if fills && matches!(self.parameters.weather, Weather::Full | Weather::Storm) {
            return self.end_on_a_full_device();
        }
        if settles {
            self.calm_weather();
            self.settle();
            self.check_leftovers();
        }
        match kind {
            0 => self.close(),
            1 => self.drop_all(),
            _ if !self.parameters.crashes => self.drop_all(),
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
        self.judge.borrow_mut().closing = true;
        let upto = self.model.borrow().visible();
        let db = self.db();
        self.callers[0].borrow_mut().begin(self, What::Close { upto }, db.clone().close_async());
        self.wait();
        if !matches!(db.get("any key"), Err(Error::Closed)) {
            panic!("a closed database answers a get");
        }
        drop(db);
        self.drop_all();
    }

    /// Takes turns until nothing is pending.
    pub(crate) fn wait(&self) {
        while !self.is_idle() {
            self.turn(false);
        }
    }

    /// Takes turns for some time.
    pub(crate) fn pass(&self, duration: Duration) {
        let end = self.world.now() + duration;
        while self.world.now() < end {
            self.turn(false);
        }
    }

    /// Everything is as the model has it: scans both ways, and lookups of keys that are there and
    /// of keys that are not.
    pub(crate) fn verify(&self) {
        let db = self.db();
        for way in [Way::Forward, Way::Backward] {
            let at = self.model.borrow().visible();
            let expected = self.model.borrow().prefix(b"", at);
            let mut held = HeldRange { walk: Walk::Entries(db.iter()), expected, at };
            if read_range(self, &mut held, way, usize::MAX) == Reading::Failed {
                break;
            }
        }
        let keys = self.model.borrow().keys();
        for key in keys.iter().step_by(keys.len() / 60 + 1) {
            check_get(self, &db, key);
            check_get(self, &db, &[key.as_slice(), b"+"].concat());
        }
        self.check_stats(&db);
    }
}

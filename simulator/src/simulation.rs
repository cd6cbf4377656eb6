//! Callers, cores and an open database in one world, and the one thread that lets each of them take turns.
//!
//! A turn is a step of a core, a poll of an operation that was woken, or the next operation of an
//! idle caller; which, the seed says. When nobody has anything to do, time jumps to the next event.
//! In the middle of a caller's read the world calls back ([`Simulation::read_hook`]), and others take a
//! few turns: there real threads interleave.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Duration;

use rabi::sim::{Stepper, Survival, World};
use rabi::{Db, Durability};

use crate::caller::Caller;
use crate::parameters::Parameters;
use crate::pending::{Pending, What};
use crate::random::Random;
use crate::reading::compare_multi_get;
use crate::run::Run;
use crate::workload::Workload;

/// An operation on a healthy disk that takes longer than this never ends. The engine's own pauses
/// after a failure are a fraction of a second, the slowest operations of the world take two.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// No core is given a batch below this: half of the smallest stage there is.
const SMALL_LEN: usize = 4 << 10;

/// Turns without end: time stands still, or an operation is repeated for ever.
const TURNS_MAX: u64 = 3_000_000;

/// The cores and what is known of them.
#[derive(Default)]
pub(crate) struct Cores {
    pub(crate) stepper: Option<Stepper>,
    /// Whether a core may have something to do: not if its last step found nothing and nothing has
    /// happened since.
    may_work: Vec<bool>,
    /// How often each gets a turn; redrawn now and then, so that one of them lags behind at times.
    weights: Vec<usize>,
}

impl Cores {
    pub(crate) fn new(stepper: Stepper) -> Self {
        let count = stepper.cores();
        Self { stepper: Some(stepper), may_work: vec![true; count], weights: vec![10; count] }
    }

    fn wake_all(&mut self) {
        self.may_work.fill(true);
    }
}

/// A run, and who takes part in it.
pub(crate) struct Simulation {
    pub(crate) run: Run,
    pub(crate) cores: RefCell<Cores>,
    pub(crate) db: RefCell<Option<Db>>,
    pub(crate) callers: Vec<RefCell<Caller>>,
    /// Decides whose turn it is.
    order: RefCell<Random>,
    /// Draws options, crashes and faults.
    pub(crate) rng: RefCell<Random>,
    /// Operations that callers may still begin in this round.
    pub(crate) quota: Cell<usize>,
    /// Since when the disk has had no faults.
    pub(crate) healthy_since: Cell<Option<Duration>>,
    /// Since when no operation fails and the capacity is the same: who has too little of something must
    /// be told.
    pub(crate) steady_since: Cell<Option<Duration>>,
    /// Whether this run has seen the database open.
    pub(crate) is_made: Cell<bool>,
    /// Whether the last opening was interrupted.
    pub(crate) was_interrupted: Cell<bool>,
    /// The last part of the run: the disk is healthy for good.
    pub(crate) is_ending: Cell<bool>,
    /// The share of garbage that the open database permits, in per cent.
    pub(crate) garbage_percent: Cell<u32>,
    turns: Cell<u64>,
}

impl Simulation {
    pub(crate) fn new(parameters: &Parameters, world: World) -> Rc<Self> {
        let seed = parameters.seed;
        let mut rng = Random::new(seed, "fate");
        let callers = (0..parameters.callers).map(|number| RefCell::new(Caller::new(seed, number)));
        let workload = Workload::draw(&mut rng, parameters.keys);
        let simulation = Rc::new(Self {
            run: Run::new(parameters, world.clone(), workload),
            cores: RefCell::default(),
            db: RefCell::default(),
            callers: callers.collect(),
            order: RefCell::new(Random::new(seed, "order")),
            rng: RefCell::new(rng),
            quota: Cell::new(0),
            healthy_since: Cell::new(Some(Duration::ZERO)),
            steady_since: Cell::new(None),
            is_made: Cell::new(false),
            was_interrupted: Cell::new(false),
            is_ending: Cell::new(false),
            garbage_percent: Cell::new(0),
            turns: Cell::new(0),
        });
        let weak = Rc::downgrade(&simulation);
        world.set_read_hook(Some(Box::new(move || {
            if let Some(simulation) = weak.upgrade() {
                simulation.read_hook();
            }
        })));
        simulation
    }

    /// The open database.
    pub(crate) fn db(&self) -> Db {
        self.db.borrow().clone().expect("a database is open")
    }

    /// Takes one turn of somebody; jumps to the next event if there is nobody. `begins` lets idle
    /// callers begin something.
    pub(crate) fn turn(&self, begins: bool) {
        self.turns.set(self.turns.get() + 1);
        assert!(self.turns.get() < TURNS_MAX, "{TURNS_MAX} turns without an end");
        if self.order.borrow_mut().below(500) == 0 {
            self.redraw_weights();
        }
        let begins = begins && self.quota.get() > 0 && self.db.borrow().is_some();
        let now = self.run.world.now();
        let ready = |index: &usize| {
            self.callers[*index].try_borrow().is_ok_and(|caller| match &caller.pending {
                Some(pending) => pending.is_woken(),
                None => begins && caller.wakes_at <= now,
            })
        };
        let ready: Vec<usize> = (0..self.callers.len()).filter(ready).collect();
        let core = self.pick_core();
        let prefers_core = self.order.borrow_mut().chance(60);
        match core {
            Some(core) if prefers_core || ready.is_empty() => self.step(core),
            _ if !ready.is_empty() => {
                let index = self.order.borrow_mut().pick(&ready);
                self.go_on(index);
            }
            _ => self.jump(begins),
        }
    }

    fn redraw_weights(&self) {
        let mut order = self.order.borrow_mut();
        for weight in &mut self.cores.borrow_mut().weights {
            *weight = order.pick(&[1, 10, 10, 100]);
        }
    }

    /// A core that may have something to do.
    fn pick_core(&self) -> Option<usize> {
        let cores = self.cores.borrow();
        let weights: Vec<usize> = cores
            .may_work
            .iter()
            .zip(&cores.weights)
            .map(|(may, weight)| if *may { *weight } else { 0 })
            .collect();
        weights.iter().any(|weight| *weight > 0).then(|| self.order.borrow_mut().weighted(&weights))
    }

    pub(crate) fn step(&self, core: usize) {
        let mut cores = self.cores.borrow_mut();
        let Some(stepper) = &mut cores.stepper else { return };
        let worked = stepper.turn(core);
        self.enter_by_core();
        self.run.figures.borrow_mut().steps += 1;
        if worked {
            cores.wake_all();
        } else {
            cores.may_work[core] = false;
        }
    }

    /// Enters in the model the batch that a core has given its place, if it has.
    fn enter_by_core(&self) {
        let Ok(Some(db)) = self.db.try_borrow().map(|db| db.clone()) else { return };
        let (before, after) = (self.run.model.borrow().visible(), db.last_seqno());
        if after == before {
            return;
        }
        let mut slot = self.run.entering.borrow_mut();
        match &mut *slot {
            Some(entering) if entering.last.is_none() && after == before + entering.entries.len() as u64 => {
                entering.last = Some(self.run.model.borrow_mut().apply(&entering.entries));
                self.run.figures.borrow_mut().writes += 1;
                if entering.is_dropped {
                    *slot = None;
                }
            }
            _ => panic!("the seqno went from {before} to {after} during a turn of a core"),
        }
    }

    /// Time passes until something happens by itself.
    fn jump(&self, begins: bool) {
        let now = self.run.world.now();
        let idle = self.callers.iter().filter_map(|caller| {
            let caller = caller.try_borrow().ok()?;
            (begins && caller.pending.is_none()).then_some(caller.wakes_at)
        });
        let Some(next) = idle.chain(self.run.world.next_event()).min() else {
            panic!("nothing will ever happen, and these wait: {}", self.waiting());
        };
        self.check_patience(now);
        self.run.world.advance(next.max(now));
        self.cores.borrow_mut().wake_all();
    }

    /// What has not ended, as text.
    pub(crate) fn waiting(&self) -> String {
        let pending =
            self.callers.iter().filter_map(|caller| Some(caller.try_borrow().ok()?.pending.as_ref()?.name()));
        pending.collect::<Vec<_>>().join("; ")
    }

    /// On a healthy disk every operation ends in bounded time, and on one that is full as well. A
    /// compaction may have to follow writers for as long as there are some.
    fn check_patience(&self, now: Duration) {
        let Some(healthy_since) = self.healthy_since.get().or(self.steady_since.get()) else { return };
        for caller in &self.callers {
            let Ok(caller) = caller.try_borrow() else { continue };
            let Some(pending) = &caller.pending else { continue };
            let is_patient = matches!(pending.what, What::Compact { .. }) && self.quota.get() > 0;
            let waited = now.saturating_sub(pending.since.max(healthy_since));
            assert!(
                is_patient || waited < PATIENCE || self.run.judge.borrow().damaged,
                "stalled for {} s on a disk that does not fail: {}",
                waited.as_secs(),
                pending.name()
            );
        }
    }

    /// Lets a caller go on with what it waits for, or begin something.
    fn go_on(&self, index: usize) {
        let Ok(mut caller) = self.callers[index].try_borrow_mut() else { return };
        if caller.pending.is_some() {
            self.poll(&mut caller);
        } else {
            self.quota.set(self.quota.get() - 1);
            self.run.figures.borrow_mut().operations += 1;
            let db = self.db();
            caller.act(&self.run, &db);
        }
        self.cores.borrow_mut().wake_all();
    }

    /// Polls an operation, and enters in the model what that has brought about.
    pub(crate) fn poll(&self, caller: &mut Caller) {
        let Some(pending) = &mut caller.pending else { return };
        let db = self.db();
        let before = self.run.model.borrow().visible();
        let ended = pending.poll();
        let after = db.last_seqno();
        if after != before {
            match &mut pending.what {
                What::Write { entries, last, .. }
                    if last.is_none() && after == before + entries.len() as u64 =>
                {
                    *last = Some(self.run.model.borrow_mut().apply(entries));
                    self.run.figures.borrow_mut().writes += 1;
                    if std::mem::take(&mut pending.is_by_core) {
                        *self.run.entering.borrow_mut() = None;
                    }
                }
                _ => panic!("the seqno went from {before} to {after} during a {}", pending.name()),
            }
        }
        let Some(result) = ended else {
            if pending.is_given_up() {
                self.run.note(format_args!("dropped: {}", pending.name()));
                if pending.is_by_core {
                    // One that is this small enters within a poll of its own, or never.
                    let is_small = pending.entries_len() < SMALL_LEN;
                    let mut slot = self.run.entering.borrow_mut();
                    match &mut *slot {
                        Some(entering) if entering.last.is_none() && !is_small => entering.is_dropped = true,
                        _ => *slot = None,
                    }
                }
                caller.pending = None;
            }
            return;
        };
        let mut pending = caller.pending.take().expect("it was just polled");
        if pending.is_by_core {
            let entering = self.run.entering.borrow_mut().take();
            if let What::Write { last, .. } = &mut pending.what {
                *last = entering.and_then(|entering| entering.last);
            }
        }
        match result {
            Ok(()) => self.acknowledged(&pending),
            Err(error) => self.run.permit(&pending.name(), &error),
        }
    }

    fn acknowledged(&self, pending: &Pending) {
        self.run.note(format_args!("acknowledged: {}", pending.name()));
        if let What::MultiGet { keys, from, found } = &pending.what {
            let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
            let to = self.run.model.borrow().visible();
            return compare_multi_get(&self.run, keys, found, *from, to);
        }
        let mut model = self.run.model.borrow_mut();
        match &pending.what {
            What::MultiGet { .. } => {}
            What::Write { entries, .. } if entries.is_empty() => {}
            What::Write { last, durability, .. } => {
                let last = last.unwrap_or_else(|| panic!("acknowledged without effect: {}", pending.name()));
                assert!(
                    !pending.was_refused,
                    "accepted after writes were refused for good: {}",
                    pending.name()
                );
                match durability {
                    Durability::Process => model.survives_process_death(last),
                    Durability::Power => model.survives_power_loss(last),
                }
            }
            What::Sync { upto } | What::Flush { upto } | What::Compact { upto } | What::Close { upto } => {
                model.survives_power_loss(*upto);
            }
        }
    }

    /// Others take a few turns in the middle of a read.
    fn read_hook(&self) {
        let turns = {
            let mut order = self.order.borrow_mut();
            if order.chance(60) { 0 } else { order.magnitude(20) }
        };
        for _ in 0..turns {
            let pollable = |index: &usize| {
                let caller = self.callers[*index].try_borrow();
                caller.is_ok_and(|caller| caller.pending.as_ref().is_some_and(|pending| pending.is_woken()))
            };
            let pollable: Vec<usize> = (0..self.callers.len()).filter(pollable).collect();
            let core = self.pick_core();
            let prefers_core = self.order.borrow_mut().chance(70);
            match core {
                Some(core) if prefers_core || pollable.is_empty() => self.step(core),
                _ if !pollable.is_empty() => {
                    let index = self.order.borrow_mut().pick(&pollable);
                    self.go_on(index);
                }
                _ => match self.run.world.next_event() {
                    Some(next) => {
                        self.run.world.advance(next.max(self.run.world.now()));
                        self.cores.borrow_mut().wake_all();
                    }
                    None => return,
                },
            }
        }
    }

    /// Takes turns until nothing is pending.
    pub(crate) fn wait(&self) {
        while !self.is_idle() {
            self.turn(false);
        }
    }

    /// Takes turns for some time.
    pub(crate) fn pass(&self, duration: Duration) {
        let end = self.run.world.now() + duration;
        while self.run.world.now() < end {
            self.turn(false);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.callers.iter().all(|caller| caller.borrow().pending.is_none())
    }

    /// The process dies, or in so many of 100 cases the power goes with it.
    pub(crate) fn crash(&self, power_percent: usize) {
        let survival = {
            let mut rng = self.rng.borrow_mut();
            rng.chance(power_percent).then_some(Survival::Any)
        };
        self.run.note(format_args!("crash: {}", if survival.is_some() { "power" } else { "process" }));
        match survival {
            None => self.run.world.crash_process(),
            Some(survival) => {
                self.run.world.crash_power(survival);
                self.run.model.borrow_mut().lose_power();
            }
        }
    }

    /// Drops everything that belongs to the open database: after a crash, what is dead; otherwise
    /// as a program does that ends without closing it.
    pub(crate) fn drop_all(&self) {
        for caller in &self.callers {
            caller.borrow_mut().let_go();
        }
        drop(self.db.borrow_mut().take());
        *self.run.entering.borrow_mut() = None;
        let cores = std::mem::take(&mut *self.cores.borrow_mut());
        drop(cores);
    }

    /// Now and then others rename the directory of the database. Not after damage to files: an opening is then
    /// repeated and must say the same.
    pub(crate) fn change_directory(&self) {
        let is_permitted = self.run.judge.borrow().damaged_files.is_empty();
        self.run.directory.borrow_mut().change(&self.run.world, is_permitted);
    }
}

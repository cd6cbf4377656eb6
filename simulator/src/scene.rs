//! One run on the stage: the world, the database in it, the callers, and the one thread that lets
//! each of them take turns.
//!
//! A turn is a step of a core, a poll of an operation that was woken, or the next operation of an
//! idle caller; which, the seed says. When nobody has anything to do, time jumps to the next event.
//! In the middle of a caller's read the world calls back ([`Scene::interlude`]), and others take a
//! few turns: there real threads interleave.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use rabi::sim::{Stepper, World};
use rabi::{Db, Durability, Error, Stats};

use crate::caller::Caller;
use crate::figures::Figures;
use crate::ground::Ground;
use crate::judge::Judge;
use crate::model::Model;
use crate::parameters::Parameters;
use crate::pending::What;
use crate::random::Random;
use crate::workload::Workload;

/// An operation on a healthy disk that takes longer than this never ends. The engine's own pauses
/// after a failure are a fraction of a second, the slowest operations of the world take two.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

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

/// Everything of one run.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) parameters: Parameters,
    pub(crate) workload: Workload,
    pub(crate) model: RefCell<Model>,
    pub(crate) judge: RefCell<Judge>,
    pub(crate) figures: RefCell<Figures>,
    pub(crate) cores: RefCell<Cores>,
    pub(crate) db: RefCell<Option<Db>>,
    /// What writes promise that name no durability.
    pub(crate) durability: Cell<Durability>,
    pub(crate) callers: Vec<RefCell<Caller>>,
    /// Decides whose turn it is.
    pub(crate) order: RefCell<Random>,
    /// Where the database lies, and what else there is.
    pub(crate) ground: RefCell<Ground>,
    /// Draws options, crashes and the weather.
    pub(crate) fate: RefCell<Random>,
    /// Operations that callers may still begin in this round.
    pub(crate) quota: Cell<usize>,
    /// Since when the disk has had no trouble.
    pub(crate) calm_since: Cell<Option<Duration>>,
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

impl Scene {
    pub(crate) fn new(parameters: &Parameters, world: World) -> Rc<Self> {
        let seed = parameters.seed;
        let mut fate = Random::new(seed, "fate");
        let callers = (0..parameters.callers).map(|number| RefCell::new(Caller::new(seed, number)));
        let scene = Rc::new(Self {
            workload: Workload::draw(&mut fate, parameters.keys),
            world: world.clone(),
            parameters: parameters.clone(),
            model: RefCell::new(Model::new()),
            judge: RefCell::default(),
            figures: RefCell::default(),
            cores: RefCell::default(),
            db: RefCell::default(),
            durability: Cell::default(),
            callers: callers.collect(),
            order: RefCell::new(Random::new(seed, "order")),
            ground: RefCell::new(Ground::new(seed)),
            fate: RefCell::new(fate),
            quota: Cell::new(0),
            calm_since: Cell::new(Some(Duration::ZERO)),
            steady_since: Cell::new(None),
            is_made: Cell::new(false),
            was_interrupted: Cell::new(false),
            is_ending: Cell::new(false),
            garbage_percent: Cell::new(0),
            turns: Cell::new(0),
        });
        let weak = Rc::downgrade(&scene);
        world.set_interlude(Some(Box::new(move || {
            if let Some(scene) = weak.upgrade() {
                scene.interlude();
            }
        })));
        scene
    }

    /// Adds a line to the record of the run.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.world.note(&what.to_string());
    }

    /// Fails the run unless the trouble there is explains the error.
    pub(crate) fn permit(&self, what: &str, error: &Error) {
        let verdict = self.judge.borrow_mut().permit(what, error);
        self.judged(what, error, verdict);
    }

    /// Fails the run unless the trouble there is explains that a read fails.
    pub(crate) fn permit_read(&self, what: &str, error: &Error) {
        let verdict = self.judge.borrow_mut().permit_read(what, error);
        self.judged(what, error, verdict);
    }

    fn judged(&self, what: &str, error: &Error, verdict: Result<(), String>) {
        self.note(format_args!("{what}: {error}"));
        self.figures.borrow_mut().errors += 1;
        if let Err(reason) = verdict {
            panic!("{reason}");
        }
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
        let now = self.world.now();
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
        self.figures.borrow_mut().steps += 1;
        if worked {
            cores.wake_all();
        } else {
            cores.may_work[core] = false;
        }
    }

    /// Time passes until something happens by itself.
    fn jump(&self, begins: bool) {
        let now = self.world.now();
        let idle = self.callers.iter().filter_map(|caller| {
            let caller = caller.try_borrow().ok()?;
            (begins && caller.pending.is_none()).then_some(caller.wakes_at)
        });
        let Some(next) = idle.chain(self.world.next_event()).min() else {
            panic!("nothing will ever happen, and these wait: {}", self.waiting());
        };
        self.check_patience(now);
        self.world.advance(next.max(now));
        self.cores.borrow_mut().wake_all();
    }

    /// What has not ended, as text.
    pub(crate) fn waiting(&self) -> String {
        let pending =
            self.callers.iter().filter_map(|caller| Some(caller.try_borrow().ok()?.pending.as_ref()?.name()));
        pending.collect::<Vec<_>>().join("; ")
    }

    /// On a healthy disk every operation ends in bounded time, and on one that is full as well. A compaction may have to follow
    /// writers for as long as there are some.
    fn check_patience(&self, now: Duration) {
        let Some(calm_since) = self.calm_since.get().or(self.steady_since.get()) else { return };
        for caller in &self.callers {
            let Ok(caller) = caller.try_borrow() else { continue };
            let Some(pending) = &caller.pending else { continue };
            let is_patient = matches!(pending.what, What::Compact { .. }) && self.quota.get() > 0;
            let waited = now.saturating_sub(pending.since.max(calm_since));
            assert!(
                is_patient || waited < PATIENCE || self.judge.borrow().damaged,
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
            self.figures.borrow_mut().operations += 1;
            let db = self.db();
            caller.act(self, &db);
        }
        self.cores.borrow_mut().wake_all();
    }

    /// Polls an operation, and enters in the model what that has brought about.
    pub(crate) fn poll(&self, caller: &mut Caller) {
        let Some(pending) = &mut caller.pending else { return };
        let db = self.db();
        let before = self.model.borrow().visible();
        let ended = pending.poll();
        let after = db.last_seqno();
        if after != before {
            match &mut pending.what {
                What::Write { entries, last, .. }
                    if last.is_none() && after == before + entries.len() as u64 =>
                {
                    *last = Some(self.model.borrow_mut().apply(entries));
                    self.figures.borrow_mut().writes += 1;
                }
                _ => panic!("the seqno went from {before} to {after} during a {}", pending.name()),
            }
        }
        let Some(result) = ended else { return };
        let pending = caller.pending.take().expect("it was just polled");
        match result {
            Ok(()) => self.acknowledged(&pending),
            Err(error) => self.permit(&pending.name(), &error),
        }
    }

    fn acknowledged(&self, pending: &crate::pending::Pending) {
        self.note(format_args!("acknowledged: {}", pending.name()));
        let mut model = self.model.borrow_mut();
        match &pending.what {
            What::Write { entries, .. } if entries.is_empty() => {}
            What::Write { last, durability, .. } => {
                let last = last.unwrap_or_else(|| panic!("acknowledged without effect: {}", pending.name()));
                assert!(
                    !pending.was_refused,
                    "accepted after writes were refused for good: {}",
                    pending.name()
                );
                match durability {
                    rabi::Durability::Process => model.survives_process_death(last),
                    rabi::Durability::Power => model.survives_power_loss(last),
                }
            }
            What::Sync { upto } | What::Flush { upto } | What::Compact { upto } | What::Close { upto } => {
                model.survives_power_loss(*upto);
            }
        }
    }

    /// Others take a few turns in the middle of a read.
    fn interlude(&self) {
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
                _ => match self.world.next_event() {
                    Some(next) => {
                        self.world.advance(next.max(self.world.now()));
                        self.cores.borrow_mut().wake_all();
                    }
                    None => return,
                },
            }
        }
    }

    /// What the engine tells about itself must hold together.
    pub(crate) fn check_stats(&self, db: &Db) {
        let stats = db.stats();
        let visible = self.model.borrow().visible();
        assert_eq!(stats.get("last_seqno"), Some(visible), "last_seqno of the statistics");
        check_partitions(&stats);
    }

    /// The directory is in use: a second opening is refused at once.
    pub(crate) fn open_twice(&self) {
        match Db::open_simulated(&self.world, self.dir(), rabi::Options::new()) {
            Err(Error::Locked { .. }) => {}
            Err(error) => self.permit("second opening", &error),
            Ok(_) => panic!("a second opening of the same directory was permitted"),
        }
    }
}

/// Partitions cover all keys, ascending, and their files keep to them.
fn check_partitions(stats: &Stats) {
    let partitions = &stats.partitions;
    assert!(partitions.first().is_some_and(|(lower, _)| lower.is_empty()), "the first partition has a bound");
    for (index, (lower, file)) in partitions.iter().enumerate() {
        let upper = partitions.get(index + 1).map(|(next, _)| next);
        assert!(upper.is_none_or(|upper| lower < upper), "partitions are out of order");
        let Some(file) = file else { continue };
        let within = *lower <= file.min_key && upper.is_none_or(|upper| file.max_key < *upper);
        assert!(within, "file {} leaves its partition", file.id);
    }
}

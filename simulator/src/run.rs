//! What everybody in a run has in common: the world, what must be in the database, which errors may be, what
//! callers ask for, and what is counted.

use std::cell::{Cell, RefCell};
use std::fmt;

use rabi::sim::World;
use rabi::{Durability, Error};

use crate::directory::Directory;
use crate::figures::Figures;
use crate::judge::Judge;
use crate::model::{Entry, Model};
use crate::parameters::Parameters;
use crate::workload::Workload;

/// One run, whoever's turn it is.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) parameters: Parameters,
    pub(crate) workload: Workload,
    pub(crate) model: RefCell<Model>,
    pub(crate) judge: RefCell<Judge>,
    pub(crate) figures: RefCell<Figures>,
    /// The directory of the database.
    pub(crate) directory: RefCell<Directory>,
    /// The batch that a core may enter: one at a time, so that it is known whose the seqnos are.
    pub(crate) entering: RefCell<Option<Entering>>,
    /// What writes promise that name no durability.
    pub(crate) durability: Cell<Durability>,
}

/// A batch that a core may enter for a caller.
pub(crate) struct Entering {
    pub(crate) entries: Vec<Entry>,
    /// Its last seqno, once it is in.
    pub(crate) last: Option<u64>,
    /// The caller has gone.
    pub(crate) is_dropped: bool,
}

impl Run {
    /// A run that has not begun.
    pub(crate) fn new(parameters: &Parameters, world: World, workload: Workload) -> Self {
        Self {
            world,
            parameters: parameters.clone(),
            workload,
            model: RefCell::new(Model::new()),
            judge: RefCell::default(),
            figures: RefCell::default(),
            directory: RefCell::new(Directory::new(parameters.seed)),
            entering: RefCell::default(),
            durability: Cell::default(),
        }
    }

    /// Adds a line to the record of the run.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.world.note(&what.to_string());
    }

    /// The directory of the database, from the root on.
    pub(crate) fn dir(&self) -> String {
        self.directory.borrow().dir().to_owned()
    }

    /// The path that the engine is given.
    pub(crate) fn path(&self) -> String {
        self.directory.borrow().path().to_owned()
    }

    /// Whether a name in the directory of the database is none of its own.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        self.directory.borrow().is_foreign(name)
    }

    /// Fails the run unless a fault explains the error.
    pub(crate) fn permit(&self, what: &str, error: &Error) {
        let verdict = self.judge.borrow_mut().permit(what, error);
        self.judged(what, error, verdict);
    }

    /// Fails the run unless a fault explains that a read fails.
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
}

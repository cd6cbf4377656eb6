//! Opening the database: with which options, and whether it is interrupted: after some turns, or soon after it has
//! made a certain file, where it stands between what it has begun and what is durable.

use rabi::sim::OpeningDb;
use rabi::{Db, Error};

use crate::checks::check_nothing_is_invented;
use crate::options;
use crate::random::Random;
use crate::simulation::{Cores, Simulation};

/// What an attempt to open came to.
pub(crate) enum Opened {
    Ready(Db),
    Interrupted,
    Refused(Error),
}

/// Where an opening ends early.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interruption {
    /// After so many turns.
    Turns(usize),
    /// So many turns after it has made the first or second file whose name begins so.
    File { beginning: &'static str, number: usize, turns: usize },
}

impl Interruption {
    /// Draws one for the `attempt`-th opening in a row, or none. The first is often interrupted where it
    /// has begun a new state, the next where it builds upon what it found of that.
    pub(crate) fn draw(rng: &mut Random, attempt: usize) -> Option<Self> {
        let is_first = attempt == 1;
        if !rng.chance(if is_first { 35 } else { 60 }) {
            return None;
        }
        let (beginning, window) = if is_first { ("MANIFEST-", 20) } else { ("stage-", 60) };
        Some(match rng.below(6) {
            0..=2 => Self::File { beginning, number: 1, turns: rng.below(window) },
            3 => Self::File { beginning: "MANIFEST-", number: 2, turns: rng.below(20) },
            4 => Self::Turns(rng.below(150)),
            _ => Self::Turns(rng.magnitude(400)),
        })
    }
}

impl Simulation {
    /// Opens; may be interrupted if it is told which attempt it is.
    pub(crate) fn try_open(&self, attempt: Option<usize>) -> Opened {
        let (failing, full) = self.active_faults();
        self.run.judge.borrow_mut().open(failing, full);
        self.run.figures.borrow_mut().openings += 1;
        let (options, end) = {
            let mut rng = self.rng.borrow_mut();
            let (options, durability) =
                options::draw(&mut rng, self.run.parameters.cores, self.is_made.get());
            self.run.durability.set(durability);
            let opening = self.run.figures.borrow().openings;
            self.garbage_percent.set(options::garbage_percent(self.run.parameters.seed, opening));
            let options = options.compact_garbage_percent(self.garbage_percent.get());
            let options = options.max_runs(options::max_runs(self.run.parameters.seed, opening));
            let options = options.direct_reads(options::direct_reads(self.run.parameters.seed, opening));
            (options, attempt.and_then(|attempt| Interruption::draw(&mut rng, attempt)))
        };
        self.run.directory.borrow().enter(&self.run.world);
        self.run.note(format_args!("opening {} with {}", self.run.path(), options::describe(&options)));
        match Db::open_simulated(&self.run.world, self.run.path(), options) {
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

    /// The order of writes ends where the opening says it does, or the run fails. False if damage to the
    /// manifest has led to a place from which the run cannot go on.
    pub(crate) fn opened(&self, db: Db) -> bool {
        let seqno = db.last_seqno();
        self.run.note(format_args!("open at seqno {seqno}, floor {}", self.run.model.borrow().floor()));
        let may_lose = self.run.judge.borrow().may_lose;
        let mut model = self.run.model.borrow_mut();
        self.run.figures.borrow_mut().taken_by_damage += model.floor().saturating_sub(seqno);
        let damaged = std::mem::take(&mut self.run.judge.borrow_mut().damaged_files);
        if let Err(reason) = model.recover(seqno, may_lose) {
            assert!(damaged.iter().any(|name| name.starts_with("MANIFEST-")), "{reason}");
            self.run.note(format_args!("{reason}: the manifest was damaged"));
            drop(model);
            check_nothing_is_invented(&self.run, &db);
            drop(db);
            self.drop_all();
            return false;
        }
        drop(model);
        if !damaged.is_empty() {
            check_nothing_is_invented(&self.run, &db);
        }
        self.is_made.set(true);
        *self.db.borrow_mut() = Some(db);
        true
    }

    /// Takes turns until the database is open, cannot be opened, or is interrupted.
    fn step_opening(&self, mut opening: OpeningDb, end: Option<Interruption>) -> Opened {
        let (mut end_turn, awaited) = match end {
            Some(Interruption::Turns(turns)) => (Some(turns), None),
            Some(Interruption::File { beginning, number, turns }) => {
                (None, Some((beginning, self.count_files(beginning) + number, turns)))
            }
            None => (None, None),
        };
        for turn in 0.. {
            if let (None, Some((beginning, count, turns))) = (end_turn, awaited)
                && self.count_files(beginning) >= count
            {
                end_turn = Some(turn + turns);
            }
            if end_turn == Some(turn) {
                self.run.figures.borrow_mut().opening_crashes += 1;
                self.crash(if self.was_interrupted.replace(true) { 75 } else { 40 });
                return Opened::Interrupted;
            }
            self.change_directory();
            self.turn(false);
            match opening.poll() {
                None => {}
                Some(Ok(db)) => {
                    self.was_interrupted.set(false);
                    return Opened::Ready(db);
                }
                Some(Err(error)) => return Opened::Refused(error),
            }
        }
        unreachable!("a run does not take turns for ever")
    }

    fn count_files(&self, beginning: &str) -> usize {
        self.run.world.count_names(self.run.dir(), beginning)
    }
}

//! One simulated caller: what it holds, what it waits for, and what it does next.

use std::pin::Pin;
use std::time::Duration;

use rabi::{Db, Durability, Error, KEY_LEN_MAX, WriteBatch, WriteOptions};

use crate::checks::check_stats;
use crate::cursors::HeldCursor;
use crate::guests::{self, Conduct, Found};
use crate::model::Entry;
use crate::pending::{Pending, What};
use crate::random::Random;
use crate::reading::{
    HeldRange, HeldSnapshot, Reading, Walk, Way, check_get, check_multi_get, check_presence,
    check_snapshot_get, read_range,
};
use crate::run::{Entering, Run};
use crate::workload::{Mix, batch_of, show_key};

const RANGES_MAX: usize = 2;
const CURSORS_MAX: usize = 2;
const SNAPSHOTS_MAX: usize = 3;

/// A caller.
pub(crate) struct Caller {
    number: usize,
    random: Random,
    pub(crate) mix: Mix,
    pub(crate) pending: Option<Pending>,
    /// It does nothing before this time.
    pub(crate) wakes_at: Duration,
    ranges: Vec<HeldRange>,
    cursors: Vec<HeldCursor>,
    snapshots: Vec<HeldSnapshot>,
}

impl Caller {
    pub(crate) fn new(seed: u64, number: usize) -> Self {
        let mut random = Random::new(seed, &format!("caller {number}"));
        let mix = Mix::draw(&mut random);
        let (pending, wakes_at) = (None, Duration::ZERO);
        let (ranges, cursors, snapshots) = (Vec::new(), Vec::new(), Vec::new());
        Self { number, random, mix, pending, wakes_at, ranges, cursors, snapshots }
    }

    /// Forgets everything of an opening that has ended.
    pub(crate) fn let_go(&mut self) {
        self.pending = None;
        self.ranges.clear();
        self.cursors.clear();
        self.snapshots.clear();
        self.wakes_at = Duration::ZERO;
        self.mix = Mix::draw(&mut self.random);
    }

    /// Begins the next operation; those that need no core end at once.
    pub(crate) fn act(&mut self, run: &Run, db: &Db) {
        match self.random.weighted(&self.mix.weights) {
            0 => {
                let entries = run.workload.single(&mut self.random, &self.mix);
                self.write(run, db, entries);
            }
            1 => {
                let entries = run.workload.batch(&mut self.random, &self.mix);
                self.write(run, db, entries);
            }
            2 => {
                let entries = run.workload.large(&mut self.random);
                self.write(run, db, entries);
            }
            3 => self.get(run, db),
            4 => self.range(run, db),
            5 => self.snapshot(run, db),
            6 => {
                let upto = run.model.borrow().visible();
                match self.random.below(3) {
                    0 => self.begin(run, What::Flush { upto }, db.flush_async()),
                    1 => self.begin(run, What::Sync { upto }, db.sync_async()),
                    _ => {
                        let empty = WriteBatch::new();
                        let power = WriteOptions::new().durability(Durability::Power);
                        self.begin(run, What::Sync { upto }, db.write_async(empty, power));
                    }
                }
            }
            7 => {
                let upto = run.model.borrow().visible();
                self.begin(run, What::Compact { upto }, db.compact_async());
            }
            8 => check_stats(run, db),
            9 => Self::open_twice(run),
            _ => self.refused_write(run, db),
        }
        if self.random.chance(self.mix.pauses) {
            let pause_us = self.random.magnitude(4_000_000) as u64;
            self.wakes_at = run.world.now() + Duration::from_micros(pause_us);
        }
    }

    pub(crate) fn begin(
        &mut self,
        run: &Run,
        what: What,
        future: impl Future<Output = rabi::Result<()>> + 'static,
    ) {
        let was_refused = run.judge.borrow().poisoned;
        let pending = Pending::new(what, run.world.now(), was_refused, future);
        run.note(format_args!("caller {} begins {}", self.number, pending.name()));
        self.pending = Some(pending);
    }

    /// Begins a write of the kind that the mix favours, or of the kind that the options of the opening say.
    pub(crate) fn write(&mut self, run: &Run, db: &Db, entries: Vec<Entry>) {
        let power = self.random.chance(self.mix.power);
        let (durability, options) = if self.random.chance(25) {
            (run.durability.get(), WriteOptions::new())
        } else {
            let durability = if power { Durability::Power } else { Durability::Process };
            (durability, WriteOptions::new().durability(durability))
        };
        if self.random.chance(30) && run.entering.borrow().is_none() {
            return self.write_awaited(run, db, entries, durability, options);
        }
        let future = db.write_async(batch_of(&entries), options);
        self.begin(run, What::Write { entries, durability, last: None }, future);
    }

    /// The same through the awaited face, whose futures may be dropped at any poll.
    fn write_awaited(
        &mut self,
        run: &Run,
        db: &Db,
        entries: Vec<Entry>,
        durability: Durability,
        options: WriteOptions,
    ) {
        let (db, batch) = (db.to_async(), batch_of(&entries));
        let entering = Entering { entries: entries.clone(), last: None, is_dropped: false };
        *run.entering.borrow_mut() = Some(entering);
        let core = self.random.below(db.as_blocking().cores());
        let (by_guest, drops) = (self.random.chance(40), self.random.chance(40));
        let future: Pin<Box<dyn Future<Output = rabi::Result<()>>>> = if by_guest {
            Box::pin(guests::write(db.as_blocking(), core, batch, options))
        } else {
            Box::pin(async move { db.write(batch, options).await })
        };
        let what = What::Write { entries, durability, last: None };
        let was_refused = run.judge.borrow().poisoned;
        let mut pending = Pending::new(what, run.world.now(), was_refused, future).by_core();
        if drops && !by_guest {
            pending = pending.dropped_after(self.random.magnitude(12));
        }
        run.note(format_args!("caller {} begins and awaits {}", self.number, pending.name()));
        self.pending = Some(pending);
    }

    /// A batch of this caller's with one entry, not begun.
    pub(crate) fn draw_entry(&mut self, run: &Run) -> Vec<Entry> {
        run.workload.single(&mut self.random, &self.mix)
    }

    /// A task on a core looks several keys up.
    fn multi_get_by_guest(&mut self, run: &Run, db: &Db) {
        let conduct = Conduct {
            core: self.random.below(db.cores()),
            gives_up_after: self.random.chance(30).then(|| self.random.magnitude(6)),
            is_busy: self.random.chance(10),
            panics: self.random.chance(10),
        };
        let (keys, found) = (self.draw_keys(run), Found::default());
        let future = guests::multi_get(db, conduct, keys.clone(), Found::clone(&found));
        let from = run.model.borrow().visible();
        self.begin(run, What::MultiGet { keys, from, found }, future);
    }

    fn get(&mut self, run: &Run, db: &Db) {
        if self.random.chance(10) {
            return self.multi_get_by_guest(run, db);
        }
        if self.random.chance(20) {
            let keys = self.draw_keys(run);
            let held = self.draw_snapshot().map(|index| &self.snapshots[index]);
            return check_multi_get(run, db, held, &keys);
        }
        let key = run.workload.key(&mut self.random);
        if !self.snapshots.is_empty() && self.random.chance(40) {
            let held = &self.snapshots[self.random.below(self.snapshots.len())];
            check_snapshot_get(run, held, &key);
        } else if self.random.chance(30) {
            check_presence(run, db, &key);
        } else {
            check_get(run, db, &key);
        }
    }

    fn range(&mut self, run: &Run, db: &Db) {
        if self.random.chance(40) {
            return self.move_cursor(run, db);
        }
        if self.ranges.is_empty() || (self.ranges.len() < RANGES_MAX && self.random.chance(50)) {
            let held = self.make_range(run, db);
            self.ranges.push(held);
        }
        let way = self.random.pick(&[Way::Forward, Way::Backward, Way::BothEnds]);
        let count = self.random.magnitude(300);
        let at = self.random.below(self.ranges.len());
        if read_range(run, &mut self.ranges[at], way, count) != Reading::Going || self.random.chance(5) {
            self.ranges.swap_remove(at);
        }
    }

    fn move_cursor(&mut self, run: &Run, db: &Db) {
        if self.cursors.is_empty() || (self.cursors.len() < CURSORS_MAX && self.random.chance(50)) {
            let snapshot = self.draw_snapshot().map(|index| &self.snapshots[index]);
            let model = run.model.borrow();
            let at = snapshot.map_or(model.visible(), |held| held.at);
            let cursor = snapshot.map_or_else(|| db.cursor(), |held| held.snapshot.cursor());
            self.cursors.push(HeldCursor { cursor, expected: model.prefix(b"", at), place: None, at });
        }
        let at = self.random.below(self.cursors.len());
        let count = self.random.magnitude(100);
        self.cursors[at].go(run, &mut self.random, count);
        if self.random.chance(20) {
            self.cursors.swap_remove(at);
        }
    }

    /// Some keys, perhaps one of them twice.
    fn draw_keys(&mut self, run: &Run) -> Vec<Vec<u8>> {
        let count = self.random.magnitude(400);
        (0..count).map(|_| run.workload.key(&mut self.random)).collect()
    }

    /// One of the snapshots held, or none for now.
    fn draw_snapshot(&mut self) -> Option<usize> {
        let len = self.snapshots.len();
        (len > 0 && self.random.chance(40)).then(|| self.random.below(len))
    }

    fn make_range(&mut self, run: &Run, db: &Db) -> HeldRange {
        let snapshot = self.draw_snapshot().map(|index| &self.snapshots[index]);
        let model = run.model.borrow();
        let at = snapshot.map_or(model.visible(), |held| held.at);
        if self.random.chance(30) {
            let prefix = run.workload.prefix(&mut self.random);
            let range = snapshot.map_or_else(|| db.prefix(&prefix), |held| held.snapshot.prefix(&prefix));
            let walk = Walk::draw(range, &mut self.random);
            return HeldRange { walk, expected: model.prefix(&prefix, at), at };
        }
        let bounds = run.workload.bounds(&mut self.random);
        let expected = model.range(&bounds, at);
        let range = match snapshot {
            Some(held) => held.snapshot.range(bounds),
            None => db.range(bounds),
        };
        HeldRange { walk: Walk::draw(range, &mut self.random), expected, at }
    }

    fn snapshot(&mut self, run: &Run, db: &Db) {
        if self.snapshots.len() < SNAPSHOTS_MAX && self.random.chance(60) {
            let at = run.model.borrow().visible();
            self.snapshots.push(HeldSnapshot { snapshot: db.snapshot(), at });
            run.note(format_args!("caller {} takes a snapshot at seqno {at}", self.number));
        } else if !self.snapshots.is_empty() {
            let held = self.snapshots.swap_remove(self.random.below(self.snapshots.len()));
            run.note(format_args!("caller {} drops the snapshot at seqno {}", self.number, held.at));
        }
    }

    /// A write that breaks a limit: refused by name, and nothing of it happens.
    fn refused_write(&mut self, run: &Run, db: &Db) {
        let mut batch = WriteBatch::new();
        batch.put(run.workload.key(&mut self.random), "must not be written");
        let key = vec![b'k'; KEY_LEN_MAX + 1];
        batch.put(&key, "too long a key");
        match db.write(batch, WriteOptions::default()) {
            Err(Error::KeyTooLarge { .. }) => {}
            other => panic!("put {}: {other:?}, expected a refusal of its length", show_key(&key)),
        }
    }

    /// The directory is in use: a second opening is refused at once.
    fn open_twice(run: &Run) {
        match Db::open_simulated(&run.world, run.dir(), rabi::Options::new()) {
            Err(Error::Locked { .. }) => {}
            Err(error) => run.permit("second opening", &error),
            Ok(_) => panic!("a second opening of the same directory was permitted"),
        }
    }
}

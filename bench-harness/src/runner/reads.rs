//! The reading operations of a client thread, and what `--verify` and `dataintegrity` make of them.
//!
//! A value is copied out of the engine within the measured time; it is checked after that, in a row of
//! its own (VERIFY). Scans alone are checked as their records pass by, within the measured time.

use super::audit::words;
use super::ledger::Floor;
use super::worker::Worker;
use crate::engine::{Direction, EngineResult, Scan};
use crate::generator::OpRandom;
use crate::measure::{Moment, Outcome, Row};
use crate::workload::{field, version};

impl Worker<'_> {
    pub fn read_and_check(&mut self, random: &mut OpRandom) {
        let floor = self.floor(self.number);
        let (_, outcome) = self.read(random);
        if self.checks {
            self.check(self.number, floor, outcome);
        }
    }

    /// Reads the record of the current key; returns when the call began and how it ended.
    pub fn read(&mut self, random: &mut OpRandom) -> (Moment, Outcome) {
        let one = self.field_to_read(random);
        let value = &mut self.value;
        let start = self.clock.before();
        let found = self.session.read(&self.key, &mut |bytes| keep(value, one, bytes));
        self.end = self.clock.after();
        (start, self.end_read(start, found))
    }

    /// Reads several records with one call.
    pub fn multi_read(&mut self, index: u64, random: &mut OpRandom) {
        self.choose_keys(index, random);
        self.read_keys();
    }

    /// Reads the current keys, of these numbers, with one call.
    pub fn read_keys(&mut self) {
        let floors = self.floors();
        let (value, ends) = (&mut self.value, &mut self.ends);
        value.clear();
        ends.clear();
        let start = self.clock.before();
        let called = self.session.multi_read(&self.keys, &mut |place, bytes| {
            value.extend_from_slice(bytes);
            ends.push((place, value.len()));
        });
        self.end = self.clock.after();
        self.end_multi_read(start, called, &floors);
    }

    /// Reads consecutive records from the current key on.
    pub fn scan(&mut self, direction: Direction, random: &mut OpRandom) {
        self.scan_limit = self.shared.job.workload.scan_length.draw(random);
        self.scan_to_limit(direction);
    }

    /// Reads as many of them as is set.
    pub fn scan_to_limit(&mut self, direction: Direction) {
        let mut seen = Seen::new(self.checks, direction);
        let (start_key, value) = (&self.key, &mut self.value);
        let mut visit = |key: &[u8], bytes: &[u8]| seen.visit(start_key, value, (key, bytes));
        let start = self.clock.before();
        let scan = Scan { start: start_key, limit: self.scan_limit, direction };
        let count = self.session.scan(scan, &mut visit);
        self.end = self.clock.after();
        self.end_scan(start, count, seen);
    }
}

/// Keeps what was read: all of it, or one field.
#[inline]
pub fn keep(value: &mut Vec<u8>, one: Option<u64>, bytes: &[u8]) {
    value.clear();
    value.extend_from_slice(match one {
        Some(index) => field(bytes, index).unwrap_or_default(),
        None => bytes,
    });
}

/// What a scan has passed.
pub struct Seen {
    check: bool,
    direction: Direction,
    last: Option<Vec<u8>>,
    problem: Option<String>,
    bytes: u64,
}

impl Seen {
    pub fn new(check: bool, direction: Direction) -> Seen {
        Seen { check, direction, last: None, problem: None, bytes: 0 }
    }

    /// Copies a record out, and checks it if that is asked for.
    #[inline]
    pub fn visit(&mut self, start: &[u8], value: &mut Vec<u8>, (key, bytes): (&[u8], &[u8])) {
        value.clear();
        value.extend_from_slice(bytes);
        self.bytes += (key.len() + bytes.len()) as u64;
        if self.check && self.problem.is_none() {
            self.problem = problem_in_scan(self.direction, start, self.last.as_deref(), key, bytes);
            let last = self.last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
        }
    }
}

/// What calls that block and calls that are awaited have in common.
impl<S> Worker<'_, S> {
    /// What the ledger expects of a read that begins now.
    pub fn floor(&self, number: u64) -> Option<Floor> {
        self.shared.ledger.map(|ledger| ledger.floor(number))
    }

    /// The same of all records of a multi-get.
    pub fn floors(&self) -> Vec<Option<Floor>> {
        match self.shared.ledger {
            Some(_) => self.numbers.iter().map(|number| self.floor(*number)).collect(),
            None => Vec::new(),
        }
    }

    /// The one field that is read; nothing if all are.
    #[inline]
    pub fn field_to_read(&self, random: &mut OpRandom) -> Option<u64> {
        let workload = &self.shared.job.workload;
        let whole = workload.read_all_fields || self.checks;
        (!whole).then(|| random.below(workload.records.fields))
    }

    /// Notes the end of a read of the current key.
    #[inline]
    pub fn end_read(&mut self, start: Moment, found: EngineResult<bool>) -> Outcome {
        let outcome = match found {
            Ok(true) => {
                self.done.read_bytes += (self.key.len() + self.value.len()) as u64;
                Outcome::Ok
            }
            Ok(false) => Outcome::NotFound,
            Err(error) => self.failed(&error.to_string()),
        };
        self.finish(Row::Read, outcome, start);
        outcome
    }

    /// Draws the records of a multi-get.
    pub fn choose_keys(&mut self, index: u64, random: &mut OpRandom) {
        let size = self.shared.job.workload.multi_read_size;
        self.numbers.clear();
        self.keys.resize_with(size as usize, Vec::new);
        for place in 0..size {
            let number = self.choose(index, index.wrapping_mul(size).wrapping_add(place), random);
            self.numbers.push(number);
            self.shared.job.workload.keys.write(number, &mut self.keys[place as usize]);
        }
    }

    /// Notes the end of a multi-get.
    pub fn end_multi_read(&mut self, start: Moment, called: EngineResult<()>, floors: &[Option<Floor>]) {
        let outcome = match called {
            Ok(()) => self.outcome_of_multi_read(self.keys.len()),
            Err(error) => self.failed(&error.to_string()),
        };
        self.finish(Row::MultiRead, outcome, start);
        if outcome != Outcome::Error {
            self.check_each(floors);
        }
    }

    /// Notes the end of a scan.
    pub fn end_scan(&mut self, start: Moment, count: EngineResult<usize>, seen: Seen) {
        self.done.read_bytes += seen.bytes;
        let outcome = match (count, seen.problem) {
            (Err(error), _) => self.failed(&error.to_string()),
            (Ok(_), Some(problem)) => {
                self.shared.keep_error(problem);
                Outcome::Corrupt
            }
            (Ok(0), None) => Outcome::NotFound,
            (Ok(_), None) => Outcome::Ok,
        };
        let row = if seen.direction == Direction::Forward { Row::Scan } else { Row::ReverseScan };
        self.finish(row, outcome, start);
    }

    /// Holds what a read of the current key found against what it may find, if that is asked for.
    pub fn check(&mut self, number: u64, floor: Option<Floor>, outcome: Outcome) {
        if !self.checks || outcome == Outcome::Error {
            return;
        }
        let (end, start) = (self.end, self.clock.before());
        let found = (outcome == Outcome::Ok).then(|| version(&self.key, &self.value));
        let problem = self.problem(number, floor, found);
        self.end = self.clock.after();
        let verdict = match (&problem, outcome) {
            (None, Outcome::Ok) => Outcome::Ok,
            // That nothing is there has been counted by the read, unless deletes make it normal.
            (None, _) => return self.end = end,
            (Some(_), Outcome::NotFound) => Outcome::Error,
            (Some(_), _) => Outcome::Corrupt,
        };
        if let Some(problem) = problem {
            let key = self.key.escape_ascii();
            self.shared.keep_error(format!("{key}: VERIFY: {problem}"));
        }
        if verdict != Outcome::Error || self.missing_is_fine() {
            self.record(Row::Verify, verdict, start);
            self.done.failures += u64::from(verdict != Outcome::Ok);
        }
        // The end of the operation itself, which a read-modify-write still needs.
        self.end = end;
    }

    /// What is wrong with the value read, in words. `found` is nothing where the record was not
    /// there, and holds no version where its bytes are not what was written.
    fn problem(&mut self, number: u64, floor: Option<Floor>, found: Option<Option<u32>>) -> Option<String> {
        if found == Some(None) {
            let found = words(None, &self.value);
            return Some(format!("expected a record that was written under this key, found {found}"));
        }
        if found.is_some()
            && self.shared.job.workload.integrity
            && !self.expected.has_fields_of(&self.key, &self.value)
        {
            return Some("expected the fields that follow from the key, found others".to_owned());
        }
        let (ledger, floor) = self.shared.ledger.zip(floor)?;
        let expected = ledger.judge(number, floor, found.flatten()).err()?;
        let found = found.map_or_else(|| "nothing".to_owned(), |version| words(version, &self.value));
        Some(format!("expected {expected}, found {found}"))
    }

    fn outcome_of_multi_read(&mut self, size: usize) -> Outcome {
        let key_bytes: usize = self.ends.iter().map(|(place, _)| self.keys[*place].len()).sum();
        self.done.read_bytes += (key_bytes + self.value.len()) as u64;
        if self.ends.len() == size {
            return Outcome::Ok;
        }
        // The message names the first one that is missing.
        let missing = (0..size).find(|place| self.ends.iter().all(|(found, _)| found != place));
        self.key.clone_from(&self.keys[missing.unwrap_or(0)]);
        Outcome::NotFound
    }

    fn check_each(&mut self, floors: &[Option<Floor>]) {
        if !self.checks {
            return;
        }
        let (all, ends) = (std::mem::take(&mut self.value), std::mem::take(&mut self.ends));
        for place in 0..self.keys.len() {
            let at = ends.iter().position(|(found, _)| *found == place);
            self.key.clone_from(&self.keys[place]);
            self.value.clear();
            if let Some(at) = at {
                let begin = at.checked_sub(1).map_or(0, |before| ends[before].1);
                self.value.extend_from_slice(&all[begin..ends[at].1]);
            }
            let outcome = if at.is_some() { Outcome::Ok } else { Outcome::NotFound };
            self.check(self.numbers[place], floors.get(place).copied().flatten(), outcome);
        }
        (self.value, self.ends) = (all, ends);
    }
}

/// What is wrong with a record of a scan, in words.
fn problem_in_scan(
    direction: Direction,
    start: &[u8],
    last: Option<&[u8]>,
    key: &[u8],
    value: &[u8],
) -> Option<String> {
    let ordered = match direction {
        Direction::Forward => key >= start && last.is_none_or(|last| key > last),
        Direction::Back => key <= start && last.is_none_or(|last| key < last),
    };
    let shown = key.escape_ascii();
    if !ordered {
        let before = last.unwrap_or(start).escape_ascii();
        return Some(format!("{shown}: SCAN: expected the key next to {before}, found one out of order"));
    }
    match version(key, value) {
        Some(_) => None,
        None => {
            let found = words(None, value);
            Some(format!("{shown}: SCAN: expected a record that was written under this key, found {found}"))
        }
    }
}

//! The whole database against the ledger: what is there before a verified phase, and whether
//! everything that was acknowledged is there after it.
//!
//! The database is scanned in pieces, so that no engine has to keep one iterator open for
//! long. Keys hold hashes, so a table from the hash of each key to its record number is made first.

use std::collections::HashMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::ledger::Ledger;
use crate::engine::{Engine, EngineResult, Scan};
use crate::interrupt;
use crate::workload::{KeyFormat, version};

/// Records in one piece of the scan.
const PIECE: usize = 1000;

#[derive(Debug, Default, Serialize)]
pub struct Audit {
    pub good: u64,
    pub bad: u64,
    /// Of those, the ones where an acknowledged write is missing; the others are what nobody wrote.
    #[serde(skip)]
    pub lost: u64,
    /// The first of those: key, what was expected, what was found.
    #[serde(skip)]
    pub texts: Vec<String>,
}

impl Audit {
    const TEXTS_MAX: usize = 5;

    /// Counts a batch that is in one record and not in another.
    pub fn note_torn_batch(&mut self, keys: &KeyFormat, there: u64, missing: u64) {
        self.note(false, || {
            let (mut has, mut has_not) = (Vec::new(), Vec::new());
            keys.write(there, &mut has);
            keys.write(missing, &mut has_not);
            let (has, has_not) = (has.escape_ascii(), has_not.escape_ascii());
            format!(
                "{has_not}: after the run: expected what a batch wrote here, as it is in {has}, found older"
            )
        });
    }

    fn note(&mut self, fine: bool, text: impl FnOnce() -> String) {
        if fine {
            self.good += 1;
            return;
        }
        self.bad += 1;
        if self.texts.len() < Audit::TEXTS_MAX {
            self.texts.push(text());
        }
    }
}

/// Notes what is in the database now, for record numbers below `count`. Damage is left for
/// the reads to report.
pub fn take_stock(engine: &dyn Engine, keys: &KeyFormat, count: u64, ledger: &Ledger) -> EngineResult<()> {
    let numbers = numbers_of(keys, count);
    scan_all(engine, &mut |key, value| {
        if let Some(number) = numbers.get(&xxh3_64(key)) {
            ledger.found_at_start(*number, version(key, value).unwrap_or(0));
        }
    })?;
    Ok(())
}

/// Holds every record of the database against the ledger, and the ledger against the database. Each record
/// that has been judged is handed to `judged` with the version found; a damaged one is not. Nothing if a signal ended it.
pub fn audit(
    engine: &dyn Engine,
    keys: &KeyFormat,
    ledger: &Ledger,
    judged: &mut dyn FnMut(u64, Option<u32>),
) -> EngineResult<Option<Audit>> {
    let mut audit = Audit::default();
    let count = ledger.numbers();
    let numbers = numbers_of(keys, count);
    let mut seen = vec![false; count as usize];
    let disorder = scan_all(engine, &mut |key, value| {
        let found = version(key, value);
        let number = numbers.get(&xxh3_64(key)).copied();
        let expected = match (number, found) {
            (Some(number), Some(found)) => {
                let floor = ledger.floor(number);
                audit.lost += u64::from(floor.is_above(found));
                let expected = ledger.judge(number, floor, Some(found));
                judged(number, Some(found));
                expected
            }
            // A record of nobody's is judged by its checksum alone.
            (None, Some(_)) => Ok(()),
            (_, None) => Err("a record that was written under this key".to_owned()),
        };
        if let Some(number) = number {
            seen[number as usize] = true;
        }
        audit.note(expected.is_ok(), || {
            let expected = expected.err().unwrap_or_default();
            format!(
                "{}: after the run: expected {expected}, found {}",
                key.escape_ascii(),
                words(found, value)
            )
        });
    })?;
    if interrupt::asked().is_some() {
        return Ok(None);
    }
    if let Some(disorder) = disorder {
        audit.note(false, || format!("after the run: {disorder}"));
    }
    let mut key = Vec::new();
    for number in (0..count).filter(|number| !seen[*number as usize]) {
        if let Err(expected) = ledger.judge(number, ledger.floor(number), None) {
            keys.write(number, &mut key);
            let key = key.escape_ascii();
            audit.lost += 1;
            audit.note(false, || format!("{key}: after the run: expected {expected}, found nothing"));
        }
        judged(number, None);
    }
    Ok(Some(audit))
}

/// What a read found, for a message.
pub fn words(found: Option<u32>, value: &[u8]) -> String {
    match found {
        Some(version) => format!("version {version}"),
        None => format!("{} bytes that were never written under this key", value.len()),
    }
}

fn numbers_of(keys: &KeyFormat, count: u64) -> HashMap<u64, u64> {
    let mut key = Vec::new();
    let pair = |number| {
        keys.write(number, &mut key);
        (xxh3_64(&key), number)
    };
    (0..count).map(pair).collect()
}

/// Visits all records; returns in words where they were out of order, which ends the scan, as a signal does.
fn scan_all(engine: &dyn Engine, visit: &mut dyn FnMut(&[u8], &[u8])) -> EngineResult<Option<String>> {
    let mut session = engine.session()?;
    // The smallest key there can be, not the empty one, which LMDB refuses.
    let mut start = vec![0];
    let mut last: Option<Vec<u8>> = None;
    loop {
        let mut disorder = None;
        let count = session.scan(Scan::forward(&start, PIECE), &mut |key, value| {
            if last.as_deref().is_some_and(|last| key <= last) {
                let last = last.as_deref().unwrap_or_default().escape_ascii();
                disorder.get_or_insert_with(|| {
                    format!("a scan gave {} behind {last}, expected ascending keys", key.escape_ascii())
                });
                return;
            }
            visit(key, value);
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
        })?;
        if disorder.is_some() || count < PIECE || interrupt::asked().is_some() {
            return Ok(disorder);
        }
        // The smallest key behind the last one.
        start.clear();
        start.extend_from_slice(last.as_deref().unwrap_or_default());
        start.push(0);
    }
}

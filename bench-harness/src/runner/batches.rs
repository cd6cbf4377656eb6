//! Whether batches are whole after a crash: none may be there in part.

use std::collections::HashMap;

use super::ledger::{Batch, Ledger};

/// What records say of the batches that wrote them last.
#[derive(Debug, Default)]
pub struct Batches {
    fates: HashMap<Batch, Fate>,
}

/// Of one batch, a record that has it and one that has not.
#[derive(Debug, Default)]
struct Fate {
    there: Option<u64>,
    missing: Option<u64>,
}

impl Batches {
    /// Notes what was found of a record.
    pub fn note(&mut self, ledger: &Ledger, number: u64, found: Option<u32>) {
        let Some((batch, took_effect)) = ledger.fate_of_batch(number, found) else {
            return;
        };
        let fate = self.fates.entry(batch).or_default();
        let seen = if took_effect { &mut fate.there } else { &mut fate.missing };
        *seen = Some(number);
    }

    /// For each batch that is there in part, a record that has it and one that has not.
    pub fn torn(&self) -> Vec<(u64, u64)> {
        let mut torn: Vec<_> = self.fates.values().filter_map(|fate| fate.there.zip(fate.missing)).collect();
        torn.sort_unstable();
        torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Change;

    #[test]
    fn half_a_batch_is_torn_and_all_or_nothing_of_one_is_not() {
        let ledger = Ledger::new();
        (1..=6).for_each(|number| ledger.found_at_start(number, 1));
        for batch in [[1, 2], [3, 4], [5, 6]] {
            let id = ledger.new_batch();
            batch.into_iter().for_each(|number| assert_eq!(ledger.begin_in(number, Change::Put, id), 2));
        }
        let mut batches = Batches::default();
        for (number, version) in [(1, 2), (2, 2), (3, 1), (4, 1), (5, 2), (6, 1)] {
            batches.note(&ledger, number, Some(version));
        }
        assert_eq!(batches.torn(), [(5, 6)]);
    }
}

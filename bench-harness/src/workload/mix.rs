//! The kinds of operation and their shares.

/// One operation of the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read one record.
    Read,
    /// Overwrite one record.
    Update,
    /// Add a record that was not there.
    Insert,
    /// Read consecutive records from a key on.
    Scan,
    /// Read a record and write it back changed.
    ReadModifyWrite,
    /// Remove one record. This and those below are extensions: YCSB has none of them.
    Delete,
    /// Read several records in one call.
    MultiRead,
    /// Overwrite several records, all or none.
    Batch,
    /// Read consecutive records towards smaller keys.
    ReverseScan,
}

/// The shares of the operations. They need not add up to one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix {
    /// Weight of reads.
    pub read: f64,
    /// Weight of updates.
    pub update: f64,
    /// Weight of inserts.
    pub insert: f64,
    /// Weight of scans.
    pub scan: f64,
    /// Weight of read-modify-writes.
    pub read_modify_write: f64,
    /// Weight of deletes.
    pub delete: f64,
    /// Weight of multi-gets.
    pub multi_read: f64,
    /// Weight of batches.
    pub batch: f64,
    /// Weight of reverse scans.
    pub reverse_scan: f64,
}

impl Mix {
    fn weights(&self) -> [(f64, Operation); 9] {
        [
            (self.read, Operation::Read),
            (self.update, Operation::Update),
            (self.insert, Operation::Insert),
            (self.scan, Operation::Scan),
            (self.read_modify_write, Operation::ReadModifyWrite),
            (self.delete, Operation::Delete),
            (self.multi_read, Operation::MultiRead),
            (self.batch, Operation::Batch),
            (self.reverse_scan, Operation::ReverseScan),
        ]
    }

    /// The sum of all weights.
    pub fn total(&self) -> f64 {
        self.weights().iter().map(|(weight, _)| weight).sum()
    }

    /// The operation at `unit`, a number in [0, 1).
    pub fn choose(&self, unit: f64) -> Operation {
        let mut rest = unit * self.total();
        let mut last = Operation::Read;
        for (weight, operation) in self.weights() {
            if weight <= 0.0 {
                continue;
            }
            if rest < weight {
                return operation;
            }
            rest -= weight;
            last = operation;
        }
        // Rounding can leave a crumb; it belongs to the last operation that occurs at all.
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights_and_absent_operations_never_occur() {
        let mix = Mix { read: 1.0, insert: 3.0, ..Mix::default() };
        let count = |wanted| (0..1_000).filter(|i| mix.choose(*i as f64 / 1e3) == wanted).count();
        assert_eq!(count(Operation::Read), 250);
        assert_eq!(count(Operation::Insert), 750);
        assert_eq!(mix.choose(1.0), Operation::Insert);
    }
}

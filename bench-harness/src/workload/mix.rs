//! The kinds of operation and their shares.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Read,
    Update,
    /// Add a record that was not there.
    Insert,
    /// Read consecutive records from a key on.
    Scan,
    ReadModifyWrite,
    /// Remove one record. This and those below are extensions: YCSB has none of them.
    Delete,
    MultiRead,
    /// Overwrite several records, all or none.
    Batch,
    /// Read consecutive records towards smaller keys.
    ReverseScan,
    /// Overwrite records, all or none, visible at once, and wait until they survive loss of power.
    Ticket,
}

impl Operation {
    /// Whether it is on one record that is there; others have records of their own.
    pub fn is_on_a_record(self) -> bool {
        !matches!(self, Operation::Insert | Operation::MultiRead | Operation::Batch | Operation::Ticket)
    }
}

/// The shares of the operations. They need not add up to one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix {
    pub read: f64,
    pub update: f64,
    pub insert: f64,
    pub scan: f64,
    pub read_modify_write: f64,
    pub delete: f64,
    pub multi_read: f64,
    pub batch: f64,
    pub reverse_scan: f64,
    pub ticket: f64,
}

impl Mix {
    fn weights(&self) -> [(f64, Operation); 10] {
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
            (self.ticket, Operation::Ticket),
        ]
    }

    pub fn total(&self) -> f64 {
        self.weights().iter().map(|(weight, _)| weight).sum()
    }

    /// The same, made ready for drawing from it.
    pub fn lots(&self) -> Lots {
        let mut end = 0.0;
        let occurring = self.weights().into_iter().filter(|(weight, _)| *weight > 0.0);
        let lots = occurring.map(|(weight, operation)| {
            end += weight;
            (end, operation)
        });
        Lots { lots: lots.collect(), total: self.total() }
    }
}

/// The operations that occur, each with where its share ends.
#[derive(Debug, Clone)]
pub struct Lots {
    lots: Vec<(f64, Operation)>,
    total: f64,
}

impl Lots {
    #[inline]
    pub fn choose(&self, unit: f64) -> Operation {
        let place = unit * self.total;
        // Rounding can leave a crumb; it belongs to the last operation that occurs at all.
        let lot = self.lots.iter().find(|(end, _)| place < *end).or(self.lots.last());
        lot.map_or(Operation::Read, |(_, operation)| *operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights_and_absent_operations_never_occur() {
        let mix = Mix { read: 1.0, insert: 3.0, ..Mix::default() };
        let lots = mix.lots();
        let count = |wanted| (0..1_000).filter(|i| lots.choose(*i as f64 / 1e3) == wanted).count();
        assert_eq!(count(Operation::Read), 250);
        assert_eq!(count(Operation::Insert), 750);
        assert_eq!(lots.choose(1.0), Operation::Insert);
    }
}

//! How a worker takes operations that were made ready before their turn, and makes the next ones ready.

use crate::generator::OpRandom;
use crate::workload::Operation;

use super::ahead::Ready;
use super::worker::Worker;

impl<S> Worker<'_, S> {
    /// The operation with this index, which is taken once; its record and key become the current
    /// ones.
    #[inline]
    pub fn take(&mut self, index: u64) -> (Operation, OpRandom) {
        let place = self.place(index);
        let ready = &mut self.ahead.ready[place];
        self.number = ready.number;
        std::mem::swap(&mut self.key, &mut ready.key);
        (ready.operation, ready.random.clone())
    }

    /// Where the operation with this index is ready now.
    #[inline]
    pub fn place(&mut self, index: u64) -> usize {
        self.ahead.place(index).unwrap_or_else(|| self.make_ready(index))
    }

    /// How many of the ready operations are reads, from this place on and without a gap.
    #[inline]
    pub fn reads_from(&self, place: usize) -> usize {
        self.ahead.ready[place..].iter().take_while(|ready| ready.operation == Operation::Read).count()
    }

    /// Makes the operations from this index on; it is in the first place.
    #[inline(never)]
    fn make_ready(&mut self, first: u64) -> usize {
        let (shared, ahead) = (self.shared, &mut self.ahead);
        let none = || Ready {
            operation: Operation::Read,
            number: 0,
            key: Vec::new(),
            random: shared.stream.operation(first),
        };
        ahead.ready.resize_with(ahead.count, none);
        ahead.first = first;
        let limit = shared.insert_numbers.at(first);
        for (ready, index) in ahead.ready.iter_mut().zip(first..) {
            ready.random = shared.stream.operation(index);
            ready.operation = self.lots.choose(ready.random.unit());
        }
        let on_records =
            ahead.ready.iter_mut().zip(first..).filter(|(ready, _)| ready.operation.is_on_a_record());
        let places = on_records.map(|(ready, index)| (index, &mut ready.random, &mut ready.number));
        self.chooser.choose_each(limit, places);
        for ready in &mut ahead.ready {
            shared.job.workload.keys.write(ready.number, &mut ready.key);
        }
        0
    }
}

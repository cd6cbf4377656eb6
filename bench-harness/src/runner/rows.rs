//! Reads in a row, with one look at the clock between each two.
//!
//! A look at the clock is a third of what the harness costs. Where the next operations are reads
//! that have been made ready and are not checked, nothing stands between the end of one call and
//! the beginning of the next but keeping that end: it is the beginning as well, and two looks
//! become one. The latencies are recorded when the row is over. A row is short in time, too, so
//! that what is recorded and counted is never far behind.

use crate::engine::EngineResult;
use crate::measure::{Moment, Outcome, Row};

use super::ahead::COUNT;
use super::worker::Worker;

/// No call begins when a row has lasted this long.
const ROW_NS_MAX: u64 = 20_000;

impl Worker<'_> {
    /// Reads the records of ready operations, `count` from this place on, until the deadline or the
    /// first that does not end as it should. Returns how many it has read: one at least.
    pub fn read_row(&mut self, place: usize, count: usize, deadline: Option<Moment>) -> usize {
        let (session, value) = (&mut self.session, &mut self.value);
        let mut ends = [self.end; COUNT];
        let mut done = 0;
        let mut failed: Option<EngineResult<bool>> = None;
        let start = self.clock.before();
        let limit = start.plus_ns(ROW_NS_MAX);
        let limit = deadline.map_or(limit, |deadline| deadline.min(limit));
        for (ready, end) in self.ahead.ready[place..place + count].iter().zip(&mut ends) {
            let found = session.read(&ready.key, &mut |bytes| {
                value.clear();
                value.extend_from_slice(bytes);
            });
            *end = self.clock.after();
            done += 1;
            if !matches!(found, Ok(true)) {
                failed = Some(found);
                break;
            }
            self.done.read_bytes += (ready.key.len() + value.len()) as u64;
            if *end >= limit {
                break;
            }
        }
        self.record_row(start, &ends[..done], failed, place);
        self.done.operations += done as u64;
        done
    }

    /// Records the reads that ended at these times, the last of which may have failed.
    fn record_row(
        &mut self,
        mut start: Moment,
        ends: &[Moment],
        failed: Option<EngineResult<bool>>,
        place: usize,
    ) {
        let succeeded = ends.len() - usize::from(failed.is_some());
        for end in &ends[..succeeded] {
            self.end = *end;
            self.record(Row::Read, Outcome::Ok, start);
            start = *end;
        }
        if let Some(found) = failed {
            self.end = ends[succeeded];
            self.key.clone_from(&self.ahead.ready[place + succeeded].key);
            let outcome = match found {
                Ok(_) => Outcome::NotFound,
                Err(error) => self.failed(&error.to_string()),
            };
            self.finish(Row::Read, outcome, start);
        }
    }
}

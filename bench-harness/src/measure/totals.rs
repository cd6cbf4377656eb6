//! What all threads together have recorded by some moment, and what was added between two.

use std::sync::atomic::Ordering;

use super::counts::Counts;
use super::latencies::{BUCKETS, Latencies};
use super::recorder::{Outcome, Recorder, Row, RowRecord};

type Outcomes = [u64; Outcome::ALL.len()];

/// The sums of all threads at one moment, row by row.
#[derive(Debug, Default)]
pub struct Totals {
    rows: [Option<RowTotals>; Row::ALL.len()],
}

#[derive(Debug)]
struct RowTotals {
    outcomes: Outcomes,
    service: Box<[u64]>,
    response: Option<Box<[u64]>>,
    failed: Option<Box<[u64]>>,
}

impl Totals {
    /// The sums now. Operations that end meanwhile may be in one sum and not in another.
    pub fn gather(recorders: &[Recorder]) -> Totals {
        let row = |row| {
            let records: Vec<&RowRecord> = recorders.iter().filter_map(|each| each.row(row)).collect();
            (!records.is_empty()).then(|| RowTotals::of(&records))
        };
        Totals { rows: Row::ALL.map(row) }
    }

    /// What was added since an earlier moment; rows without any are left out.
    pub fn since(&self, earlier: &Totals) -> Vec<RowSlice> {
        let rows = Row::ALL.into_iter().zip(self.rows.iter().zip(&earlier.rows));
        let slices =
            rows.filter_map(|(row, (later, earlier))| Some(later.as_ref()?.since(row, earlier.as_ref())));
        slices.filter(|slice| slice.outcomes.iter().any(|count| *count > 0)).collect()
    }
}

impl RowTotals {
    fn of(records: &[&RowRecord]) -> RowTotals {
        let mut outcomes = Outcomes::default();
        for record in records {
            for (sum, count) in outcomes.iter_mut().zip(&record.outcomes) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        let sum = |of: &dyn Fn(&RowRecord) -> Option<&Latencies>| {
            let mut sum = vec![0; BUCKETS].into_boxed_slice();
            records.iter().filter_map(|record| of(record)).for_each(|each| each.add_to(&mut sum));
            sum
        };
        let any_failed = records.iter().any(|record| record.failed.get().is_some());
        let scheduled = records.iter().any(|record| record.response.is_some());
        RowTotals {
            outcomes,
            service: sum(&|record| Some(&record.service)),
            response: scheduled.then(|| sum(&|record| record.response.as_ref())),
            failed: any_failed.then(|| sum(&|record| record.failed.get())),
        }
    }

    fn since(&self, row: Row, earlier: Option<&RowTotals>) -> RowSlice {
        let mut outcomes = self.outcomes;
        if let Some(earlier) = earlier {
            outcomes.iter_mut().zip(earlier.outcomes).for_each(|(later, earlier)| *later -= earlier);
        }
        let before = |of: fn(&RowTotals) -> Option<&[u64]>| earlier.and_then(of).unwrap_or_default();
        let failed = |later: &[u64]| Counts::between(before(|row| row.failed.as_deref()), later);
        let response = |later: &[u64]| Counts::between(before(|row| row.response.as_deref()), later);
        RowSlice {
            row,
            outcomes,
            service: Counts::between(before(|row| Some(&row.service)), &self.service),
            response: self.response.as_deref().map(response),
            failed: self.failed.as_deref().map(failed),
        }
    }
}

/// What one row got in a stretch of time.
#[derive(Debug, Clone)]
pub struct RowSlice {
    pub row: Row,
    /// How often each outcome occurred, in the order of `Outcome::ALL`.
    pub outcomes: Outcomes,
    pub service: Counts,
    pub response: Option<Counts>,
    /// From the actual start, of what did not end as it should, if there ever was any.
    pub failed: Option<Counts>,
}

impl RowSlice {
    /// Adds what the same row got in another stretch.
    pub fn absorb(&mut self, other: &RowSlice) {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(sum, count)| *sum += count);
        self.service.absorb(&other.service);
        absorb_some(&mut self.response, &other.response);
        absorb_some(&mut self.failed, &other.failed);
    }
}

fn absorb_some(mine: &mut Option<Counts>, others: &Option<Counts>) {
    match (mine, others) {
        (Some(mine), Some(others)) => mine.absorb(others),
        (mine @ None, Some(others)) => *mine = Some(others.clone()),
        (_, None) => {}
    }
}

/// Adds the rows of another stretch to those of one.
pub fn absorb(rows: &mut Vec<RowSlice>, others: &[RowSlice]) {
    for other in others {
        match rows.iter_mut().find(|mine| mine.row == other.row) {
            Some(mine) => mine.absorb(other),
            None => rows.push(other.clone()),
        }
    }
    rows.sort_by_key(|slice| slice.row as usize);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Latency;

    fn latency(service_ns: u64) -> Latency {
        Latency { service_ns, response_ns: 10 * service_ns }
    }

    #[test]
    fn a_stretch_holds_what_all_threads_added_in_it() {
        let recorders = [Recorder::new(true), Recorder::new(true)];
        recorders[0].record(Row::Read, Outcome::Ok, latency(100));
        let early = Totals::gather(&recorders);
        recorders[0].record(Row::Read, Outcome::Ok, latency(200));
        recorders[1].record(Row::Read, Outcome::NotFound, latency(300));
        recorders[1].record(Row::Update, Outcome::Ok, latency(400));
        let mut rows = Totals::gather(&recorders).since(&early);
        assert_eq!(rows.iter().map(|slice| slice.row).collect::<Vec<_>>(), [Row::Read, Row::Update]);
        assert_eq!(rows[0].outcomes, [1, 1, 0, 0]);
        assert_eq!((rows[0].service.total(), rows[0].service.max_ns()), (1, 200));
        let failed = rows[0].failed.as_ref().unwrap();
        assert_eq!((failed.total(), failed.max_ns()), (1, 300));
        assert!(rows[1].failed.is_none());
        assert_eq!(rows[0].response.as_ref().unwrap().max_ns(), 2_000);
        absorb(&mut rows, &early.since(&Totals::default()));
        assert_eq!((rows[0].outcomes, rows[0].service.total()), ([2, 1, 0, 0], 2));
        assert!(Totals::gather(&recorders).since(&Totals::gather(&recorders)).is_empty());
    }

    #[test]
    fn without_a_schedule_there_are_no_response_times() {
        let recorder = Recorder::new(false);
        recorder.record(Row::Read, Outcome::Ok, latency(100));
        let rows = Totals::gather(&[recorder]).since(&Totals::default());
        assert!(rows[0].response.is_none());
    }
}

//! Runs one phase of a workload against an open engine.
//!
//! The calling thread only watches: it collects counters for the observer until every client
//! thread has handed in its recorder. Client threads start together behind a barrier; the phase
//! lasts from the first start to the last end. This is a closed loop: a thread begins an
//! operation when its previous one has ended, or later when a target rate is set.

mod claim;
mod live;
mod throttle;
mod timeline;
mod worker;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Barrier, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineResult};
use crate::generator::{AcknowledgedCounter, Stream};
use crate::measure::{Row, RowSummary, summarize};
use crate::workload::{Pool, RecordBuilder, Workload};

pub use live::LiveStatus;
use timeline::Timeline;
use worker::{Shared, ThreadResult};

/// The name of the random stream of records: the same for a load and for all runs.
const RECORD_STREAM: &str = "records";

/// Which half of YCSB a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    /// Inserts the data set.
    Load,
    /// Performs the mix of operations.
    Run,
}

impl PhaseKind {
    /// The word used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            PhaseKind::Load => "load",
            PhaseKind::Run => "run",
        }
    }
}

/// One phase to be run.
#[derive(Debug, Clone)]
pub struct Job {
    /// Load or run.
    pub kind: PhaseKind,
    /// The name of the workload in reports; with the kind it also selects the random stream.
    pub workload_name: String,
    /// What to do.
    pub workload: Workload,
    /// The seed of everything random.
    pub seed: u64,
}

impl Job {
    /// How many operations the phase has; without a bound it ends by time.
    pub fn operations(&self) -> Option<u64> {
        match self.kind {
            PhaseKind::Load => Some(self.workload.insert_count),
            PhaseKind::Run => Some(self.workload.operation_count).filter(|count| *count > 0),
        }
    }

    /// The bytes its values are cut from.
    pub fn pool(&self) -> Pool {
        Pool::new(self.seed, &self.workload.records)
    }

    /// The mean of key and value over some records of the data set; exact where all have one size.
    pub fn record_bytes_mean(&self) -> u64 {
        const SAMPLES: u64 = 200;
        let pool = Pool::of_zeros(&self.workload.records);
        let mut records = RecordBuilder::new(&pool, self.workload.records.clone());
        let stream = Stream::new(self.seed, RECORD_STREAM);
        let mut key = Vec::new();
        let sizes = (0..SAMPLES).map(|number| {
            self.workload.keys.write(number, &mut key);
            let value = records.fill(&key, &mut stream.operation(number));
            (key.len() + value.len()) as u64
        });
        sizes.sum::<u64>().div_ceil(SAMPLES)
    }
}

/// How far a phase is.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// Since the start of the phase.
    pub elapsed: Duration,
    /// Operations finished, also those that failed.
    pub operations: u64,
    /// Operations failed.
    pub failures: u64,
}

/// Watches a phase from the thread that started it.
pub trait Observer {
    /// The time between two ticks.
    fn interval(&self) -> Duration;
    /// Called at that interval and once at the end.
    fn tick(&mut self, tick: Tick);
}

/// What a phase gave.
#[derive(Debug)]
pub struct PhaseResult {
    /// From the first thread's start to the last thread's end.
    pub elapsed: Duration,
    /// Operations finished, counting a read-modify-write once.
    pub operations: u64,
    /// One row per kind of operation.
    pub rows: Vec<RowSummary>,
    /// The number of records after the phase, counting from record number 0.
    pub records: u64,
    /// Keys and values handed to the engine in acknowledged writes.
    pub written_bytes: u64,
    /// Keys and values handed out by the engine.
    pub read_bytes: u64,
    /// Operations in each whole second.
    pub seconds: Vec<u64>,
    /// The first few errors in words.
    pub first_errors: Vec<String>,
}

impl PhaseResult {
    /// Calls that did not end as they should. A failed read-modify-write is the failure of its
    /// read or of its update, and counted there.
    pub fn errors(&self) -> u64 {
        let calls = self.rows.iter().filter(|row| row.row != Row::ReadModifyWrite.name());
        calls.map(|row| row.errors).sum()
    }

    /// Operations a second.
    pub fn throughput_ops_s(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Runs a phase to its end, with values from `pool`, which takes a moment to make and is made
/// before anything is measured. An error is one of starting; failed operations are in the result.
pub fn run_phase(
    engine: &dyn Engine,
    job: &Job,
    pool: &Pool,
    observer: &mut dyn Observer,
) -> EngineResult<PhaseResult> {
    let first_new = match job.kind {
        PhaseKind::Load => job.workload.insert_start,
        PhaseKind::Run => job.workload.record_count,
    };
    let inserts = AcknowledgedCounter::new(first_new);
    let shared = Shared::new(job, &inserts, pool);
    let threads = job.workload.threads;
    let barrier = Barrier::new(threads + 1);
    let (sender, receiver) = mpsc::channel();
    let (results, timeline) = std::thread::scope(|scope| {
        for thread in 0..threads {
            let (sender, barrier, shared) = (sender.clone(), &barrier, &shared);
            scope.spawn(move || {
                // Sending fails only if the watcher is gone, and then nobody wants the result.
                let _ = sender.send(worker::run(engine, shared, thread, barrier));
            });
        }
        drop(sender);
        barrier.wait();
        watch(&shared, threads, &receiver, observer)
    })?;
    Ok(collect(job, &shared, results, timeline))
}

fn watch(
    shared: &Shared<'_>,
    threads: usize,
    receiver: &mpsc::Receiver<EngineResult<ThreadResult>>,
    observer: &mut dyn Observer,
) -> EngineResult<(Vec<ThreadResult>, Timeline)> {
    let start = Instant::now();
    let mut timeline = Timeline::default();
    let mut results = Vec::with_capacity(threads);
    let interval = observer.interval();
    let mut next = start + interval;
    while results.len() < threads {
        match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(result) => match result {
                Ok(result) => results.push(result),
                Err(error) => {
                    shared.stop();
                    return Err(error);
                }
            },
            Err(RecvTimeoutError::Timeout) => {
                let tick = shared.tick(start.elapsed());
                timeline.note(tick.elapsed, tick.operations);
                observer.tick(tick);
                next = Instant::now() + interval;
            }
            // A client thread panicked; leaving the scope passes the panic on.
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let tick = shared.tick(start.elapsed());
    timeline.note(tick.elapsed, tick.operations);
    observer.tick(tick);
    Ok((results, timeline))
}

fn collect(job: &Job, shared: &Shared<'_>, results: Vec<ThreadResult>, timeline: Timeline) -> PhaseResult {
    let start = results.iter().map(|result| result.start).min();
    let end = results.iter().map(|result| result.end).max();
    let elapsed = start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start);
    let written_bytes = results.iter().map(|result| result.written_bytes).sum();
    let read_bytes = results.iter().map(|result| result.read_bytes).sum();
    let recorders: Vec<_> = results.into_iter().map(|result| result.recorder).collect();
    let missing_is_fine = job.workload.mix.delete > 0.0;
    let rows = summarize(&recorders, &job.workload.percentiles, missing_is_fine);
    let inserted = rows.iter().find(|row| row.row == Row::Insert.name()).map_or(0, |row| row.count);
    let errors = shared.first_errors.lock().unwrap_or_else(PoisonError::into_inner);
    PhaseResult {
        elapsed,
        operations: shared.progress.operations(),
        rows,
        records: match job.kind {
            PhaseKind::Load => job.workload.insert_start + inserted,
            PhaseKind::Run => shared.inserts.finished(),
        },
        written_bytes,
        read_bytes,
        seconds: timeline.seconds(),
        first_errors: errors.clone(),
    }
}

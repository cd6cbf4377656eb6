//! Runs one phase of a workload against an open engine.
//!
//! The calling thread only watches (`watch`): client threads (`worker`) count what they do, and it
//! reads the counts. Clients may also be futures (`future`) that share a few threads (`executor`). Client threads start together behind a barrier; the phase lasts from the
//! first start, or the end of the warm-up, to the last end. When an operation begins is decided in
//! `turns`: in a closed loop when the thread's previous one has ended, in an open loop by the
//! schedule of `agenda`.

mod agenda;
mod ahead;
mod audit;
mod batches;
mod claim;
mod executor;
mod future;
mod insert_numbers;
mod kept;
mod ledger;
mod live;
mod reads;
mod ready;
mod replay;
#[cfg(test)]
mod replay_tests;
mod rows;
mod series;
mod shared;
#[cfg(test)]
mod stream_tests;
mod timeline;
mod turns;
mod watch;
mod worker;
mod writes;

use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::engine::{Engine, EngineResult, EngineStats};
use crate::generator::{AcknowledgedCounter, Stream};
use crate::interrupt;
use crate::measure::{Done, Row, RowSummary, summarize};
use crate::resources::Work;
use crate::trace::{Ending, Feed, Recording, Replay};
use crate::workload::{Arrivals, Pool, RecordBuilder, Workload};

pub use agenda::Backlog;
pub use audit::Audit;
use batches::Batches;
pub use ledger::{Change, Ledger};
pub use live::LiveStatus;
pub use series::{Interval, Series};
use shared::Shared;
use watch::{Watch, Watched};

/// The name of the random stream of records: the same for a load and for all runs.
const RECORD_STREAM: &str = "records";

/// Which half of YCSB a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    Load,
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

#[derive(Debug, Clone)]
pub struct Job {
    pub kind: PhaseKind,
    /// The name of the workload in reports; with the kind it also selects the random stream.
    pub workload_name: String,
    pub workload: Workload,
    pub seed: u64,
    /// Operations of a trace instead of those of the workload.
    pub replay: Option<Replay>,
    /// Where what the clients do is written down.
    pub recording: Option<Arc<Recording>>,
}

impl Job {
    /// A job of a workload: no trace, and nothing is written down.
    pub fn new(kind: PhaseKind, workload_name: String, workload: Workload, seed: u64) -> Job {
        Job { kind, workload_name, workload, seed, replay: None, recording: None }
    }

    /// For tests: a job of the properties in a text.
    #[cfg(test)]
    pub fn of(kind: PhaseKind, text: &str, seed: u64) -> Job {
        let workload = Workload::from_properties(&crate::properties::Properties::of(text)).unwrap();
        Job::new(kind, "mix".to_owned(), workload, seed)
    }

    /// How many operations the phase has; without a bound it ends by time.
    pub fn operations(&self) -> Option<u64> {
        match self.kind {
            // It ends with the trace.
            PhaseKind::Load if self.replay.is_some() => None,
            PhaseKind::Load => Some(self.workload.insert_count),
            PhaseKind::Run => Some(self.workload.operation_count).filter(|count| *count > 0),
        }
    }

    /// The schedule of an open loop; a load has none.
    pub fn arrivals(&self) -> Option<Arrivals> {
        self.workload.arrivals.filter(|_| self.kind == PhaseKind::Run)
    }

    /// Whether operations have an intended start, and so a response time.
    pub fn is_scheduled(&self) -> bool {
        self.arrivals().is_some() || self.workload.target_ops_s > 0.0 || self.trace_speed().is_some()
    }

    /// How many times as fast as recorded a trace is replayed, if its times count.
    pub fn trace_speed(&self) -> Option<f64> {
        self.replay.as_ref().and_then(|replay| replay.speed)
    }

    /// Whether its clients are futures that share threads, instead of threads.
    pub fn has_futures(&self) -> bool {
        self.workload.clients > 0
    }

    /// How many clients there are, each with one operation at a time.
    pub fn clients(&self) -> usize {
        if self.has_futures() { self.workload.clients } else { self.workload.threads }
    }

    /// How many threads they are on.
    pub fn client_threads(&self) -> usize {
        if self.has_futures() {
            self.workload.cores.min(self.workload.clients)
        } else {
            self.workload.threads
        }
    }

    /// Whether a record that is not there is no error.
    pub fn missing_is_fine(&self) -> bool {
        self.workload.mix.delete > 0.0 || self.replay.is_some()
    }

    /// Seconds at the start of a run that are no part of its figures.
    pub fn warmup_s(&self) -> f64 {
        if self.kind == PhaseKind::Run { self.workload.warmup_s } else { 0.0 }
    }

    /// The bytes its values are cut from.
    pub fn pool(&self) -> Pool {
        Pool::new(self.seed, &self.workload.records)
    }

    /// What `--verify` needs to know before the phase: what is in the database. Nothing without.
    pub fn take_stock(&self, engine: &dyn Engine) -> EngineResult<Option<Ledger>> {
        let known = match self.kind {
            PhaseKind::Load => self.workload.insert_start + self.workload.insert_count,
            PhaseKind::Run => self.workload.record_count,
        };
        let stock = || {
            let ledger = Ledger::new();
            audit::take_stock(engine, &self.workload.keys, known, &ledger)?;
            Ok(ledger)
        };
        // The ledger knows records by their numbers, which the keys of a trace do not have.
        (self.workload.verify && self.replay.is_none()).then(stock).transpose()
    }

    /// Notes what of the data set is in the database.
    pub fn take_stock_into(&self, engine: &dyn Engine, ledger: &Ledger) -> EngineResult<()> {
        audit::take_stock(engine, &self.workload.keys, self.workload.record_count, ledger)
    }

    /// Holds the whole database against what was acknowledged, if there is a ledger of it and no signal ends it.
    pub fn audit(&self, engine: &dyn Engine, ledger: Option<&Ledger>) -> EngineResult<Option<Audit>> {
        let audit = |ledger| audit::audit(engine, &self.workload.keys, ledger, &mut |_, _| {});
        Ok(ledger.map(audit).transpose()?.flatten())
    }

    /// The same after the process that wrote has died: what is found counts from now on.
    pub fn audit_and_settle(&self, engine: &dyn Engine, ledger: &Ledger) -> EngineResult<Option<Audit>> {
        let mut batches = Batches::default();
        let mut settle = |number, found| {
            batches.note(ledger, number, found);
            ledger.settle(number, found);
        };
        let mut audit = audit::audit(engine, &self.workload.keys, ledger, &mut settle)?;
        if let Some(audit) = &mut audit {
            for (there, missing) in batches.torn() {
                audit.note_torn_batch(&self.workload.keys, there, missing);
            }
        }
        Ok(audit)
    }

    /// The mean of key and value over some records of the data set; exact where all have one size,
    /// and zero for those of a trace, which are not known.
    pub fn record_bytes_mean(&self) -> u64 {
        if self.replay.is_some() {
            return 0;
        }
        self.sampled_mean(|key, value| key.len() + value.len())
    }

    /// The mean of the value alone.
    pub fn value_bytes_mean(&self) -> u64 {
        self.sampled_mean(|_, value| value.len())
    }

    fn sampled_mean(&self, size: impl Fn(&[u8], &[u8]) -> usize) -> u64 {
        const SAMPLES: u64 = 200;
        let pool = Pool::of_zeros(&self.workload.records);
        let mut records = RecordBuilder::new(&pool, self.workload.records.clone());
        let stream = Stream::new(self.seed, RECORD_STREAM);
        let mut key = Vec::new();
        let sizes = (0..SAMPLES).map(|number| {
            self.workload.keys.write(number, &mut key);
            let value = records.fill(&key, &mut stream.operation(number));
            size(&key, value) as u64
        });
        sizes.sum::<u64>().div_ceil(SAMPLES)
    }
}

/// How far a phase is.
#[derive(Debug, Clone, Copy)]
pub struct Tick<'a> {
    /// Since the start of the phase, or of its measured part once that has begun.
    pub elapsed: Duration,
    /// Whether the measured part is still to come.
    pub warming_up: bool,
    /// Operations finished since then, also those that failed.
    pub operations: u64,
    pub failures: u64,
    pub stats: &'a EngineStats,
    pub interval: Option<&'a Interval>,
}

/// Watches a phase from the thread that started it.
pub trait Observer {
    /// The time between two ticks.
    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }
    /// Called at that interval and once at the end.
    fn tick(&mut self, _tick: &Tick<'_>) {}
    /// Called when a warm-up is over and the measured part begins.
    fn begin(&mut self) {}
    /// Why the phase has to end now, if it has to: because of a signal.
    fn asks_for_end(&self) -> Option<String> {
        interrupt::asked().map(|interrupt| interrupt.name().to_owned())
    }
}

/// Looks at nothing, and ends a phase at a signal.
pub struct Unwatched;

impl Observer for Unwatched {}

#[derive(Debug)]
pub struct PhaseResult {
    /// From the first thread's start, or the end of the warm-up, to the last thread's end.
    pub elapsed: Duration,
    /// Why the phase ended before its time, if it did: a signal, or an error that leaves nothing to do.
    pub cut_short: Option<String>,
    /// Whether the phase ended within its warm-up, so that nothing was measured.
    pub ended_in_warmup: bool,
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
    pub series: Series,
    /// What an open loop had due and never began.
    pub backlog: Option<Backlog>,
    /// How the trace that was replayed ended.
    pub trace: Option<Ending>,
    pub clock: &'static str,
    pub first_errors: Vec<String>,
}

impl PhaseResult {
    /// Calls that did not end as they should. A failed read-modify-write is the failure of its
    /// read or of its update, and counted there.
    pub fn errors(&self) -> u64 {
        let calls = self.rows.iter().filter(|row| row.row != Row::ReadModifyWrite.name());
        calls.map(|row| row.errors).sum()
    }

    /// What the phase's cost is related to.
    pub fn work(&self, job: &Job) -> Work {
        let done = Done {
            operations: self.operations,
            failures: self.errors(),
            written_bytes: self.written_bytes,
            read_bytes: self.read_bytes,
        };
        let worst_second_ops = self.seconds.iter().min().copied();
        let data_set_bytes = self.records * job.record_bytes_mean();
        Work { done, elapsed: self.elapsed, data_set_bytes, worst_second_ops }
    }

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
    ledger: Option<&Ledger>,
    observer: &mut dyn Observer,
) -> EngineResult<PhaseResult> {
    let first_new = match job.kind {
        PhaseKind::Load => job.workload.insert_start,
        PhaseKind::Run => job.workload.record_count,
    };
    let inserts = AcknowledgedCounter::new(first_new);
    let shared = Shared::new(job, &inserts, pool, ledger);
    let threads = job.client_threads();
    let life = if job.has_futures() { future::run } else { worker::run };
    let barrier = Barrier::new(threads + 1);
    let (sender, receiver) = mpsc::channel();
    let watched = std::thread::scope(|scope| {
        for thread in 0..threads {
            let (sender, barrier, shared) = (sender.clone(), &barrier, &shared);
            scope.spawn(move || {
                // Sending fails only if the watcher is gone, and then nobody wants the result.
                let _ = sender.send(life(engine, shared, thread, barrier));
            });
        }
        drop(sender);
        barrier.wait();
        Watch::new(engine, &shared, observer).run(threads, &receiver)
    })?;
    Ok(collect(job, &shared, watched))
}

fn collect(job: &Job, shared: &Shared<'_>, watched: Watched) -> PhaseResult {
    let rows = summarize(&watched.rows, &job.workload.percentiles, job.missing_is_fine());
    let inserted = rows.iter().find(|row| row.row == Row::Insert.name()).map_or(0, |row| row.count);
    PhaseResult {
        elapsed: watched.elapsed.unwrap_or_default(),
        cut_short: shared.cut_short(),
        ended_in_warmup: watched.elapsed.is_none(),
        operations: watched.done.operations,
        rows,
        records: match job.kind {
            PhaseKind::Load => job.workload.insert_start + inserted,
            // How many there were is not known, and how many of the writes were new neither.
            PhaseKind::Run if job.replay.is_some() => 0,
            PhaseKind::Run => shared.inserts.finished(),
        },
        written_bytes: watched.done.written_bytes,
        read_bytes: watched.done.read_bytes,
        seconds: watched.seconds,
        series: watched.series,
        // First what is left of the trace, then its end.
        backlog: shared.backlog(watched.end),
        trace: shared.feed.as_ref().map(Feed::end),
        clock: shared.clock.name(),
        first_errors: shared.first_errors(),
    }
}

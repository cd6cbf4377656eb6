//! What the client threads of a phase and their watcher share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::generator::{AcknowledgedCounter, Stream};
use crate::measure::{Clock, Moment, Progress, Recorder};
use crate::trace::Feed;
use crate::workload::Pool;

use super::agenda::{Agenda, Backlog};
use super::claim::Claims;
use super::insert_numbers::InsertNumbers;
use super::ledger::Ledger;
use super::turns::{Pace, Turns};
use super::{Job, PhaseKind, RECORD_STREAM};

/// How many errors a phase keeps in words.
const ERRORS_KEPT: usize = 5;

pub struct Shared<'a> {
    pub job: &'a Job,
    /// Random numbers of operations; depends on the phase.
    pub stream: Stream,
    /// Random numbers of records; the same record number always has the same first content.
    pub record_stream: Stream,
    /// The bytes values are cut from.
    pub pool: &'a Pool,
    /// Numbers for inserts of a run.
    pub inserts: &'a AcknowledgedCounter,
    /// The number each of them gets.
    pub insert_numbers: InsertNumbers,
    /// What was acknowledged, under `--verify`.
    pub ledger: Option<&'a Ledger>,
    /// The operations of a trace, if they are to be replayed.
    pub feed: Option<Feed>,
    pub clock: Clock,
    /// For whoever watches; one client, one place.
    pub progress: Progress,
    /// One for each thread, whose clients share it.
    pub recorders: Box<[Recorder]>,
    pace: Pace,
    origin: OnceLock<Moment>,
    stop: AtomicBool,
    cut_short: OnceLock<String>,
    first_errors: Mutex<Vec<String>>,
}

impl<'a> Shared<'a> {
    pub fn new(
        job: &'a Job,
        inserts: &'a AcknowledgedCounter,
        pool: &'a Pool,
        ledger: Option<&'a Ledger>,
    ) -> Shared<'a> {
        let phase = format!("{} {}", job.kind.name(), job.workload_name);
        let pace = pace(job, &phase);
        let scheduled = pace.is_scheduled();
        let stream = Stream::new(job.seed, &phase);
        Shared {
            job,
            stream,
            insert_numbers: InsertNumbers::new(inserts.finished(), stream, job.workload.mix),
            ledger,
            feed: job.replay.as_ref().map(Feed::start),
            record_stream: Stream::new(job.seed, RECORD_STREAM),
            pool,
            inserts,
            clock: Clock::of_process(),
            progress: Progress::new(job.clients()),
            recorders: (0..job.client_threads()).map(|_| Recorder::new(scheduled)).collect(),
            pace,
            origin: OnceLock::new(),
            stop: AtomicBool::new(false),
            cut_short: OnceLock::new(),
            first_errors: Mutex::new(Vec::new()),
        }
    }

    /// Whether operations have an intended start.
    pub fn is_scheduled(&self) -> bool {
        self.pace.is_scheduled()
    }

    /// When the first thread could begin; the first to ask is that thread.
    pub fn origin(&self) -> Moment {
        *self.origin.get_or_init(|| self.clock.before())
    }

    pub fn turns(&self) -> Turns<'_> {
        let origin = self.origin();
        let length_s = self.job.workload.duration_s;
        let deadline =
            (length_s > 0.0).then(|| origin.plus_ns(((self.job.warmup_s() + length_s) * 1e9) as u64));
        Turns::new(&self.pace, self.clock, origin, deadline, self.job.workload.spin, &self.stop)
    }

    /// Asks all threads to end after their current operation.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asks for it because the phase cannot or must not go on; the first reason is kept.
    pub fn cut(&self, why: String) {
        // A later reason is a consequence, or comes too late.
        let _ = self.cut_short.set(why);
        self.stop();
    }

    /// Why the phase was ended before its time.
    pub fn cut_short(&self) -> Option<String> {
        self.cut_short.get().cloned()
    }

    /// Whether they were asked to.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What an open loop had due by the end of the phase and nobody began. A phase that was cut short ended with
    /// its last operation.
    pub fn backlog(&self, last: Moment) -> Option<Backlog> {
        let length_s = self.job.workload.duration_s;
        let (has_end, end_ns) = match self.cut_short.get() {
            Some(_) => (true, last.ns_since(self.origin())),
            None => (length_s > 0.0, ((self.job.warmup_s() + length_s) * 1e9) as u64),
        };
        match &self.pace {
            Pace::Open(agenda) if has_end => Some(agenda.backlog(end_ns)),
            Pace::Recorded { speed, .. } if has_end => {
                let feed = self.feed.as_ref()?;
                let (operations, first_ns) = feed.take_until((end_ns as f64 * speed) as u64);
                let oldest_wait_ns =
                    first_ns.map_or(0, |ns| end_ns.saturating_sub((ns as f64 / speed) as u64));
                Some(Backlog { operations, oldest_wait_ns })
            }
            Pace::Open(_) | Pace::Recorded { .. } => Some(Backlog::default()),
            _ => None,
        }
    }

    /// Keeps an error in words, if it is one of the first.
    pub fn keep_error(&self, text: String) {
        let mut errors = self.first_errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_KEPT {
            errors.push(text);
        }
    }

    /// The first errors in the order in which they happened.
    pub fn first_errors(&self) -> Vec<String> {
        self.first_errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pace(job: &Job, phase: &str) -> Pace {
    let (workload, total) = (&job.workload, job.operations());
    if let Some(arrivals) = job.arrivals() {
        let stream = Stream::new(job.seed, &format!("arrivals {phase}"));
        return Pace::Open(Agenda::new(arrivals, stream, total));
    }
    let paced = workload.target_ops_s > 0.0;
    // Inserts become visible in the order of their numbers: nobody should hold many of them back.
    let inserts = job.kind == PhaseKind::Run && workload.mix.insert > 0.0;
    let claims = Claims::new(total, job.clients(), paced || inserts);
    if let Some(speed) = job.trace_speed() {
        Pace::Recorded { claims, speed }
    } else if paced {
        Pace::Target { claims, interval_ns: 1e9 * job.clients() as f64 / workload.target_ops_s }
    } else {
        Pace::Free(claims)
    }
}

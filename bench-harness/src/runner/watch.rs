//! The thread that started a phase, while it runs: it looks and the client threads work.
//!
//! It wakes for each tick of the observer and each interval of the series, reads what the clients
//! have counted, and asks the engine for its numbers. Warm-up ends when it looks: what is counted
//! by then is subtracted from everything after, and client threads need not know.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::engine::{Engine, EngineResult, EngineStats};
use crate::measure::{Done, Moment, RowSlice, Totals};

use super::series::Series;
use super::shared::Shared;
use super::timeline::Timeline;
use super::{Observer, Tick};

/// How long the watcher does not see that it is asked for the end.
const POLL: Duration = Duration::from_millis(20);

/// What was seen of the measured part of a phase.
pub struct Watched {
    /// From its start to the last operation's end; none if the phase ended within its warm-up.
    pub elapsed: Option<Duration>,
    pub end: Moment,
    pub done: Done,
    pub rows: Vec<RowSlice>,
    pub series: Series,
    /// Operations in each whole second.
    pub seconds: Vec<u64>,
}

/// A sum of everything at some moment.
#[derive(Default)]
struct Seen {
    done: Done,
    totals: Totals,
}

pub struct Watch<'a> {
    engine: &'a dyn Engine,
    shared: &'a Shared<'a>,
    observer: &'a mut dyn Observer,
    /// When the measured part began; none while warming up.
    start: Option<Moment>,
    /// At that time.
    first: Seen,
    /// At the end of the last interval.
    last: Seen,
    series: Series,
    timeline: Timeline,
    next_tick: Moment,
}

impl<'a> Watch<'a> {
    pub fn new(engine: &'a dyn Engine, shared: &'a Shared<'a>, observer: &'a mut dyn Observer) -> Watch<'a> {
        let series = Series::new(&engine.stats());
        let mut watch = Watch {
            engine,
            shared,
            observer,
            start: None,
            first: Seen::default(),
            last: Seen::default(),
            series,
            timeline: Timeline::default(),
            next_tick: shared.origin(),
        };
        watch.next_tick = shared.origin().plus_ns(watch.tick_ns());
        if shared.job.warmup_s() == 0.0 {
            watch.start = Some(shared.origin());
        }
        watch
    }

    /// Watches until `threads` threads have handed in when they ended.
    pub fn run(mut self, threads: usize, receiver: &Receiver<EngineResult<Moment>>) -> EngineResult<Watched> {
        let mut ends = Vec::with_capacity(threads);
        while ends.len() < threads {
            let wait = self.next_wake().since(self.shared.clock.before()).min(POLL);
            match receiver.recv_timeout(wait) {
                Ok(Ok(end)) => ends.push(end),
                Ok(Err(error)) => {
                    self.shared.stop();
                    return Err(error);
                }
                Err(RecvTimeoutError::Timeout) => self.wake(),
                // A client thread panicked; leaving the scope passes the panic on.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let end = ends.into_iter().max().unwrap_or_else(|| self.shared.origin());
        Ok(self.finish(end))
    }

    fn next_wake(&self) -> Moment {
        let next = match self.start {
            Some(start) => start.plus_ns(self.series.due().as_nanos() as u64),
            None => self.warmup_end(),
        };
        next.min(self.next_tick)
    }

    fn wake(&mut self) {
        if let Some(why) = self.observer.asks_for_end() {
            self.shared.cut(why);
        }
        let now = self.shared.clock.before();
        if now >= self.next_wake() {
            self.look(now);
        }
    }

    fn look(&mut self, now: Moment) {
        let stats = self.engine.stats();
        if self.start.is_none() && now >= self.warmup_end() {
            self.begin(now, &stats);
        }
        let Some(start) = self.start else {
            self.tick(now, now.since(self.shared.origin()), self.shared.progress.total(), &stats);
            return;
        };
        let elapsed = now.since(start);
        if elapsed >= self.series.due() {
            self.close_interval(elapsed, &stats);
        }
        let done = self.shared.progress.total() - self.first.done;
        self.timeline.note(elapsed, done.operations);
        self.tick(now, elapsed, done, &stats);
    }

    fn begin(&mut self, now: Moment, stats: &EngineStats) {
        self.start = Some(now);
        self.first = self.see();
        self.last = self.see();
        self.series = Series::new(stats);
        self.observer.begin();
    }

    fn close_interval(&mut self, elapsed: Duration, stats: &EngineStats) {
        let seen = self.see();
        let done = seen.done - self.last.done;
        self.series.close(elapsed, done, seen.totals.since(&self.last.totals), stats);
        self.last = seen;
    }

    fn tick(&mut self, now: Moment, elapsed: Duration, done: Done, stats: &EngineStats) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now.plus_ns(self.tick_ns());
        self.observer.tick(&Tick {
            elapsed,
            warming_up: self.start.is_none(),
            operations: done.operations,
            failures: done.failures,
            stats,
            interval: self.series.intervals().last(),
        });
    }

    fn finish(mut self, end: Moment) -> Watched {
        let stats = self.engine.stats();
        let elapsed = self.start.map(|start| end.since(start));
        let seen = self.see();
        let (done, rows) = match elapsed {
            Some(elapsed) => {
                if seen.done != self.last.done {
                    self.close_interval(elapsed, &stats);
                }
                self.series.end_at(elapsed);
                (seen.done - self.first.done, seen.totals.since(&self.first.totals))
            }
            None => (Done::default(), Vec::new()),
        };
        self.timeline.note(elapsed.unwrap_or_default(), done.operations);
        self.next_tick = end;
        self.tick(end, elapsed.unwrap_or_default(), done, &stats);
        Watched { elapsed, end, done, rows, series: self.series, seconds: self.timeline.seconds() }
    }

    fn see(&self) -> Seen {
        // Operations first: one that ends meanwhile is in the latencies, and then in the next sum.
        Seen { done: self.shared.progress.total(), totals: Totals::gather(&self.shared.recorders) }
    }

    fn warmup_end(&self) -> Moment {
        self.shared.origin().plus_ns((self.shared.job.warmup_s() * 1e9) as u64)
    }

    fn tick_ns(&self) -> u64 {
        self.observer.interval().as_nanos() as u64
    }
}

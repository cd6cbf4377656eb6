//! Deals the operations of a trace out to client threads, in the order of the file.
//!
//! A thread of its own reads ahead and hands over batches, so that no client waits while a block is
//! read or a line is parsed. Within a batch each operation is claimed by one atomic addition: the
//! operations begin in the order of the file, except that those of different threads overlap in
//! time. A batch is replaced by whoever finds it used up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::TraceError;
use super::open::Replay;
use super::step::Step;

/// Operations handed over at once: enough that the lock is rarely taken, few enough that the first
/// ones come soon.
const BATCH_STEPS: usize = 256;
/// Batches read ahead: 16 thousand operations, some milliseconds of the fastest clients.
const BATCHES_AHEAD: usize = 64;
/// How often a client that waits for the trace looks whether it still should.
const PATIENCE: Duration = Duration::from_millis(20);

/// The operations of a trace that nobody has taken yet.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<State>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    current: Arc<Batch>,
    receiver: Option<Receiver<Vec<Step>>>,
    reader: Option<JoinHandle<Ending>>,
}

#[derive(Debug, Default)]
struct Batch {
    steps: Vec<Step>,
    next: AtomicUsize,
}

/// How the reading of a trace ended.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    pub problem: Option<String>,
    /// What was met and cannot be replayed.
    pub skipped: Vec<(&'static str, u64)>,
}

impl Feed {
    /// Begins to read ahead.
    pub fn start(replay: &Replay) -> Feed {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let stop = Arc::new(AtomicBool::new(false));
        let (replay, stop_reader) = (replay.clone(), Arc::clone(&stop));
        let reader = std::thread::spawn(move || read(&replay, &stop_reader, &sender));
        let state = State { current: Arc::default(), receiver: Some(receiver), reader: Some(reader) };
        Feed { state: Mutex::new(state), stop }
    }

    /// What a client thread takes operations with.
    pub fn taker(&self) -> Taker<'_> {
        Taker { feed: self, batch: Arc::clone(&self.lock().current) }
    }

    /// Ends the reading, and says how it went.
    pub fn end(&self) -> Ending {
        self.stop.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        // Without a receiver a reader that waits for room ends.
        drop(state.receiver.take());
        let ending = state.reader.take().map(JoinHandle::join);
        let panicked =
            |_| Ending { problem: Some("the reader of the trace panicked".to_owned()), ..Ending::default() };
        ending.map_or_else(Ending::default, |ending| ending.unwrap_or_else(panicked))
    }

    /// How many operations nobody has taken are from before `ns`, and the time of the first. Takes them.
    pub fn take_until(&self, ns: u64) -> (u64, Option<u64>) {
        let mut taker = self.taker();
        let (mut count, mut first_ns) = (0, None);
        while let Some(step) = taker.next(|| false).filter(|step| step.time_ns < ns) {
            count += 1;
            first_ns.get_or_insert(step.time_ns);
        }
        (count, first_ns)
    }

    /// The batch after this one; none at the end of the trace, or once `give_up` says so.
    fn after(&self, batch: &Arc<Batch>, give_up: impl Fn() -> bool) -> Option<Arc<Batch>> {
        let mut state = self.lock();
        if !Arc::ptr_eq(&state.current, batch) {
            return Some(Arc::clone(&state.current));
        }
        loop {
            match state.receiver.as_ref()?.recv_timeout(PATIENCE) {
                Ok(steps) => {
                    state.current = Arc::new(Batch { steps, next: AtomicUsize::new(0) });
                    return Some(Arc::clone(&state.current));
                }
                Err(RecvTimeoutError::Timeout) if !give_up() => {}
                Err(_) => return None,
            }
        }
    }

    // A panic of a client thread leaves the state whole: it is changed by single assignments.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes operations for one client thread.
#[derive(Debug)]
pub struct Taker<'a> {
    feed: &'a Feed,
    batch: Arc<Batch>,
}

impl Taker<'_> {
    /// The next operation; none if all are taken, or if `give_up` says so while the trace is waited
    /// for.
    #[inline]
    pub fn next(&mut self, give_up: impl Fn() -> bool) -> Option<&Step> {
        // Only uniqueness counts; the lock publishes the batch.
        let mut place = self.batch.next.fetch_add(1, Ordering::Relaxed);
        while place >= self.batch.steps.len() {
            self.batch = self.feed.after(&self.batch, &give_up)?;
            place = self.batch.next.fetch_add(1, Ordering::Relaxed);
        }
        Some(&self.batch.steps[place])
    }
}

fn read(replay: &Replay, stop: &Arc<AtomicBool>, sender: &SyncSender<Vec<Step>>) -> Ending {
    let mut ending = Ending::default();
    let opened = replay.source(stop);
    let mut source = match opened {
        Ok(source) => source,
        Err(error) => return Ending { problem: Some(error.to_string()), ..ending },
    };
    let mut steps = Vec::with_capacity(BATCH_STEPS);
    let done: Result<(), TraceError> = loop {
        match source.next() {
            Ok(Some(step)) => steps.push(step),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if steps.len() == BATCH_STEPS {
            let full = std::mem::replace(&mut steps, Vec::with_capacity(BATCH_STEPS));
            if sender.send(full).is_err() {
                break Ok(());
            }
        }
    };
    // What stands before damage is replayed; nobody wants it if the phase is over.
    let _ = sender.send(steps);
    ending.problem = done.err().map(|error| error.to_string());
    ending.skipped = source.skipped();
    ending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::open::Format;
    use crate::trace::step::Action;
    use std::fmt::Write;

    /// A trace of so many lines, a hundred a second, each of a key of its own; and what stands behind them.
    fn feed(lines: usize, more: &str) -> (tempfile::NamedTempFile, Replay) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut text = String::new();
        for number in 0..lines {
            writeln!(text, "{},key{number},1,5,1,get,0", number / 100).unwrap();
        }
        std::fs::write(file.path(), text + more).unwrap();
        let replay = Replay::of(file.path(), Format::Twitter);
        (file, replay)
    }

    fn key(step: &Step) -> String {
        let Action::Read { key, .. } = &step.action else { panic!("{step:?}") };
        String::from_utf8(key.clone()).unwrap()
    }

    #[test]
    fn every_operation_is_given_out_once_and_to_one_thread_in_order() {
        let (_file, replay) = feed(10_000, "");
        let feed = Feed::start(&replay);
        let taken: Vec<Vec<String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut taker = feed.taker();
                        let mut keys = Vec::new();
                        while let Some(step) = taker.next(|| false) {
                            keys.push(key(step));
                        }
                        keys
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let number = |key: &String| key["key".len()..].parse::<u64>().unwrap();
        assert!(taken.iter().all(|keys| keys.is_sorted_by_key(number)));
        let mut all: Vec<u64> = taken.iter().flatten().map(number).collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..10_000));
        assert!(feed.end().problem.is_none());
    }

    #[test]
    fn whoever_comes_to_a_used_up_batch_late_goes_on_in_the_one_after_it() {
        let (_file, replay) = feed(3 * BATCH_STEPS, "");
        let feed = Feed::start(&replay);
        let (mut early, mut late) = (feed.taker(), feed.taker());
        assert_eq!(key(early.next(|| false).unwrap()), "key0");
        assert_eq!(key(late.next(|| false).unwrap()), "key1");
    }

    #[test]
    fn what_stands_before_a_wrong_line_is_dealt_out_and_the_line_is_named() {
        let (_file, replay) = feed(1_000, "nonsense\n");
        let feed = Feed::start(&replay);
        assert_eq!(feed.take_until(u64::MAX).0, 1_000);
        let problem = feed.end().problem.unwrap();
        assert!(problem.contains(":1001: expected timestamp,key,"), "{problem}");
    }

    #[test]
    fn what_was_due_is_counted_and_a_long_trace_can_be_left() {
        let (_file, replay) = feed(300_000, "");
        let feed = Feed::start(&replay);
        let mut taker = feed.taker();
        for _ in 0..150 {
            assert!(taker.next(|| false).is_some());
        }
        // A hundred a second, of which one and a half seconds are taken.
        assert_eq!(feed.take_until(3_000_000_000), (150, Some(1_500_000_000)));
        assert!(feed.end().problem.is_none());
    }
}

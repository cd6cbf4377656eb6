//! One run on a thread of its own, and what came of it: panics and endless runs are failures, with
//! the seed to repeat them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use crate::bugs::Planted;
use crate::figures::Figures;
use crate::parameters::Parameters;
use crate::rounds::{play, world_of};
use crate::simulation::Simulation;

/// Longest time a run may take, far above what the slowest does: one that takes longer computes
/// for ever, or waits for something that only it could do.
const TIME_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 300 } else { 60 });

/// How many of the last events are usually kept to be read.
pub(crate) const EVENTS: usize = 70;

/// Prefix of the names of threads that runs are on.
const THREAD: &str = "seed";

thread_local! {
    /// What the last panic of this thread said, and where.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What came of a run.
pub(crate) struct Verdict {
    pub(crate) parameters: Parameters,
    /// A number that differs if anything that happened did.
    pub(crate) digest: u64,
    pub(crate) figures: Figures,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// The last events, if they were to be kept.
    pub(crate) events: Vec<String>,
    /// How often each mark of the engine was reached.
    pub(crate) coverage: BTreeMap<&'static str, u64>,
}

/// Keeps what a run's panic says instead of printing it. Call once.
pub(crate) fn catch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with(THREAD)) {
            return usual(info);
        }
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without text");
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        // The first panic is the cause; others may follow from it.
        PANIC.with_borrow_mut(|last| last.get_or_insert_with(|| format!("{text}{place}")).len());
    }));
}

/// Runs, and waits for the end. Keeps the last `events` to be read, which takes time.
pub(crate) fn attempt(parameters: &Parameters, events: usize) -> Verdict {
    let (sender, verdicts) = mpsc::channel();
    let theirs = parameters.clone();
    let body = move || drop(sender.send(attempt_here(&theirs, events)));
    let name = format!("{THREAD} {}", parameters.seed);
    let thread = std::thread::Builder::new().name(name).stack_size(4 << 20).spawn(body);
    let thread = thread.expect("the system gives a thread");
    match verdicts.recv_timeout(TIME_MAX) {
        Ok(verdict) => {
            thread.join().expect("what could panic was caught");
            verdict
        }
        // The thread is left alone: nothing ends it but the end of the program.
        Err(_) => Verdict {
            parameters: parameters.clone(),
            digest: 0,
            figures: Figures { runs: 1, ..Figures::default() },
            failure: Some(format!("no end after {} s", TIME_MAX.as_secs())),
            events: Vec::new(),
            coverage: BTreeMap::new(),
        },
    }
}

fn attempt_here(parameters: &Parameters, events: usize) -> Verdict {
    let world = world_of(parameters);
    Planted::plant(parameters.plant, &world);
    world.keep_trace(events);
    let simulation = Simulation::new(parameters, world.clone());
    let ended = catch_unwind(AssertUnwindSafe(|| play(&simulation)));
    let (figures, failure) = match ended {
        Ok(figures) => (figures, None),
        Err(_) => {
            let text = PANIC.take().unwrap_or_else(|| "a panic that left no text".into());
            world.set_read_hook(None);
            // What a panic left half done is not freed: that might panic again.
            std::mem::forget(simulation);
            (Figures { runs: 1, ..Figures::default() }, Some(text))
        }
    };
    Verdict {
        parameters: parameters.clone(),
        digest: world.digest(),
        figures,
        failure,
        events: world.trace(),
        coverage: rabi::sim::coverage(),
    }
}

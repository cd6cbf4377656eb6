//! Models of the sleep of a core in its ring. The eventfd and the ring's read of it are played by a
//! counter that can be waited for.

use loom::sync::Condvar;
use loom::thread;

use super::park::Calls;
use crate::base::sync::loom_tests::{Watched, model};
use crate::base::sync::{Arc, Mutex, lock};

/// What stands in for the eventfd: it orders nothing that the real one would not.
#[derive(Default)]
struct Wakeup {
    count: Mutex<u64>,
    rung: Condvar,
}

impl Wakeup {
    fn signal(&self) {
        *lock(&self.count) += 1;
        self.rung.notify_one();
    }

    /// The ring's read: waits until the count is not zero, and takes it.
    fn read(&self) {
        let mut count = lock(&self.count);
        while *count == 0 {
            count = self.rung.wait(count).expect("no thread of a model panics on");
        }
        *count = 0;
    }
}

struct Core {
    calls: Calls,
    wakeup: Wakeup,
    /// What a caller has written before its call.
    data: Watched,
}

impl Core {
    fn new() -> Arc<Self> {
        Arc::new(Self { calls: Calls::new(), wakeup: Wakeup::default(), data: Watched::new(0) })
    }

    /// A wait without an end, as the queue does it: a late wakeup does not end it.
    fn wait(&self) {
        loop {
            if !self.calls.fall_asleep() {
                return;
            }
            self.wakeup.read();
            if self.calls.wake_up() {
                return;
            }
        }
    }

    fn unpark(&self) {
        if self.calls.call() {
            self.wakeup.signal();
        }
    }
}

#[test]
fn a_call_ends_the_sleep() {
    model(|| {
        let core = Core::new();
        let caller = {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                core.data.set(7);
                core.unpark();
            })
        };
        core.wait();
        assert_eq!(core.data.get(), 7);
        caller.join().unwrap();
    });
}

#[test]
fn a_call_during_a_sleep_that_ends_otherwise_is_seen_whole() {
    model(|| {
        let core = Core::new();
        let caller = {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                core.data.set(7);
                core.unpark();
            })
        };
        // A completion ends the sleep; the wakeup may be rung later, or not at all.
        if !core.calls.fall_asleep() || core.calls.wake_up() {
            assert_eq!(core.data.get(), 7);
        }
        caller.join().unwrap();
    });
}

#[test]
fn each_of_two_waits_ends_by_a_call_of_its_own() {
    model(|| {
        let core = Core::new();
        let (first, second) = (Arc::clone(&core), Arc::clone(&core));
        let first = thread::spawn(move || first.unpark());
        core.wait();
        let second = thread::spawn(move || second.unpark());
        core.wait();
        first.join().unwrap();
        second.join().unwrap();
    });
}

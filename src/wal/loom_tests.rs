//! Models of the log's marks: one side stages and waits, the other drains.

use loom::thread;

use super::follow::Followed;
use super::marks::Marks;
use super::turn::{ForTask, Left};
use crate::base::error::{Error, Result};
use crate::base::lsn::Lsn;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::loom_tests::{Watched, model};
use crate::base::sync::{Arc, Mutex, lock};
use crate::exec::block_on;

#[test]
fn what_is_staged_is_drained_whole() {
    model(|| {
        let (place, marks) = (Arc::new(Watched::new(0)), Arc::new(Marks::new(Lsn(0))));
        let writer = {
            let (place, marks) = (Arc::clone(&place), Arc::clone(&marks));
            thread::spawn(move || {
                place.set(7);
                marks.staged(Lsn(1));
            })
        };
        if marks.head() == Lsn(1) {
            assert_eq!(place.get(), 7);
        }
        writer.join().unwrap();
    });
}

#[test]
fn the_stage_is_overwritten_only_behind_the_drain() {
    model(|| {
        // A stage of one place: the second record goes where the first stood.
        let (place, marks) = (Arc::new(Watched::new(0)), Arc::new(Marks::new(Lsn(0))));
        place.set(7);
        marks.staged(Lsn(1));
        let draining = {
            let (place, marks) = (Arc::clone(&place), Arc::clone(&marks));
            thread::spawn(move || {
                assert_eq!(place.get(), 7);
                marks.drained(Lsn(1));
            })
        };
        if marks.durable() == Lsn(1) {
            place.set(8);
            marks.staged(Lsn(2));
        }
        draining.join().unwrap();
    });
}

/// Drains until everything up to `end` is durable, as the writer task does.
fn drain_until(marks: &Marks, end: Lsn) {
    while marks.durable() < end {
        let work = marks.work.listen();
        if marks.demanded() > marks.durable() && marks.take_for_task() == ForTask::Taken {
            marks.drained(marks.demanded());
            marks.leave(Left::Open);
        } else if marks.durable() < end {
            block_on(work);
        }
    }
}

/// Follows, and does not lead.
fn wait(marks: &Marks, lsn: Lsn, check: impl Fn() -> Result<()>) -> Result<()> {
    let followed = block_on(marks.follow(lsn, false, check))?;
    assert!(followed == Followed::Durable);
    Ok(())
}

#[test]
fn every_waiter_hears_of_the_group_that_holds_it() {
    model(|| {
        let marks = Arc::new(Marks::new(Lsn(0)));
        let waiter = {
            let marks = Arc::clone(&marks);
            thread::spawn(move || wait(&marks, Lsn(1), || Ok(())).unwrap())
        };
        drain_until(&marks, Lsn(1));
        waiter.join().unwrap();
    });
}

#[test]
fn who_waits_for_room_in_the_stage_hears_of_the_drain() {
    model(|| {
        let marks = Arc::new(Marks::new(Lsn(0)));
        let waiter = {
            let marks = Arc::clone(&marks);
            thread::spawn(move || {
                loop {
                    let progress = marks.progress.listen();
                    if marks.durable() == Lsn(1) {
                        return;
                    }
                    block_on(progress);
                }
            })
        };
        marks.drained(Lsn(1));
        waiter.join().unwrap();
    });
}

#[test]
fn two_waiters_share_a_group_or_get_one_each() {
    model(|| {
        let marks = Arc::new(Marks::new(Lsn(0)));
        let waiting: Vec<_> = [Lsn(1), Lsn(2)]
            .into_iter()
            .map(|lsn| {
                let marks = Arc::clone(&marks);
                thread::spawn(move || wait(&marks, lsn, || Ok(())).unwrap())
            })
            .collect();
        drain_until(&marks, Lsn(2));
        waiting.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn who_waits_for_a_log_that_fails_is_told() {
    model(|| {
        let (marks, failed) = (Arc::new(Marks::new(Lsn(0))), Arc::new(AtomicBool::new(false)));
        let waiter = {
            let (marks, failed) = (Arc::clone(&marks), Arc::clone(&failed));
            let check = move || if failed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) };
            thread::spawn(move || wait(&marks, Lsn(1), check))
        };
        failed.store(true, Ordering::Release);
        marks.call_all();
        assert!(waiter.join().unwrap().is_err());
    });
}

/// A log for callers who lead: a record is a number in its place, draining copies it to another.
struct Led {
    marks: Marks,
    head: Mutex<u64>,
    staged: [Watched; 2],
    device: [Watched; 2],
}

impl Led {
    fn new() -> Arc<Self> {
        let places = || [Watched::new(0), Watched::new(0)];
        Arc::new(Self { marks: Marks::new(Lsn(0)), head: Mutex::new(0), staged: places(), device: places() })
    }

    /// Stages a record and brings it to the device, by itself or behind another; returns whether it led.
    fn write(&self) -> bool {
        let at = {
            let mut head = lock(&self.head);
            self.staged[*head as usize].set(7);
            *head += 1;
            self.marks.staged(Lsn(*head));
            *head - 1
        };
        let mut led = false;
        while block_on(self.marks.follow(Lsn(at + 1), true, || Ok::<(), Error>(()))).unwrap()
            == Followed::Leads
        {
            led = true;
            self.lead();
        }
        assert_eq!(self.device[at as usize].get(), 7, "acknowledged and not drained");
        led
    }

    fn lead(&self) {
        let (from, to) = (self.marks.durable(), self.marks.head());
        for at in from.0..to.0 {
            self.device[at as usize].set(self.staged[at as usize].get());
        }
        self.marks.drained(to);
        self.marks.leave(Left::Open);
    }
}

#[test]
fn callers_lead_and_follow_and_hand_the_turn_on() {
    model(|| {
        let log = Led::new();
        let other = {
            let log = Arc::clone(&log);
            thread::spawn(move || log.write())
        };
        let led = log.write();
        let other_led = other.join().unwrap();
        assert!(led || other_led);
    });
}

#[test]
fn a_caller_and_the_writer_task_take_turns() {
    model(|| {
        let log = Led::new();
        let caller = {
            let log = Arc::clone(&log);
            thread::spawn(move || log.write())
        };
        // The writer task asks once, and again if it is told to.
        let work = log.marks.work.listen();
        match log.marks.take_for_task() {
            ForTask::Taken => log.lead(),
            ForTask::Later => {
                block_on(work);
                assert!(log.marks.take_for_task() == ForTask::Taken, "it is reserved");
                log.lead();
            }
            ForTask::Never => unreachable!("nothing is broken"),
        }
        caller.join().unwrap();
    });
}

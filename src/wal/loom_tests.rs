//! Models of the log's marks: one side stages and waits, the other drains.

use loom::thread;

use super::marks::Marks;
use crate::base::error::Error;
use crate::base::lsn::Lsn;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::loom_tests::{Watched, model};
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
        let demanded = marks.demanded();
        if demanded > marks.durable() {
            marks.drained(demanded);
        } else {
            block_on(work);
        }
    }
}

#[test]
fn every_waiter_hears_of_the_group_that_holds_it() {
    model(|| {
        let marks = Arc::new(Marks::new(Lsn(0)));
        let waiter = {
            let marks = Arc::clone(&marks);
            thread::spawn(move || block_on(marks.wait_durable(Lsn(1), || Ok(()))).unwrap())
        };
        drain_until(&marks, Lsn(1));
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
                thread::spawn(move || block_on(marks.wait_durable(lsn, || Ok(()))).unwrap())
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
            thread::spawn(move || block_on(marks.wait_durable(Lsn(1), check)))
        };
        failed.store(true, Ordering::Release);
        marks.progress.notify();
        assert!(waiter.join().unwrap().is_err());
    });
}

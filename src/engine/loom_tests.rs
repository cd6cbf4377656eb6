//! Models of publication: views to readers, seqnos to readers, notes of gaps to both sides.

use loom::thread;

use super::visible::Visible;
use crate::base::direction::Direction;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::base::sync::epoch;
use crate::base::sync::loom_tests::{Watched, model};
use crate::tree::gaps::Gaps;
use crate::tree::published::Published;

/// A view that cannot be read any more once it is destroyed.
struct Mortal(Watched);

impl Drop for Mortal {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

#[test]
fn a_view_is_found_whole_and_stays_while_it_is_read() {
    model(|| {
        let published = Arc::new(Published::new(Mortal(Watched::new(1))));
        let writer = {
            let published = Arc::clone(&published);
            thread::spawn(move || drop(published.update(|old| Mortal(Watched::new(old.0.get() + 1)))))
        };
        {
            let guard = epoch::pin();
            let view = published.load(&guard);
            let first = view.0.get();
            thread::yield_now();
            assert_eq!(view.0.get(), first, "a view was destroyed while it was read");
            assert!((1..=2).contains(&first));
        }
        writer.join().unwrap();
        assert_eq!(published.get().0.get(), 2);
    });
}

#[test]
fn no_change_of_the_view_is_lost() {
    model(|| {
        let published = Arc::new(Published::new(0_u64));
        let other = {
            let published = Arc::clone(&published);
            thread::spawn(move || drop(published.update(|old| old + 1)))
        };
        published.update(|old| old + 1);
        other.join().unwrap();
        assert_eq!(*published.get(), 2, "a change was lost");
    });
}

#[test]
fn who_sees_a_seqno_sees_its_entries() {
    model(|| {
        let entries = Arc::new((Watched::new(0), Watched::new(0)));
        let visible = Arc::new(Visible::new(SeqNo::ZERO));
        let writer = {
            let (entries, visible) = (Arc::clone(&entries), Arc::clone(&visible));
            thread::spawn(move || {
                entries.0.set(1);
                visible.publish(visible.number(), SeqNo(1), |_| thread::yield_now());
                entries.1.set(2);
                visible.publish(visible.number(), SeqNo(2), |_| thread::yield_now());
            })
        };
        let seqno = visible.newest();
        if seqno >= SeqNo(1) {
            assert_eq!(entries.0.get(), 1);
        }
        if seqno >= SeqNo(2) {
            assert_eq!(entries.1.get(), 2);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_write_becomes_visible_behind_the_one_before_it() {
    model(|| {
        let entry = Arc::new(Watched::new(0));
        let visible = Arc::new(Visible::new(SeqNo::ZERO));
        let numbers = [visible.number(), visible.number()];
        let first = {
            let (entry, visible) = (Arc::clone(&entry), Arc::clone(&visible));
            thread::spawn(move || {
                entry.set(1);
                visible.publish(numbers[0], SeqNo(1), |_| thread::yield_now());
            })
        };
        visible.publish(numbers[1], SeqNo(2), |_| thread::yield_now());
        // Whoever sees the second write sees the first.
        assert_eq!(entry.get(), 1);
        first.join().unwrap();
        assert_eq!(visible.newest(), SeqNo(2));
    });
}

/// The versions of one key by their seqnos, as one view shows them.
struct Versions {
    /// In the memtable; zero while there is none. Its place is the same in all views.
    memory: Arc<loom::sync::atomic::AtomicU64>,
    /// In a flushed file.
    file: Option<u64>,
}

#[test]
fn a_key_is_never_missing_while_it_is_flushed() {
    use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
    model(|| {
        // Version 1 lies in a file, version 2 is written to memory; a compaction that comes after
        // it drops version 1, which no snapshot holds.
        let memory = Arc::new(AtomicU64::new(0));
        let first = Versions { memory: Arc::clone(&memory), file: Some(1) };
        let published = Arc::new(Published::new(first));
        let visible = Arc::new(Visible::new(SeqNo(1)));
        let writer = {
            let (published, visible) = (Arc::clone(&published), Arc::clone(&visible));
            thread::spawn(move || {
                memory.store(2, Relaxed);
                visible.publish(visible.number(), SeqNo(2), |_| thread::yield_now());
                published.update(|old| Versions { memory: Arc::clone(&old.memory), file: None });
            })
        };
        let guard = epoch::pin();
        let (view, seqno) = visible.moment(&published, &guard);
        let versions = [Some(view.memory.load(Relaxed)).filter(|version| *version > 0), view.file];
        let found = versions.into_iter().flatten().find(|version| SeqNo(*version) <= seqno);
        assert!(found.is_some(), "a key was missing at seqno {seqno}");
        drop(guard);
        writer.join().unwrap();
    });
}

#[test]
fn no_scan_jumps_over_a_put_that_it_sees() {
    model(|| {
        let (gaps, visible) = (Arc::new(Gaps::default()), Arc::new(Visible::new(SeqNo::ZERO)));
        let writer = {
            let (gaps, visible) = (Arc::clone(&gaps), Arc::clone(&visible));
            thread::spawn(move || {
                let number = visible.number();
                gaps.give(SeqNo(1));
                gaps.put(b"k");
                visible.publish(number, SeqNo(1), |_| thread::yield_now());
            })
        };
        // Everything is dead but the put. Jumps if it may, or else crosses what it sees of the gap and leaves a note.
        let scan = || {
            let reader = visible.newest();
            let sees_put = reader >= SeqNo(1);
            match gaps.around(Some(b"a"), Direction::Forward, reader) {
                Some(gap) => assert!(!sees_put || !gap.contains(b"k"), "a scan jumped over a put"),
                None => {
                    let upper = if sees_put { b"k" } else { b"z" };
                    gaps.leave(KeyRange { lower: b"a".to_vec(), upper: Some(upper.to_vec()) }, 1000, reader);
                }
            }
        };
        scan();
        scan();
        writer.join().unwrap();
        scan();
    });
}

//! Checks of a whole database against the model, and of what the engine tells about itself.

use rabi::{Db, Error, Stats};

use crate::reading::{HeldRange, Reading, Walk, Way, check_get, read_range};
use crate::run::Run;
use crate::workload::show_key;

/// Everything is as the model has it: scans both ways, and lookups of keys that are there and
/// of keys that are not.
pub(crate) fn verify(run: &Run, db: &Db) {
    for way in [Way::Forward, Way::Backward] {
        let at = run.model.borrow().visible();
        let expected = run.model.borrow().prefix(b"", at);
        let mut held = HeldRange { walk: Walk::Entries(db.iter()), expected, at };
        if read_range(run, &mut held, way, usize::MAX) == Reading::Failed {
            break;
        }
    }
    let keys = run.model.borrow().keys();
    for key in keys.iter().step_by(keys.len() / 60 + 1) {
        check_get(run, db, key);
        check_get(run, db, &[key.as_slice(), b"+"].concat());
    }
    check_stats(run, db);
}

/// What the engine tells about itself must hold together.
pub(crate) fn check_stats(run: &Run, db: &Db) {
    let stats = db.stats();
    let visible = run.model.borrow().visible();
    assert_eq!(stats.get("last_seqno"), Some(visible), "last_seqno of the statistics");
    check_partitions(&stats);
}

/// Partitions cover all keys, ascending, and their files keep to them.
fn check_partitions(stats: &Stats) {
    let partitions = &stats.partitions;
    let begins_at_the_empty_key = partitions.first().is_some_and(|first| first.lower_bound.is_empty());
    assert!(begins_at_the_empty_key, "the first partition has a bound");
    for (index, partition) in partitions.iter().enumerate() {
        let lower = &partition.lower_bound;
        let upper = partitions.get(index + 1).map(|next| &next.lower_bound);
        assert!(upper.is_none_or(|upper| lower < upper), "partitions are out of order");
        for run in &partition.runs {
            let within = *lower <= run.min_key && upper.is_none_or(|upper| run.max_key < *upper);
            assert!(within, "file {} leaves its partition", run.id);
        }
    }
}

/// Everything that is served was written at some time, in order, each key once, by both ways of reading.
pub(crate) fn check_nothing_is_invented(run: &Run, db: &Db) {
    let model = run.model.borrow();
    let mut last: Option<Vec<u8>> = None;
    for entry in db.prefix(b"") {
        let (key, value) = match entry {
            Ok(entry) => entry,
            Err(error @ (Error::Corruption { .. } | Error::Io { .. })) => {
                run.note(format_args!("range: {error}"));
                break;
            }
            Err(error) => panic!("range: {error}; that is no damage"),
        };
        assert!(last.as_ref().is_none_or(|last| *last < key), "{} is out of order", show_key(&key));
        assert!(model.was_written(&key, &value), "{} has a value that was never written", show_key(&key));
        last = Some(key);
    }
    for key in model.keys_ever() {
        match db.get(key) {
            Ok(None) | Err(Error::Corruption { .. } | Error::Io { .. }) => {}
            Ok(Some(value)) => {
                assert!(
                    model.was_written(key, &value),
                    "{} has a value that was never written",
                    show_key(key)
                );
            }
            Err(error) => panic!("get: {error}; that is no damage"),
        }
    }
}

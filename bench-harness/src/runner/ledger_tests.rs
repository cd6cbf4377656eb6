//! Tests of the ledger.

use super::*;

/// The answer to a read that begins and ends now.
fn judge(ledger: &Ledger, found: Option<u32>) -> Result<(), String> {
    ledger.judge(5, ledger.floor(5), found)
}

/// A whole write, acknowledged.
fn put(ledger: &Ledger) {
    ledger.begin(5, Change::Put);
    ledger.end(5, true);
}

#[test]
fn after_an_acknowledgement_older_versions_and_absence_are_lost_writes() {
    let ledger = Ledger::new();
    assert_eq!(judge(&ledger, None), Ok(()));
    assert_eq!(ledger.begin(5, Change::Put), 1);
    // Under way: both outcomes may be seen.
    assert_eq!((judge(&ledger, None), judge(&ledger, Some(1))), (Ok(()), Ok(())));
    ledger.end(5, true);
    assert_eq!(judge(&ledger, None), Err("version 1".to_owned()));
    assert_eq!(ledger.begin(5, Change::Put), 2);
    ledger.end(5, true);
    assert_eq!(judge(&ledger, Some(1)), Err("version 2".to_owned()));
    assert_eq!(judge(&ledger, Some(3)), Err("version 2".to_owned()));
    assert_eq!(judge(&ledger, Some(2)), Ok(()));
}

#[test]
fn a_read_that_began_before_an_acknowledgement_may_return_what_was_there() {
    let ledger = Ledger::new();
    ledger.found_at_start(5, 7);
    let floor = ledger.floor(5);
    put(&ledger);
    assert_eq!(ledger.judge(5, floor, Some(7)), Ok(()));
    assert_eq!(ledger.judge(5, floor, Some(8)), Ok(()));
    assert!(ledger.judge(5, floor, Some(6)).is_err());
    assert!(ledger.judge(5, floor, None).is_err());
}

#[test]
fn overlapping_writes_may_take_effect_in_either_order_and_end_what_was_before() {
    let ledger = Ledger::new();
    ledger.found_at_start(5, 3);
    assert_eq!((ledger.begin(5, Change::Put), ledger.begin(5, Change::Put)), (4, 5));
    ledger.end(5, true);
    ledger.end(5, true);
    assert_eq!((judge(&ledger, Some(4)), judge(&ledger, Some(5))), (Ok(()), Ok(())));
    assert_eq!(judge(&ledger, Some(3)), Err("a version from 4 to 5".to_owned()));
    // The next write alone ends the doubt.
    put(&ledger);
    assert_eq!(judge(&ledger, Some(5)), Err("version 6".to_owned()));
}

#[test]
fn a_delete_makes_absence_right_and_every_value_before_it_wrong() {
    let ledger = Ledger::new();
    ledger.found_at_start(5, 1);
    assert_eq!(judge(&ledger, None), Err("version 1".to_owned()));
    assert_eq!(ledger.begin(5, Change::Delete), 2);
    assert_eq!((judge(&ledger, None), judge(&ledger, Some(1))), (Ok(()), Ok(())));
    ledger.end(5, true);
    assert_eq!(judge(&ledger, Some(1)), Err("nothing: it was deleted".to_owned()));
    put(&ledger);
    assert_eq!(judge(&ledger, None), Err("version 3".to_owned()));
}

#[test]
fn a_failed_write_may_have_happened_or_not() {
    let ledger = Ledger::new();
    ledger.found_at_start(5, 1);
    ledger.begin(5, Change::Put);
    ledger.end(5, false);
    assert_eq!((judge(&ledger, Some(1)), judge(&ledger, Some(2))), (Ok(()), Ok(())));
    put(&ledger);
    assert_eq!(judge(&ledger, Some(2)), Err("version 3".to_owned()));
}

#[test]
fn a_ledger_that_is_kept_says_the_same_in_the_next_process() {
    let file = tempfile::tempfile().unwrap();
    let ledger = Ledger::kept_in(file.try_clone().unwrap()).unwrap();
    put(&ledger);
    ledger.begin(5, Change::Put);
    ledger.begin(2000, Change::Delete);
    drop(ledger);
    let ledger = Ledger::kept_in(file).unwrap();
    assert_eq!((ledger.numbers(), ledger.acknowledged()), (2001, 1));
    assert_eq!((judge(&ledger, Some(1)), judge(&ledger, Some(2))), (Ok(()), Ok(())));
    assert_eq!(judge(&ledger, Some(3)), Err("a version from 1 to 2".to_owned()));
    assert_eq!(judge(&ledger, None), Err("a version from 1 to 2".to_owned()));
    assert_eq!((ledger.first(0..5, true), ledger.first(0..6, true)), (None, Some(5)));
    assert_eq!((ledger.first(5..7, false), ledger.first(5..6, false)), (Some(6), None));
}

#[test]
fn a_write_that_a_crash_has_swallowed_must_not_come_back() {
    let ledger = Ledger::new();
    ledger.found_at_start(5, 1);
    ledger.begin(5, Change::Put);
    ledger.begin(5, Change::Delete);
    ledger.settle(5, Some(1));
    assert_eq!(judge(&ledger, Some(1)), Ok(()));
    assert_eq!(judge(&ledger, Some(2)), Err("version 1".to_owned()));
    assert_eq!(judge(&ledger, None), Err("version 1".to_owned()));
    // The next process writes, dies as well, and what it wrote is there.
    assert_eq!(ledger.begin(5, Change::Put), 4);
    assert_eq!((judge(&ledger, Some(1)), judge(&ledger, Some(4))), (Ok(()), Ok(())));
    assert!(judge(&ledger, Some(3)).is_err());
    ledger.settle(5, Some(4));
    assert_eq!((judge(&ledger, Some(4)), judge(&ledger, Some(1)).is_err()), (Ok(()), true));
    // Found absent: neither the value before nor the one under way may come back.
    ledger.begin(5, Change::Delete);
    ledger.begin(5, Change::Put);
    ledger.settle(5, None);
    assert_eq!(judge(&ledger, None), Ok(()));
    for version in 1..7 {
        assert_eq!(judge(&ledger, Some(version)), Err("nothing: it was deleted".to_owned()));
    }
}

#[test]
fn the_largest_number_is_known_whichever_stripe_it_is_in() {
    let ledger = Ledger::new();
    assert_eq!(ledger.numbers(), 0);
    ledger.found_at_start(3 * STRIPES + 9, 0);
    ledger.found_at_start(12, 0);
    assert_eq!(ledger.numbers(), 3 * STRIPES + 10);
    assert!(size_of::<Entry>() <= 36);
}

#[test]
fn a_record_says_of_its_batch_what_can_be_known() {
    let file = tempfile::tempfile().unwrap();
    let ledger = Ledger::kept_in(file.try_clone().unwrap()).unwrap();
    ledger.found_at_start(5, 7);
    let batch = ledger.new_batch();
    assert_eq!(ledger.begin_in(5, Change::Put, batch), 8);
    drop(ledger);
    let ledger = Ledger::kept_in(file).unwrap();
    assert_eq!(ledger.fate_of_batch(5, Some(8)), Some((batch, true)));
    assert_eq!(ledger.fate_of_batch(5, Some(7)), Some((batch, false)));
    assert_eq!(ledger.fate_of_batch(5, None), Some((batch, false)));
    // The next process counts its batches from the beginning.
    ledger.settle(5, Some(8));
    assert_eq!(ledger.fate_of_batch(5, Some(8)), None);
}

#[test]
fn what_overlaps_a_batch_may_have_come_after_it_and_says_nothing() {
    let ledger = Ledger::new();
    ledger.found_at_start(5, 7);
    ledger.begin(5, Change::Put);
    ledger.begin(5, Change::Delete);
    let batch = ledger.new_batch();
    assert_eq!(ledger.begin_in(5, Change::Put, batch), 10);
    assert_eq!((ledger.fate_of_batch(5, Some(8)), ledger.fate_of_batch(5, None)), (None, None));
    assert_eq!(ledger.fate_of_batch(5, Some(7)), Some((batch, false)));
    // A later write hides what the batch did.
    ledger.begin(5, Change::Put);
    assert_eq!(ledger.fate_of_batch(5, Some(7)), None);
}

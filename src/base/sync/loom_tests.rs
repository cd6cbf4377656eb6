//! What the model tests share, and the proof that each of them can fail.
//!
//! A model runs a small scene of two or three threads in every order that loom finds different.
//! For each mistake that the code knows to make ([`mutant!`](super::mutant)) the table names a model
//! that must notice it and what it then says; a test runs that model with the mistake in a process
//! of its own.

use std::process::Command;

use loom::cell::UnsafeCell;

use super::epoch;

/// Runs `scene` in all orders.
pub(crate) fn model(scene: impl Fn() + Send + Sync + 'static) {
    // Scenes are small: none has found anything with more switches than this. Without a bound those
    // of three threads would not end within minutes.
    model_with(3, scene);
}

/// Runs `scene` in all orders with at most so many switches from a thread that could go on.
pub(crate) fn model_with(switches_max: usize, scene: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(switches_max);
    builder.check(move || {
        // Made before the threads, so that making it orders nothing between them.
        drop(epoch::pin());
        scene();
    });
}

/// A number that loom watches: two accesses of which one is a write and nothing says which was
/// first fail the model.
pub(crate) struct Watched(UnsafeCell<u64>);

// SAFETY: every access goes through loom's cell, which fails the model if two are not ordered.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    /// A cell that was written by the calling thread.
    pub(crate) fn new(content: u64) -> Self {
        let watched = Self(UnsafeCell::new(0));
        watched.set(content);
        watched
    }

    /// Writes.
    pub(crate) fn set(&self, new: u64) {
        // SAFETY: loom fails the model if anybody reads or writes meanwhile.
        self.0.with_mut(|content| unsafe { *content = new });
    }

    /// Reads.
    pub(crate) fn get(&self) -> u64 {
        // SAFETY: loom fails the model if the last write is not before this.
        self.0.with(|content| unsafe { *content })
    }
}

/// What loom says of two accesses of which nothing says which was first.
const RACE: &str = "Causality violation";

/// What loom says when everybody sleeps.
const ASLEEP: &str = "deadlock; threads =";

/// A mistake, the model that notices it, and the words in which it does.
const MUTANTS: &[(&str, &str, &str)] = &[
    ("slots_put", "cache::loom_tests::a_block_is_found_whole_and_stays_while_it_is_read", RACE),
    ("slots_find", "cache::loom_tests::a_block_is_found_whole_and_stays_while_it_is_read", RACE),
    ("slots_unlink", "cache::loom_tests::who_evicts_a_block_sees_it_whole", RACE),
    (
        "shared_slot_unchecked",
        "cache::loom_tests::of_values_that_share_a_slot_each_is_itself_and_is_freed_once",
        "another value was found",
    ),
    ("records_add_fence", "cache::loom_tests::no_record_is_older_than_the_files", "a record is outdated"),
    ("records_renew_fence", "cache::loom_tests::no_record_is_older_than_the_files", "a record is outdated"),
    ("records_pending", "cache::loom_tests::no_record_is_older_than_the_files", "a record is outdated"),
    ("records_find", "cache::loom_tests::a_record_is_found_whole_and_stays_while_it_is_read", RACE),
    (
        "epoch_destroys_at_once",
        "cache::loom_tests::a_block_is_found_whole_and_stays_while_it_is_read",
        "the slot's count was given up while it was read",
    ),
    ("published_load", "engine::loom_tests::a_view_is_found_whole_and_stays_while_it_is_read", RACE),
    ("published_swap", "engine::loom_tests::a_view_is_found_whole_and_stays_while_it_is_read", RACE),
    ("published_unlocked", "engine::loom_tests::no_change_of_the_view_is_lost", "a change was lost"),
    ("visible_publish", "engine::loom_tests::who_sees_a_seqno_sees_its_entries", RACE),
    ("visible_newest", "engine::loom_tests::who_sees_a_seqno_sees_its_entries", RACE),
    (
        "visible_inserted",
        "engine::loom_tests::a_write_becomes_visible_behind_the_one_before_it",
        "Model exceeded maximum number of branches",
    ),
    (
        "visible_out_of_order",
        "engine::loom_tests::a_write_becomes_visible_behind_the_one_before_it",
        "left: 0",
    ),
    (
        "moment_seqno_first",
        "engine::loom_tests::a_key_is_never_missing_while_it_is_flushed",
        "a key was missing",
    ),
    ("gaps_give", "engine::loom_tests::no_scan_jumps_over_a_put_that_it_sees", "a scan jumped over a put"),
    (
        "gap_outlives_put",
        "engine::loom_tests::no_scan_jumps_over_a_put_that_it_sees",
        "a scan jumped over a put",
    ),
    (
        "gap_taken_unknown",
        "engine::loom_tests::no_scan_jumps_over_a_put_that_it_sees",
        "a scan jumped over a put",
    ),
    (
        "versions_cut_all",
        "memtable::loom_tests::writers_side_by_side_lose_no_version_and_cut_none_that_is_seen",
        "left: [None",
    ),
    (
        "index_entry_left_to_another",
        "memtable::loom_tests::of_two_writers_of_a_new_key_both_are_found",
        "its own is there, whoever made the node",
    ),
    (
        "page_not_validated",
        "memtable::loom_tests::a_walk_shows_what_is_visible_while_a_page_is_split",
        "left: [",
    ),
    ("marks_staged", "wal::loom_tests::what_is_staged_is_drained_whole", RACE),
    ("marks_head", "wal::loom_tests::what_is_staged_is_drained_whole", RACE),
    ("marks_drained", "wal::loom_tests::the_stage_is_overwritten_only_behind_the_drain", RACE),
    ("marks_durable", "wal::loom_tests::the_stage_is_overwritten_only_behind_the_drain", RACE),
    (
        "marks_told_before_drained",
        "wal::loom_tests::who_waits_for_room_in_the_stage_hears_of_the_drain",
        ASLEEP,
    ),
    ("turn_durable_looked_at_once", "wal::loom_tests::every_waiter_hears_of_the_group_that_holds_it", ASLEEP),
    ("turn_not_handed_on", "wal::loom_tests::callers_lead_and_follow_and_hand_the_turn_on", ASLEEP),
    ("turn_told_before_free", "wal::loom_tests::callers_lead_and_follow_and_hand_the_turn_on", ASLEEP),
    ("event_forgets", "wal::loom_tests::every_waiter_hears_of_the_group_that_holds_it", ASLEEP),
    ("event_wakes_one", "exec::loom_tests::all_listeners_wake", ASLEEP),
    ("reply_looks_twice", "exec::loom_tests::a_reply_arrives", ASLEEP),
    ("promise_dropped_in_silence", "exec::loom_tests::a_promise_that_is_dropped_is_heard_of", ASLEEP),
    ("parker_forgets_a_call", "exec::loom_tests::what_was_done_before_a_wake_is_seen_after_it", ASLEEP),
    ("parker_calls_nobody", "exec::loom_tests::what_was_done_before_a_wake_is_seen_after_it", ASLEEP),
    ("waits_in_loop_alone", "exec::loom_tests::who_calls_a_driver_calls_it_where_it_waits", ASLEEP),
    ("waits_in_queue_for_good", "exec::loom_tests::who_calls_a_driver_calls_it_where_it_waits", ASLEEP),
    ("mailbox_not_looked_at", "exec::loom_tests::no_message_lies_while_the_core_sleeps", ASLEEP),
    ("mailbox_announced_last", "exec::loom_tests::no_message_lies_while_the_core_sleeps", ASLEEP),
    ("mailbox_put_after_end", "exec::loom_tests::a_message_to_a_core_that_ends_is_not_kept", ASLEEP),
    ("park_forgets_a_call", "io::uring::loom_tests::a_call_ends_the_sleep", ASLEEP),
    ("park_wake_up", "io::uring::loom_tests::a_call_during_a_sleep_that_ends_otherwise_is_seen_whole", RACE),
    ("park_call", "io::uring::loom_tests::a_call_ends_the_sleep", RACE),
];

#[test]
fn each_mistake_is_noticed_by_its_model() {
    let mut failures = String::new();
    for (mutant, model, words) in MUTANTS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let run =
            command.args(["--exact", model, "--nocapture"]).env("RABI_MUTANT", mutant).output().unwrap();
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if !said.contains("running 1 test") {
            failures += &format!("{mutant}: there is no model {model}\n");
        } else if run.status.success() {
            failures += &format!("{mutant}: {model} did not notice\n");
        } else if !said.contains(words) {
            failures += &format!("{mutant}: {model} said something else than {words:?}:\n{said}\n");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn each_mistake_that_the_code_knows_is_in_the_table() {
    let mut known = Vec::new();
    let mut dirs = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in ["mutant!(\"", "weakened!(\""] {
                    known.extend(
                        text.split(call).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
                    );
                }
            }
        }
    }
    known.retain(|name| !name.is_empty());
    known.sort();
    known.dedup();
    let mut listed: Vec<_> = MUTANTS.iter().map(|(mutant, _, _)| (*mutant).to_owned()).collect();
    listed.sort();
    assert_eq!(known, listed);
}

//! The binary as its users meet it: exit codes, texts and files of whole commands.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how an expectation fails")]

mod browser;
mod harness;

mod a_full_device_ends_a_phase;
mod a_signal_ends_a_run_early;
mod answers;
mod arrivals_on_a_schedule;
mod async_clients;
mod ci_gates_counters;
mod ci_scripts_decide;
mod cliffs_are_shown;
mod compare_judges_builds;
mod crash_keeps_what_was_acknowledged;
mod exports_for_other_programs;
mod load_and_run;
mod main_job;
mod memory_is_limited;
mod numbers_along_the_time;
mod outputs_are_apart;
mod outputs_are_replaced_whole;
mod pages_in_a_browser;
mod results_are_documented;
mod search_finds_the_limit;
mod suite;
mod terminals;
mod traces;
mod verify_finds_what_is_lost;

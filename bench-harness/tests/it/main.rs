//! The binary as its users meet it: exit codes, texts and files of whole commands.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how an expectation fails")]

mod harness;

mod errors_name_what_is_wrong;
mod load_and_run;
mod main_job;

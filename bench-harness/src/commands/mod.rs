//! One module for each command; nothing but `cli` and `main` imports them, and none imports another.

pub mod ci;
pub mod cliffs;
pub mod compare;
pub mod crash;
pub mod load_and_run;
pub mod main_job;
pub mod search;
pub mod suite;

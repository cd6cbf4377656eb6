//! The engine as its users meet it: behaviour at the public boundary, a module for each.
//!
//! Some tests step the cores themselves, which takes the feature `sim`; a run of the whole workspace has
//! it, and so has `cargo test -p rabi --features sim`.
//!
//! Tests that draw at random print their seed when they fail; the same seed draws the same.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how an expectation fails")]
#![expect(clippy::print_stdout, reason = "a test that cannot run here says so")]

mod device;
mod generator;
mod index_parts;
mod scratch;
mod system;

mod amount;
mod awaited;
#[cfg(feature = "sim")]
mod awaited_drops;
#[cfg(feature = "sim")]
mod awaited_wakers;
mod backends;
mod concurrent;
mod crash;
#[cfg(feature = "sim")]
mod crash_states;
mod cursor;
mod damage;
mod denied;
mod direct_reads;
mod driver;
mod driver_blocks;
mod durability;
#[cfg(feature = "sim")]
mod ends;
mod errors;
mod face;
mod file_limit;
mod file_systems;
mod forked;
mod forked_pending;
mod full_disk;
mod full_log;
mod guests;
#[cfg(feature = "sim")]
mod guests_stepped;
mod identity;
mod levels;
mod memory;
mod model;
mod multi_get;
#[cfg(feature = "tokio-uring")]
mod on_tokio_uring;
mod read_ahead;
mod records;
mod scan_credit;
mod settling;
mod signals;
mod size_limit;
mod spare_tables;
#[cfg(feature = "sim")]
mod stepped;
mod thread_ends;
mod tidy;

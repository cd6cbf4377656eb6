//! A simulated machine: files, directories, clock and randomness in memory, driven by one seed.
//!
//! A [`World`] outlives the databases opened in it, as a disk outlives processes. Everything in it
//! happens on the thread that steps the cores, in an order that the seed and the caller's steps
//! decide: the same steps under the same seed are the same run, to the byte.
//!
//! What the machine promises is less than any real one keeps, within what it would have to keep:
//! see [`contents`] for the bytes of files, [`names`] for directories, [`crash`] for what is left
//! after the end of a process or of the power, [`faults`] for what goes wrong without either.

mod caller_write;
mod contents;
mod counts;
mod crash;
mod disk;
#[cfg(test)]
mod disk_tests;
mod faults;
mod flight;
mod handle;
mod lies;
mod machine;
mod moves;
mod names;
mod operations;
mod queue;
mod random;
mod state;
mod trace;
mod world;

#[cfg(test)]
mod opening_tests;
#[cfg(test)]
mod tests;

pub(super) use caller_write::CallerWrite;
pub use counts::Counts;
pub use crash::Survival;
pub use faults::Faults;
pub(super) use handle::Handle;
pub use lies::{Lie, Syncs};
pub(crate) use machine::Machine;
pub use random::Random;
pub use world::World;

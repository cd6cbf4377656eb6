//! The same memory for every engine: control groups, of either version.
//!
//! What counts is what the kernel charges: the process and the OS cache it fills, so that one bound holds for all engines
//! alike, those that rely on that cache too. `hierarchy` finds the groups of this process, `limit` makes one for a run,
//! `child` carries a command out in one, and `watch` tells what its limit did.

mod child;
mod hierarchy;
mod limit;
mod watch;

pub use child::{JOIN_GROUP, carry_out_within};
pub use hierarchy::Hierarchy;
pub use limit::{Group, MemoryLimit};
pub use watch::{GroupUsage, GroupWatch};

//! The io_uring backend: a ring for each core, and a small one for each thread that reads.
//!
//! [`trial`] finds out whether rings may be used; [`ring`] sets them up and is the only place that touches their shared memory; [`flight`] is one
//! operation as a sequence of requests; [`park`] ends waits; [`mod@queue`] keeps flights while the
//! kernel works on them and drives it all for a core; [`reader`] serves blocking reads, [`several`] those of many blocks together.
//!
//! Invariant of the whole: memory that the kernel was told about stays where it is, untouched,
//! until the completion of that request has been taken from the ring.

mod flight;
mod park;
mod queue;
mod reader;
mod ring;
mod several;
mod trial;

#[cfg(test)]
mod flight_tests;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
mod trial_tests;

use super::File;
use super::clock::Clock;
use super::durable::DurableWrites;
use crate::base::error::Result;
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;

pub(super) use reader::{read_at, read_many};
pub(super) use trial::test_ring;

/// The queue of core number `core`, to be called on that core's thread.
pub(super) fn queue(
    core: usize,
    held: &File,
    clock: Clock,
    shared: (Arc<IoCounters>, Arc<DurableWrites>),
) -> Result<Box<dyn super::Queue>> {
    Ok(Box::new(queue::UringQueue::new(core, held, clock, shared)?))
}

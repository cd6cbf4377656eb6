//! A write that is visible and on its way to the device.

use std::cmp::Ordering;
use std::fmt;

use crate::base::error::Result;
use crate::base::sync::Arc;
use crate::engine::{Handle, Placed};

/// A batch that was [submitted](crate::AsyncDb::submit): visible, and on its way to the device. Tickets of one database
/// are ordered as its writes are. It keeps the database open; dropping it changes nothing for the batch.
#[derive(Clone)]
#[must_use = "a ticket is asked when its batch survives loss of power"]
pub struct Ticket {
    handle: Arc<Handle>,
    placed: Placed,
}

impl Ticket {
    pub(super) fn new(handle: Arc<Handle>, placed: Placed) -> Self {
        Self { handle, placed }
    }

    /// The place of the batch in the order of writes: the number of its last entry. Later batches have greater ones, and
    /// go on counting after the next opening.
    #[must_use]
    pub fn seqno(&self) -> u64 {
        self.placed.seqno.0
    }

    /// Whether the batch, and all before it, survives loss of power. Does not ask for it.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.handle.0.is_durable(self.placed)
    }

    /// Asks for the batch, and all before it, to survive loss of power, and waits for that. Many that wait share a flush
    /// of the device. Without this call it follows to the device within about a second.
    ///
    /// # Errors
    /// As [`Db::sync`](crate::Db::sync).
    pub async fn durable(&self) -> Result<()> {
        self.handle.0.wait_durable(self.placed).await
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.placed == other.placed
    }
}

impl Eq for Ticket {}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> Ordering {
        self.placed.cmp(&other.placed)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(seqno {})", self.placed.seqno)
    }
}

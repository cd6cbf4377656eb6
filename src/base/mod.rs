//! The lowest layer: what every other layer may use and nothing that does I/O.
//!
//! Errors, options and limits, the byte codec, keys with their place in the total order, ranges of
//! them, and the synchronisation types.

pub(crate) mod ablation;
pub(crate) mod codec;
pub(crate) mod coverage;
pub(crate) mod direction;
pub(crate) mod error;
pub(crate) mod ids;
pub(crate) mod key;
pub(crate) mod key_range;
pub(crate) mod keyspace;
pub(crate) mod limits;
pub(crate) mod lsn;
pub(crate) mod metrics;
pub(crate) mod options;
pub(crate) mod planted;
pub(crate) mod prefetch;
pub(crate) mod short_copy;
pub(crate) mod slab;
pub(crate) mod sync;
pub(crate) mod value;
pub(crate) mod visibility;

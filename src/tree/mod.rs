//! The tree: what is on disk, what readers see of it, and the jobs that move data down.
//!
//! [`levels`] is the durable state and the edits that change it. [`view`] is what a reader pins, [`published`] how
//! it gets there; [`lookup`] and [`scan`] read it. [`plan`] decides what to compact, without I/O; [`holes`] looks what a compaction may leave alone,
//! [`flush`] and [`compact`] do the work.

pub(crate) mod compact;
pub(crate) mod flush;
pub(crate) mod holes;
mod input;
pub(crate) mod levels;
pub(crate) mod lookup;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod published;
pub(crate) mod ranges;
mod read_ahead;
pub(crate) mod replayed;
pub(crate) mod retention;
#[cfg(feature = "sim")]
mod retired;
pub(crate) mod scan;
pub(crate) mod table_files;
pub(crate) mod throttle;
pub(crate) mod view;

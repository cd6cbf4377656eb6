//! Hard limits of the engine and of its file formats, with the reason for each.

/// Longest key in bytes. Fits the 16-bit length the formats were sized for.
pub const KEY_LEN_MAX: usize = 65_535;

/// Longest value in bytes: 512 MiB. One value is one table block, whose length is 32 bits wide.
pub const VALUE_LEN_MAX: usize = 512 << 20;

/// Largest encoded [`WriteBatch`](crate::WriteBatch) in bytes: 1 GiB, so that one WAL record
/// length always fits 32 bits and one largest value with one longest key always fits a batch.
pub const BATCH_LEN_MAX: usize = 1 << 30;

/// Smallest and largest stage in bytes, and the size that each begins with: a small database
/// never needs more.
pub(crate) const STAGE_SIZE_MIN: u64 = 64 << 10;
pub(crate) const STAGE_SIZE_MAX: u64 = 1 << 30;
/// Up to this size the stage's ring grows with use; beyond it, only where the device makes writers wait.
pub(crate) const STAGE_SIZE_USUAL: u64 = 8 << 20;

/// Smallest segment in bytes: the first ones of a log.
pub(crate) const SEGMENT_SIZE_MIN: u64 = 64 << 10;

/// Unit of direct I/O, of WAL groups and of torn writes: one 4 KiB physical sector.
pub(crate) const SECTOR: usize = 4096;

/// Largest single request handed to a ring. Requests of 1 MiB and more are executed by a kernel
/// worker thread instead of inline (measured by Jasny et al., arXiv 2512.04859).
pub(crate) const REQUEST_LEN_MAX: usize = 512 << 10;

/// Pieces of a table on their way to the device at a time: enough to keep it busy while the next is built, and so few that
/// a sync of the log, which waits for what the device has not finished, waits for two megabytes of a table at most.
pub(crate) const TABLE_PIECES_IN_FLIGHT_MAX: usize = 8;

/// Largest LSN that a manifest may state: 2^62. A log of 10 GB/s takes 14 years to get there, and what one
/// opening adds stays far from the end of 64 bits.
pub(crate) const LSN_MAX: u64 = 1 << 62;

/// Largest seqno that a manifest may state: 2^55, half of all there are. The other half is left to one
/// opening: 100 years of 10 million writes a second.
pub(crate) const SEQNO_STATED_MAX: u64 = 1 << 55;

const _: () = assert!(2 * SEQNO_STATED_MAX == super::key::SeqNo::MAX.0 + 1);
const _: () = assert!(VALUE_LEN_MAX + KEY_LEN_MAX + 64 < BATCH_LEN_MAX);
const _: () = assert!(REQUEST_LEN_MAX.is_multiple_of(SECTOR));

//! Traces: operations in a file, to be replayed on any engine, and the writing of such files.
//!
//! From the bottom up: `step` is one operation, `input` the bytes of a file, `reader` and `writer` are our own format (`format`
//! draws its bytes), `twitter` and `rocksdb` read the formats of others, `sample` and `prefill` make
//! one stream of operations into another, `open` finds out what a file is, `feed` deals the
//! operations out to client threads, `recording` takes them from there. A file is read from its beginning
//! to its end, once, and never held in memory as a whole.

mod bytes;
mod error;
mod feed;
mod format;
mod input;
mod open;
mod prefill;
mod reader;
mod recording;
mod rocksdb;
mod rocksdb_batch;
mod sample;
mod step;
mod twitter;
mod writer;

pub use feed::{Ending, Feed};
pub use open::{Format, Replay, recognise};
pub use recording::{Recording, ThreadLog};
pub use step::{Action, Record, Step};

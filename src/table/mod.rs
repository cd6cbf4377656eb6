//! Tables: the immutable sorted files of L2 and L3.
//!
//! No I/O happens here. A [`Builder`] turns entries into buffers that the caller writes one after the
//! other; a [`Table`] is made of a footer, an index and a filter the caller has read, says where each
//! data block lies, and turns the bytes of a block into a [`Block`] after checking them.
//!
//! | file | content |
//! | --- | --- |
//! | `format` | the file drawn byte by byte, footer, block trailer |
//! | `block_builder`, `block`, `block_cursor`, `block_walk` | data blocks: made, searched for one key, walked, and walked quickly |
//! | `entry`, `directory` | one entry, and where in a block a search begins |
//! | `filter` | the blocked Bloom filter |
//! | `index`, `heads`, `positions` | which block holds a key, and the search for it |
//! | `index_part` | what of an index is read when it is needed |
//! | `builder`, `reader` | the whole file: made, used |
//! | `stretch` | adjacent blocks that were read at once |
//! | `kept` | blocks that go into the cache when they are made |
//!
//! Bytes from disk are hostile: whatever they hold, decoding ends in data that was written as such or
//! in an error with file and offset, never in a panic.

pub(crate) mod block;
pub(crate) mod block_builder;
pub(crate) mod block_cursor;
mod block_walk;
pub(crate) mod builder;
mod bytes;
mod directory;
mod entry;
pub(crate) mod filter;
pub(crate) mod format;
mod heads;
pub(crate) mod index;
mod index_part;
mod kept;
mod positions;
pub(crate) mod reader;
mod stretch;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use block::{Block, BlockCache};
pub(crate) use block_cursor::BlockCursor;
pub(crate) use block_walk::BlockWalk;
pub(crate) use builder::{Builder, TableOptions};
pub(crate) use bytes::Bytes;
pub(crate) use format::{FOOTER_LEN, Footer};
pub(crate) use kept::{Keep, KeptBlocks};
pub(crate) use reader::{IndexIn, Table};
pub(crate) use stretch::Stretch;

//! The contents of a manifest file, as far as they can count.
//!
//! Neither the length of the file nor one that it states is believed: memory is taken for records whose
//! checksums fit, and for a bounded piece behind them.

use xxhash_rust::xxh3::Xxh3;

use super::manifest_format::{
    HEADER_LEN, RECORD_HEADER_LEN, TAIL_LEN_MAX, checksum_seed, record_at, stated_at,
};
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::ids::FileId;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::exec::Local;
use crate::io::{Buffer, File};

/// What is read at once.
const PIECE_LEN: usize = REQUEST_LEN_MAX;

/// A manifest being read.
struct Image<'a> {
    local: &'a Local,
    file: &'a File,
    file_len: usize,
    /// The file from its beginning on.
    bytes: Vec<u8>,
}

/// Reads the records of the manifest `id`, and as much behind them as has to be looked at. An invalid
/// record ends them.
pub(super) async fn load(local: &Local, file: &File, id: FileId, file_len: u64) -> Result<Vec<u8>> {
    let file_len = usize::try_from(file_len).unwrap_or(usize::MAX);
    let mut image = Image { local, file, file_len, bytes: Vec::new() };
    let mut end = HEADER_LEN;
    loop {
        image.read_to(end.saturating_add(PIECE_LEN)).await?;
        let known = end;
        while let Some(payload) = record_at(id, &image.bytes, end) {
            end += RECORD_HEADER_LEN + payload.len();
        }
        if end > known {
            continue;
        }
        // What is here as a whole has been found wanting. More is fetched only if it is valid: for the
        // first record, which no length is too great for, that takes reading it once more.
        let Some(stated) = stated_at(&image.bytes, end) else { break };
        let record_end = end.saturating_add(RECORD_HEADER_LEN).saturating_add(stated);
        if record_end <= image.bytes.len() || record_end > file_len {
            break;
        }
        if !image.is_whole(id, end, record_end).await? {
            break;
        }
        reached!("manifest: a record of more than a piece");
        image.read_to(record_end).await?;
    }
    image.read_to(end.saturating_add(TAIL_LEN_MAX)).await?;
    Ok(image.bytes)
}

impl Image<'_> {
    /// Reads on up to `end`, or to the end of the file.
    async fn read_to(&mut self, end: usize) -> Result<()> {
        let end = end.min(self.file_len);
        while self.bytes.len() < end {
            let piece = self.read(self.bytes.len(), end).await?;
            if piece.is_empty() {
                // Shorter than its length said a moment ago.
                self.file_len = self.bytes.len();
                break;
            }
            self.bytes.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// A piece from `start` on, not beyond `end`.
    async fn read(&self, start: usize, end: usize) -> Result<Buffer> {
        self.local.read(self.file, start as u64, PIECE_LEN.min(end - start)).await
    }

    /// Whether the checksum of a record fits, without keeping what it covers.
    async fn is_whole(&self, id: FileId, start: usize, end: usize) -> Result<bool> {
        let Some(header) = self.bytes.get(start + 4..start + RECORD_HEADER_LEN) else { return Ok(false) };
        let mut hash = Xxh3::with_seed(checksum_seed(id, start as u64));
        let mut at = start + RECORD_HEADER_LEN;
        while at < end {
            let piece = self.read(at, end).await?;
            if piece.is_empty() {
                return Ok(false);
            }
            hash.update(&piece);
            at += piece.len();
            self.local.yield_if_due().await;
        }
        Ok(hash.digest().to_le_bytes() == *header)
    }
}

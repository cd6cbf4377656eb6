//! Segments: the files that hold the stream, preallocated, fully written and recycled.
//!
//! Overwriting blocks that are already written needs no journal commit, so a durable write costs a
//! bare device flush. A segment in use is only ever written at the end of the stream; one whose
//! stream is no longer needed gets a new header and serves again, under its old name.

use std::path::{Path, PathBuf};

use super::format::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::base::error::Result;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::exec::Local;
use crate::io::{Buffer, Data, File, OpenMode};

/// Prefix of segment file names.
pub(crate) const SEGMENT_PREFIX: &str = "wal-";

/// A segment in use.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) file: File,
    pub(crate) header: SegmentHeader,
}

impl Segment {
    /// Reads the header of a file; `None` if it is no segment of any log.
    pub(crate) async fn read(local: &Local, file: File) -> Result<Option<Self>> {
        let sectors = local.read(&file, 0, SEGMENT_HEADER_LEN).await?;
        let header = SegmentHeader::decode(file.path(), &sectors)?;
        Ok(header.map(|header| Self { file, header }))
    }

    /// LSN behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.header.start + self.header.capacity
    }

    /// Whether it holds the byte at `lsn`.
    pub(crate) fn holds(&self, lsn: u64) -> bool {
        (self.header.start..self.end()).contains(&lsn)
    }

    /// Offset in the file of the byte at `lsn`.
    pub(crate) fn offset(&self, lsn: u64) -> u64 {
        SEGMENT_HEADER_LEN as u64 + (lsn - self.header.start)
    }
}

/// A segment file ready to be given a header: all its blocks are written.
#[derive(Clone, Debug)]
pub(crate) struct Blank {
    file: File,
    capacity: u64,
}

impl Blank {
    /// Makes a file of zeros. On failure nothing is left behind.
    pub(crate) async fn create(local: &Local, path: PathBuf, segment_len: u64) -> Result<Self> {
        let made = Self::fill(local, &path, segment_len).await;
        if made.is_err() {
            // The first error is the one to report; a file left over is removed at the next open.
            let _removed = local.remove(path).await;
        }
        made
    }

    async fn fill(local: &Local, path: &Path, segment_len: u64) -> Result<Self> {
        drop(local.io().open(path, OpenMode::Create)?);
        let file = local.io().open(path, OpenMode::Direct)?;
        local.allocate(&file, segment_len).await?;
        let mut offset = 0;
        while offset < segment_len {
            let len = (segment_len - offset).min(REQUEST_LEN_MAX as u64) as usize;
            let mut zeros = Buffer::with_capacity(len);
            zeros.zero_to(len);
            local.write(&file, offset, Data::Owned(zeros), false).await?;
            offset += len as u64;
        }
        local.sync(&file).await?;
        Ok(Self { file, capacity: segment_len - SEGMENT_HEADER_LEN as u64 })
    }

    /// A file that was a segment and is needed no more.
    pub(crate) fn recycled(segment: Segment) -> Self {
        Self { file: segment.file, capacity: segment.header.capacity }
    }

    /// A file of an earlier log that is as long as segments are now and needed no more.
    pub(crate) fn leftover(file: File, segment_len: u64) -> Self {
        Self { file, capacity: segment_len - SEGMENT_HEADER_LEN as u64 }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Makes it the segment of the log `generation` that begins at `start`, whole records being
    /// durable up to `whole`; durable on return.
    pub(crate) async fn begin(
        self,
        local: &Local,
        generation: u64,
        start: u64,
        whole: u64,
    ) -> Result<Segment> {
        let header = SegmentHeader { generation, start, capacity: self.capacity, whole };
        let mut sectors = Buffer::with_capacity(SEGMENT_HEADER_LEN);
        sectors.extend_from_slice(&header.encode());
        local.write(&self.file, 0, Data::Owned(sectors), true).await?;
        Ok(Segment { file: self.file, header })
    }
}

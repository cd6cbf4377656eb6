//! Segments: the files that hold the stream, preallocated, filled with zeros and recycled.
//!
//! Overwriting blocks that are already written needs no journal commit, so a durable write costs a
//! bare device flush. A segment that writers need sooner than it can be filled stays reserved space in part: they would
//! wait for zeros, and the device would be given twice what they write. A segment in use is only ever written at the end
//! of the stream. When its part of the stream is no longer needed it gets a new header and is used again, under its old
//! name.

use std::ops::Range;

use super::format::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::limits::{SECTOR, SEGMENT_SIZE_MIN};
use crate::base::lsn::{Generation, Lsn};
use crate::exec::{Local, Writing};
use crate::files::{Directory, FileKind};
use crate::io::{Buffer, Data, File, OpenMode, Reach};

/// A segment in use.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its file number.
    pub(crate) id: FileId,
    pub(crate) file: File,
    pub(crate) header: SegmentHeader,
}

impl Segment {
    /// Opens a file and reads its header; `None` if it is no segment of any log.
    pub(crate) async fn open(local: &Local, directory: &Directory, id: FileId) -> Result<Option<Self>> {
        let file = directory.open(local, FileKind::Segment(id), OpenMode::Read)?;
        let sectors = local.read(&file, 0, SEGMENT_HEADER_LEN).await?;
        let header = SegmentHeader::decode(file.path(), &sectors)?;
        Ok(header.map(|header| Self { id, file, header }))
    }

    /// Begins to write its header. After an error it may be tried again.
    pub(crate) fn begin_header(&self, local: &Local, reach: Reach) -> Writing {
        let mut sectors = Buffer::with_capacity(SEGMENT_HEADER_LEN);
        sectors.extend_from_slice(&self.header.encode());
        local.begin_write(&self.file, 0, Data::Owned(sectors), reach)
    }

    /// Writes its header durably.
    pub(crate) async fn write_header(&self, local: &Local) -> Result<()> {
        let written = self.begin_header(local, Reach::Durable).await;
        written.map_err(|e| Error::io("write", self.file.path(), Some(0), e))
    }

    /// LSN behind its last byte.
    pub(crate) fn end(&self) -> Lsn {
        self.header.start + self.header.capacity
    }

    /// Length of its file in bytes.
    pub(crate) fn file_len(&self) -> u64 {
        SEGMENT_HEADER_LEN as u64 + self.header.capacity
    }

    /// Whether it holds the byte at `lsn`.
    pub(crate) fn holds(&self, lsn: Lsn) -> bool {
        (self.header.start..self.end()).contains(&lsn)
    }

    /// Offset in the file of the byte at `lsn`.
    pub(crate) fn offset(&self, lsn: Lsn) -> u64 {
        SEGMENT_HEADER_LEN as u64 + (lsn - self.header.start)
    }
}

/// A segment file ready to be given a header: all its blocks are written, or reserved if there was no time for that.
#[derive(Clone, Debug)]
pub(crate) struct FreeSegment {
    id: FileId,
    file: File,
    capacity: u64,
}

impl FreeSegment {
    /// Makes a file of zeros. They are written for as long as `has_time`, which is told what is left; space for the others
    /// is only reserved. Returns whether there was time for all. Nothing of it is durable yet. On failure nothing is left
    /// behind.
    pub(crate) async fn create(
        local: &Local,
        directory: &Directory,
        segment_len: u64,
        has_time: impl FnMut(&Range<u64>) -> bool,
    ) -> Result<(Self, bool)> {
        let id = directory.take_id();
        let made = Self::fill(local, directory, id, segment_len, has_time).await;
        if made.is_err() {
            directory.discard(local, FileKind::Segment(id)).await;
        }
        made
    }

    async fn fill(
        local: &Local,
        directory: &Directory,
        id: FileId,
        segment_len: u64,
        mut has_time: impl FnMut(&Range<u64>) -> bool,
    ) -> Result<(Self, bool)> {
        let kind = FileKind::Segment(id);
        drop(directory.open(local, kind, OpenMode::Create)?);
        let file = directory.open(local, kind, OpenMode::Direct)?;
        // A file system that cannot reserve space gives it for the zeros that follow.
        let is_reserved = local.reserve(&file, segment_len).await?;
        let goes_on = |left: &Range<u64>| !is_reserved || has_time(left);
        let is_filled = local.fill_while(&file, 0..segment_len, goes_on).await?;
        if !is_filled {
            reached!("log: no time to fill a spare");
        }
        Ok((Self { id, file, capacity: Self::capacity_of(segment_len) }, is_filled))
    }

    /// Its file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// A file that was a segment and is needed no more.
    pub(crate) fn recycled(segment: Segment) -> Self {
        Self { id: segment.id, file: segment.file, capacity: segment.header.capacity }
    }

    /// The file of a segment of an earlier log that is needed no more; `None` if it is longer than segments may
    /// be now, or has a length that no segment has.
    pub(crate) fn leftover(
        local: &Local,
        directory: &Directory,
        segment: &Segment,
        len_max: u64,
    ) -> Result<Option<Self>> {
        let len = local.io().file_len(&segment.file)?;
        if !(SEGMENT_SIZE_MIN..=len_max).contains(&len) || !len.is_multiple_of(SECTOR as u64) {
            reached!("open: a segment of another length");
            return Ok(None);
        }
        let file = directory.open(local, FileKind::Segment(segment.id), OpenMode::Direct)?;
        reached!("open: a segment serves again");
        Ok(Some(Self { id: segment.id, file, capacity: Self::capacity_of(len) }))
    }

    /// Bytes of the stream that a segment file of this length holds.
    pub(crate) fn capacity_of(segment_len: u64) -> u64 {
        segment_len - SEGMENT_HEADER_LEN as u64
    }

    /// Length of the shortest segment file that holds so many bytes of the stream.
    pub(crate) fn len_for(capacity: u64) -> u64 {
        (capacity + SEGMENT_HEADER_LEN as u64).next_multiple_of(SECTOR as u64)
    }

    /// Bytes of the stream that it holds as a segment.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Its name.
    pub(crate) fn kind(&self) -> FileKind {
        FileKind::Segment(self.id)
    }

    /// The segment that it becomes at `start` of the log with this generation and stage, once the header is written.
    /// The header states that complete records are durable up to `complete`.
    pub(crate) fn begin(
        &self,
        (generation, stage): (Generation, FileId),
        start: Lsn,
        complete: Lsn,
    ) -> Segment {
        let header = SegmentHeader { generation, start, capacity: self.capacity, complete, stage };
        Segment { id: self.id, file: self.file.clone(), header }
    }
}

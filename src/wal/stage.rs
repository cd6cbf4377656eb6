//! The stage: the newest part of the log in memory that the kernel owns.
//!
//! A file of the database directory, mapped shared. What is copied into it survives the death of
//! the process without a system call. It holds the bytes of LSN `x` at `x % size`; a byte may be
//! overwritten once the segments hold it. It is never synced: against loss of power only the
//! segments count.

use super::format::{STAGE_DRAINED_OFFSET, STAGE_HEADER_LEN, STAGE_WHOLE_OFFSET, StageHeader};
use crate::base::error::Result;
use crate::base::limits::SECTOR;
use crate::exec::Local;
use crate::files::{Directory, FileKind};
use crate::io::{Buffer, Data, OpenMode, SharedMap};

/// The mapped ring.
pub(crate) struct Stage {
    map: SharedMap,
    size: u64,
}

impl Stage {
    /// Makes the file, empty, for the log that starts at `start`.
    pub(crate) async fn create(
        local: &Local,
        directory: &Directory,
        size: u64,
        generation: u64,
        start: u64,
    ) -> Result<Self> {
        assert!(size.is_power_of_two());
        let file = directory.open(local, FileKind::Stage(directory.take_id()), OpenMode::Create)?;
        let file_len = STAGE_HEADER_LEN as u64 + size;
        local.allocate(&file, file_len).await?;
        let mut sector = Buffer::with_capacity(SECTOR);
        sector.extend_from_slice(&StageHeader { generation, size }.encode());
        local.write(&file, 0, Data::Owned(sector), false).await?;
        local.sync(&file).await?;
        let map = local.io().map(&file, file_len as usize)?;
        let stage = Self { map, size };
        stage.set_drained(start);
        stage.set_whole(start);
        Ok(stage)
    }

    /// Size of the ring in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Copies `bytes` to their place in the ring.
    ///
    /// # Safety
    /// The caller is in the ordered section, and the segments hold what stood there before.
    pub(crate) unsafe fn put(&self, lsn: u64, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= self.size);
        let offset = (lsn & (self.size - 1)) as usize;
        let (head, tail) = bytes.split_at(bytes.len().min(self.size as usize - offset));
        // SAFETY: only the ordered section writes the ring, one caller at a time, and only where
        // nothing is being drained any more: the caller's promise.
        unsafe {
            self.map.write(STAGE_HEADER_LEN + offset, head);
            self.map.write(STAGE_HEADER_LEN, tail);
        }
    }

    /// The bytes from `lsn` on, up to the end of the ring, for a write to a segment.
    pub(crate) fn lend(&self, lsn: u64, len: usize) -> Data {
        let offset = (lsn & (self.size - 1)) as usize;
        assert!(len <= self.size as usize - offset);
        Data::Mapped { map: self.map.clone(), offset: STAGE_HEADER_LEN + offset, len }
    }

    /// Bytes between the place of `lsn` and the end of the ring.
    pub(crate) fn until_wrap(&self, lsn: u64) -> u64 {
        self.size - (lsn & (self.size - 1))
    }

    /// Records that the segments hold the stream up to `lsn`.
    pub(crate) fn set_drained(&self, lsn: u64) {
        // SAFETY: only the log's writer task (and `create`, before it starts) stores this word.
        unsafe { self.map.write(STAGE_DRAINED_OFFSET, &lsn.to_le_bytes()) };
    }

    /// Records that the segments hold every record that begins before `lsn`, whole.
    pub(crate) fn set_whole(&self, lsn: u64) {
        // SAFETY: only the log's writer task (and `create`, before it starts) stores this word.
        unsafe { self.map.write(STAGE_WHOLE_OFFSET, &lsn.to_le_bytes()) };
    }
}

/// A stage file as an earlier opening left it.
pub(crate) struct StageImage {
    header: StageHeader,
    drained: u64,
    whole: u64,
    ring: Vec<u8>,
}

impl StageImage {
    /// Reads the file; `None` if it is no stage of the log `generation`.
    pub(crate) async fn read(
        local: &Local,
        directory: &Directory,
        number: u64,
        generation: u64,
    ) -> Result<Option<Self>> {
        let file = directory.open(local, FileKind::Stage(number), OpenMode::Read)?;
        let file_len = local.io().file_len(&file)?;
        let sector = local.read(&file, 0, STAGE_HEADER_LEN).await?;
        let Some(header) = StageHeader::decode(file.path(), &sector)? else { return Ok(None) };
        if header.generation != generation || file_len != STAGE_HEADER_LEN as u64 + header.size {
            return Ok(None);
        }
        let word = |at: usize| u64::from_le_bytes(sector[at..at + 8].try_into().expect("eight bytes"));
        let (drained, whole) = (word(STAGE_DRAINED_OFFSET), word(STAGE_WHOLE_OFFSET));
        let ring = local.read(&file, STAGE_HEADER_LEN as u64, header.size as usize).await?;
        Ok(Some(Self { header, drained, whole, ring: ring.to_vec() }))
    }

    /// LSN up to which the segments hold the stream, as the stage knew it.
    pub(crate) fn drained(&self) -> u64 {
        self.drained
    }

    /// LSN up to which the segments hold whole records, as the stage knew it.
    pub(crate) fn whole(&self) -> u64 {
        self.whole
    }

    /// One ring's length of stream from `lsn` on; what was not written there is garbage.
    pub(crate) fn stream_from(&self, lsn: u64) -> Vec<u8> {
        let offset = (lsn % self.header.size) as usize;
        let mut bytes = self.ring[offset..].to_vec();
        bytes.extend_from_slice(&self.ring[..offset]);
        bytes
    }
}

//! The stage: the newest part of the log in memory that the kernel owns.
//!
//! A file of the database directory, mapped shared. What is copied into it survives the death of
//! the process without a system call. It is a ring: the byte at LSN `x` stands at `x % size`, and may be
//! overwritten once the segments hold it. The file is synced when it is made and never again: what must
//! survive a loss of power is in the segments.
//!
//! A store into a page that the file system cannot provide would end the process with a signal. So pages are
//! asked for first, some way ahead of the head ([`Stage::prepare`]). On file systems where that is not enough,
//! the file is *written* instead, by one system call for each record, and memory of our own holds the same
//! bytes for draining.
//!
//! The ring begins small and doubles with use ([`Stage::grow`]). The file has its largest length from the
//! beginning; the part that is not in use has no blocks.

use std::ops::Range;

use super::stage_format::{
    HEAD_OFFSET, MARKS_LEN, MARKS_OFFSETS, STAGE_HEADER_LEN, StageHeader, StageMarks, head_word,
};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::limits::{SECTOR, STAGE_SIZE_MIN};
use crate::base::lsn::{Generation, Lsn};
use crate::base::options::{Options, StageMode};
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::exec::Local;
use crate::files::{Directory, FileKind};
use crate::io::{Buffer, Data, File, Io, OpenMode, Reach, SharedMap};

/// Pages are asked for at least so many bytes of the stream at a time.
const PREPARE_LEN_MIN: u64 = 128 << 10;

/// The ring.
pub(crate) struct Stage {
    // Constant after construction.
    io: Arc<dyn Io>,
    id: FileId,
    file: File,
    generation: Generation,
    size_max: u64,
    /// The mapping of the file, or memory of our own that holds the same ring.
    memory: SharedMap,
    /// Why the file is written and not mapped.
    why_written: Option<String>,
    // Changed under the commit lock, by the writer task; read by both.
    size: AtomicU64,
    /// A write of the second copy of the marks failed, perhaps in its middle.
    second_copy_torn: AtomicBool,
}

impl Stage {
    /// Makes the file, empty, for the log that starts at `start`. Its contents are durable on return, its name
    /// is not.
    pub(crate) async fn create(
        local: &Local,
        directory: &Directory,
        options: &Options,
        generation: Generation,
        start: Lsn,
    ) -> Result<Self> {
        let id = directory.take_id();
        let file = directory.open(local, FileKind::Stage(id), OpenMode::Create)?;
        let size_max = options.stage_size_bytes;
        assert!(size_max.is_power_of_two());
        let size = STAGE_SIZE_MIN.min(size_max);
        let io = Arc::clone(local.io());
        let header = StageHeader { generation, size: size_max, boot_id: io.boot_id() };
        let mut first = header.encode();
        let marks = StageMarks { drained: start, complete: start, size }.encode(generation);
        for at in MARKS_OFFSETS {
            first[at..at + MARKS_LEN].copy_from_slice(&marks);
        }
        first[HEAD_OFFSET..HEAD_OFFSET + 8].copy_from_slice(&head_word(start, generation).to_le_bytes());
        let mut sector = Buffer::with_capacity(SECTOR);
        sector.extend_from_slice(&first);
        local.write(&file, 0, Data::Owned(sector), Reach::PageCache).await?;
        let (ring, end) = (STAGE_HEADER_LEN as u64, STAGE_HEADER_LEN as u64 + size_max);
        local.fill(&file, ring..ring + size).await?;
        // The last sector gives the file its length.
        local.fill(&file, end - SECTOR as u64..end).await?;
        local.sync(&file).await?;
        let (memory, why_written) = memory_for(&*io, &file, end as usize, options.stage_mode)?;
        let (size, second_copy_torn) = (AtomicU64::new(size), AtomicBool::new(false));
        let stage = Self { io, id, file, generation, size_max, memory, why_written, size, second_copy_torn };
        stage.prepared_for_marks(options.stage_mode)
    }

    /// Asks for the first pages. Where they cannot be had, the stage is written instead of mapped.
    fn prepared_for_marks(mut self, mode: StageMode) -> Result<Self> {
        match self.prepare(Lsn::ZERO, self.size()) {
            Err(error) if mode == StageMode::Auto => {
                self.memory = own_memory(&self.file, STAGE_HEADER_LEN + self.size_max as usize)?;
                self.why_written = Some(error.to_string());
                Ok(self)
            }
            prepared => prepared.map(|_| self),
        }
    }

    /// The machine that it is on.
    pub(super) fn io(&self) -> &dyn Io {
        &*self.io
    }

    /// Number of its file.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// How records get into it: `mapped`, or `written: <why>`.
    pub(crate) fn mode(&self) -> String {
        self.why_written.as_ref().map_or_else(|| "mapped".to_owned(), |why| format!("written: {why}"))
    }

    /// Size of the ring in bytes.
    pub(crate) fn size(&self) -> u64 {
        // Relaxed: read by the task that changes it, or under the commit lock, under which it is changed.
        self.size.load(Ordering::Relaxed)
    }

    /// Whether the ring can still grow.
    pub(crate) fn can_grow(&self) -> bool {
        self.size() < self.size_max
    }

    fn offset(&self, lsn: Lsn) -> usize {
        STAGE_HEADER_LEN + (lsn.0 & (self.size() - 1)) as usize
    }

    /// Asks for the pages of at least `len` bytes from `lsn` on; returns up to where the stream may be stored
    /// now. After an error nothing may be stored.
    pub(crate) fn prepare(&self, lsn: Lsn, len: u64) -> Result<Lsn> {
        if self.why_written.is_some() {
            return Ok(Lsn::MAX);
        }
        let len = len.max(PREPARE_LEN_MIN).min(self.size());
        let first = len.min(self.until_wrap(lsn));
        let populate = |offset, len| self.io.populate(&self.file, &self.memory, offset, len);
        populate(0, STAGE_HEADER_LEN)?;
        populate(self.offset(lsn), first as usize)?;
        if len > first {
            populate(STAGE_HEADER_LEN, (len - first) as usize)?;
        }
        Ok(lsn.saturating_add(len))
    }

    /// Copies `bytes` to their place in the ring. After an error the bytes there are of no use.
    ///
    /// # Safety
    /// The caller is under the commit lock, has [prepared](Self::prepare) the place, and the segments
    /// hold what stood there before.
    pub(crate) unsafe fn put(&self, lsn: Lsn, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() as u64 <= self.size());
        let (head, tail) = bytes.split_at(bytes.len().min(self.until_wrap(lsn) as usize));
        // SAFETY: the ring is written under the commit lock, by one caller at a time, and only where
        // nothing is being drained any more: the caller's promise.
        unsafe {
            self.store(self.offset(lsn), head)?;
            self.store(STAGE_HEADER_LEN, tail)
        }
    }

    /// The stream ends at `lsn`: every byte below was [put](Self::put).
    ///
    /// # Safety
    /// As for [`put`](Self::put).
    pub(crate) unsafe fn set_head(&self, lsn: Lsn) -> Result<()> {
        let word = head_word(lsn, self.generation);
        if self.why_written.is_some() {
            return self.io.write_now(&self.file, HEAD_OFFSET as u64, &word.to_le_bytes());
        }
        // SAFETY: this word is stored under the commit lock alone.
        unsafe { self.memory.write_word(HEAD_OFFSET, word) };
        Ok(())
    }

    /// # Safety
    /// Nobody else may access the range meanwhile.
    unsafe fn store(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.why_written.is_some() {
            self.io.write_now(&self.file, offset as u64, bytes)?;
        }
        // SAFETY: the caller's promise.
        unsafe { self.memory.write(offset, bytes) };
        Ok(())
    }

    /// The bytes from `lsn` on, up to the end of the ring, for a write to a segment.
    pub(crate) fn lend(&self, lsn: Lsn, len: usize) -> Data {
        assert!(len as u64 <= self.until_wrap(lsn));
        Data::Mapped { map: self.memory.clone(), offset: self.offset(lsn), len }
    }

    /// Bytes between the place of `lsn` and the end of the ring.
    pub(crate) fn until_wrap(&self, lsn: Lsn) -> u64 {
        self.size() - (lsn.0 & (self.size() - 1))
    }

    /// Records that the segments hold the stream up to `drained` and every record that begins before
    /// `complete`. By whoever has the turn; what this says counts only once it has returned.
    pub(crate) fn set_marks(&self, drained: Lsn, complete: Lsn) -> Result<()> {
        self.store_marks(StageMarks { drained, complete, size: self.size() })
    }

    fn store_marks(&self, marks: StageMarks) -> Result<()> {
        let copy = marks.encode(self.generation);
        if self.why_written.is_some() {
            return self.write_marks(&copy);
        }
        // The page may have been written back since the last record was staged.
        self.io.populate(&self.file, &self.memory, 0, STAGE_HEADER_LEN)?;
        for offset in MARKS_OFFSETS {
            // SAFETY: only whoever has the turn to drain stores the marks, and the turn's lock orders them.
            unsafe { self.memory.write(offset, &copy) };
            // The first copy is complete before the second is touched, and the second before anything else is
            // stored.
            fence(Ordering::SeqCst);
        }
        Ok(())
    }

    /// Writes both copies, one after the other. A failed write may leave its copy torn. The next attempt begins
    /// with that copy, so that one of the two is complete at every moment.
    fn write_marks(&self, copy: &[u8; MARKS_LEN]) -> Result<()> {
        let [first, second] = MARKS_OFFSETS;
        let write = |offset: usize| self.io.write_now(&self.file, offset as u64, copy);
        // Relaxed: only whoever has the turn comes here, and the turn's lock orders them.
        if self.second_copy_torn.load(Ordering::Relaxed) {
            write(second)?;
            self.second_copy_torn.store(false, Ordering::Relaxed);
        }
        write(first)?;
        if let Err(error) = write(second) {
            reached!("log: a copy of the stage's marks may be torn");
            self.second_copy_torn.store(true, Ordering::Relaxed);
            return Err(error);
        }
        Ok(())
    }

    /// Gets blocks and pages for a ring of twice the size. By the writer task.
    pub(crate) async fn prepare_growth(&self, local: &Local) -> Result<()> {
        let (from, to) = (STAGE_HEADER_LEN as u64 + self.size(), STAGE_HEADER_LEN as u64 + 2 * self.size());
        local.fill(&self.file, from..to).await?;
        if self.why_written.is_none() {
            self.io.populate(&self.file, &self.memory, 0, STAGE_HEADER_LEN)?;
            self.io.populate(&self.file, &self.memory, from as usize, self.size() as usize)?;
        }
        Ok(())
    }

    /// Doubles the ring, which holds the stream of `live`. Every other piece of that belongs into the new half:
    /// it is copied there, and only then do the marks state the new size. The old half is not changed.
    ///
    /// # Safety
    /// The caller is under the commit lock, nothing is lent, and the growth was
    /// [prepared](Self::prepare_growth).
    pub(crate) unsafe fn grow(&self, live: Range<Lsn>, complete: Lsn) -> Result<()> {
        let old = self.size();
        let mut at = live.start;
        while at < live.end {
            let end = live.end.min(Lsn((at.0 / old + 1) * old));
            let (from, len) = (self.offset(at), (end - at) as usize);
            if at.0 & old != 0 && !planted!(StageGrownWithoutCopy) {
                // SAFETY: the ring is written under the commit lock only, which the caller holds.
                let bytes = unsafe { self.memory.bytes(from, len) };
                // SAFETY: nothing was ever put there, so nobody reads it yet.
                unsafe { self.store(from + old as usize, bytes)? };
            }
            at = end;
        }
        let marks = |size| StageMarks { drained: live.start, complete, size };
        // Relaxed: the writer task alone comes here.
        let is_second_torn = || self.second_copy_torn.load(Ordering::Relaxed);
        if is_second_torn() {
            // Both copies are made to say the old size first: a failure below must not leave the new one alone.
            self.store_marks(marks(old))?;
        }
        if let Err(error) = self.store_marks(marks(2 * old))
            && !is_second_torn()
        {
            return Err(error);
        }
        // If only the second copy failed, the first says the new size, and an opening goes by it: so does the ring.
        self.size.store(2 * old, Ordering::Relaxed);
        Ok(())
    }
}

/// The memory of a stage, and why its file is written if it is.
fn memory_for(io: &dyn Io, file: &File, len: usize, mode: StageMode) -> Result<(SharedMap, Option<String>)> {
    let mapped = match mode {
        StageMode::Mapped => return Ok((io.map(file, len)?, None)),
        StageMode::Written => Err("chosen by option".to_owned()),
        StageMode::Auto => {
            io.may_map(file).and_then(|()| io.map(file, len).map_err(|error| error.to_string()))
        }
    };
    match mapped {
        Ok(map) => Ok((map, None)),
        Err(why) => Ok((own_memory(file, len)?, Some(why))),
    }
}

fn own_memory(file: &File, len: usize) -> Result<SharedMap> {
    SharedMap::anonymous(len).map_err(|e| Error::io("get memory for", file.path(), None, e))
}

//! A stage file as an earlier opening left it.
//!
//! If the system has not been restarted since the file was made, only the process has died: everything up to
//! the mark of the head must be there, and anything else is damage. Otherwise the power may have failed: any
//! part of the file may be older than any other, and what is valid counts, wherever it ends.

use std::ops::RangeInclusive;
use std::path::Path;

use super::stage_format::{
    GENERATION_OFFSET, HEAD_OFFSET, MARKS_OFFSETS, SIZE_OFFSET, STAGE_HEADER_LEN, StageHeader, StageMarks,
    head_of,
};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::limits::{STAGE_SIZE_MAX, STAGE_SIZE_MIN};
use crate::base::lsn::{Generation, Lsn};
use crate::exec::Local;
use crate::files::{Directory, FileKind};
use crate::io::{File, OpenMode};

/// What is in the file.
pub(crate) struct StageImage {
    file: File,
    marks: StageMarks,
    head: Lsn,
    binding: bool,
}

impl StageImage {
    /// Opens the stage `id` of the log `generation`; `None` if a loss of power has left nothing usable.
    pub(crate) async fn open(
        local: &Local,
        directory: &Directory,
        id: FileId,
        generation: Generation,
    ) -> Result<Option<Self>> {
        let file = directory.open(local, FileKind::Stage(id), OpenMode::Read)?;
        let file_len = local.io().file_len(&file)?;
        let sector = local.read(&file, 0, STAGE_HEADER_LEN).await?;
        let header = check_header(file.path(), &sector, generation, file_len)?;
        let boot_id = local.io().boot_id();
        let binding = boot_id != 0 && header.boot_id == boot_id;
        let Some((marks, head)) = read_marks(file.path(), &sector, &header, binding)? else {
            reached!("replay: the stage was torn by the loss of power");
            return Ok(None);
        };
        Ok(Some(Self { file, marks, head, binding }))
    }

    /// LSN up to which the segments hold the stream, as the stage knew it.
    pub(crate) fn drained(&self) -> Lsn {
        self.marks.drained
    }

    /// LSN up to which the segments hold complete records, as the stage knew it.
    pub(crate) fn complete(&self) -> Lsn {
        self.marks.complete
    }

    /// LSN up to which complete records were staged, if the stage must still hold them.
    pub(crate) fn must_reach(&self) -> Option<Lsn> {
        self.binding.then_some(self.head)
    }

    /// Its file, and where the byte at `lsn` stands in it.
    pub(crate) fn place(&self, lsn: Lsn) -> (&Path, u64) {
        (self.file.path(), STAGE_HEADER_LEN as u64 + lsn.0 % self.marks.size)
    }

    /// Appends the stream from `lsn` on up to the head, as far as the ring can hold it. The ring is large, and mostly all but
    /// a little of it is drained: that is not read.
    pub(crate) async fn append_from(&self, local: &Local, lsn: Lsn, bytes: &mut Vec<u8>) -> Result<()> {
        let len = self.head.saturating_since(lsn).min(self.marks.size);
        let to_wrap = len.min(self.marks.size - lsn.0 % self.marks.size);
        let pieces = [(lsn, to_wrap), (lsn + to_wrap, len - to_wrap)];
        for (start, len) in pieces.into_iter().filter(|(_, len)| *len > 0) {
            let (_, offset) = self.place(start);
            bytes.extend_from_slice(&local.read(&self.file, offset, len as usize).await?);
        }
        Ok(())
    }
}

/// The header of a stage of this log whose file has the right length. Any other is damage: the header and the
/// length were durable before a manifest named the log.
fn check_header(path: &Path, sector: &[u8], generation: Generation, file_len: u64) -> Result<StageHeader> {
    let damage = |offset, what, expected: String, found: String| {
        reached!("replay: a damaged stage");
        Err(Error::corruption(path, offset, what, expected, found))
    };
    if sector.len() < STAGE_HEADER_LEN {
        return damage(
            file_len,
            "length of the stage",
            format!("at least {STAGE_HEADER_LEN}"),
            file_len.to_string(),
        );
    }
    let Some(header) = StageHeader::decode(path, sector)? else {
        return damage(0, "header of the stage", "a complete one".into(), "none".into());
    };
    if header.generation != generation {
        let what = "generation of the stage";
        return damage(GENERATION_OFFSET, what, generation.to_string(), header.generation.to_string());
    }
    if !is_size(header.size, STAGE_SIZE_MIN..=STAGE_SIZE_MAX) {
        let expected = format!("a power of two from {STAGE_SIZE_MIN} to {STAGE_SIZE_MAX}");
        return damage(SIZE_OFFSET, "size of the stage", expected, header.size.to_string());
    }
    let expected = STAGE_HEADER_LEN as u64 + header.size;
    if file_len != expected {
        let offset = file_len.min(expected);
        return damage(offset, "length of the stage", expected.to_string(), file_len.to_string());
    }
    Ok(header)
}

fn is_size(size: u64, allowed: RangeInclusive<u64>) -> bool {
    size.is_power_of_two() && allowed.contains(&size)
}

/// The marks and the head; `None` if a loss of power has left none.
fn read_marks(
    path: &Path,
    sector: &[u8],
    header: &StageHeader,
    binding: bool,
) -> Result<Option<(StageMarks, Lsn)>> {
    let damage = |offset: usize, what, expected: &str| {
        if !binding {
            return Ok(None);
        }
        reached!("replay: damaged marks of a stage");
        Err(Error::corruption(path, offset as u64, what, expected, "none"))
    };
    let marks = StageMarks::decode(sector, header.generation);
    let Some(marks) = marks.filter(|marks| is_size(marks.size, STAGE_SIZE_MIN..=header.size)) else {
        return damage(MARKS_OFFSETS[0], "marks of the stage", "a complete copy of two");
    };
    let bytes = sector[HEAD_OFFSET..HEAD_OFFSET + 8].try_into().expect("eight bytes");
    match head_of(u64::from_le_bytes(bytes), marks.drained, header.generation) {
        Some(head) if head.saturating_since(marks.drained) <= marks.size => Ok(Some((marks, head))),
        _ => damage(HEAD_OFFSET, "mark of the log's head in the stage", "a complete one"),
    }
}

//! Direct reads of any place in a file.
//!
//! A read past the page cache begins at a sector and takes whole sectors. So those around what is asked for are read, into
//! memory of their own, and what was asked for is copied out of it: the copy that the page cache would have made.

use std::io;

use super::{Buffer, File, ReadAt};
use crate::base::limits::SECTOR;

/// The sectors around a place in a file.
struct Sectors {
    offset: u64,
    /// Bytes before what was asked for.
    skip: usize,
    buffer: Buffer,
}

impl Sectors {
    /// Those around `len` bytes from `offset` on; nothing is read yet.
    fn around(offset: u64, len: usize) -> Self {
        let (start, skip) = start(offset);
        let mut buffer = Buffer::with_capacity(skip + len);
        buffer.zero_to(buffer.capacity());
        Self { offset: start, skip, buffer }
    }

    /// Fills `wanted` with what was asked for, after so many bytes of the sectors were read; returns how many of it were.
    fn copy_to(&self, read: usize, wanted: &mut [u8]) -> usize {
        let there = &self.buffer[self.skip.min(read)..read];
        let len = there.len().min(wanted.len());
        wanted[..len].copy_from_slice(&there[..len]);
        len
    }
}

/// The sector in which a place lies, and how far it is from the beginning of that.
pub(crate) fn start(offset: u64) -> (u64, usize) {
    let skip = offset % SECTOR as u64;
    (offset - skip, skip as usize)
}

/// Does a read of a file that is read directly, by a way that reads whole sectors; returns how many bytes were read.
pub(super) fn read_at(
    offset: u64,
    buffer: &mut [u8],
    by: impl FnOnce(u64, &mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut sectors = Sectors::around(offset, buffer.len());
    let read = by(sectors.offset, &mut sectors.buffer)?;
    Ok(sectors.copy_to(read, buffer))
}

/// Does several reads, those that have a file in `direct` by it, by a way that reads whole sectors of such files.
pub(super) fn read_many(
    reads: &mut [ReadAt<'_>],
    direct: &[Option<File>],
    by: impl FnOnce(&mut [ReadAt<'_>]),
) {
    if direct.iter().all(Option::is_none) {
        return by(reads);
    }
    let around = |read: &ReadAt<'_>| Sectors::around(read.offset, read.buffer.len());
    let mut sectors: Vec<Option<Sectors>> =
        reads.iter().zip(direct).map(|(read, direct)| direct.is_some().then(|| around(read))).collect();
    let whole = reads.iter_mut().zip(direct).zip(&mut sectors).map(|((read, direct), sectors)| {
        match (direct, sectors) {
            (Some(file), Some(sectors)) => {
                ReadAt { file, offset: sectors.offset, buffer: &mut sectors.buffer, result: Ok(0) }
            }
            _ => {
                let there = std::mem::replace(&mut read.result, Ok(0));
                ReadAt { file: read.file, offset: read.offset, buffer: &mut *read.buffer, result: there }
            }
        }
    });
    let mut whole: Vec<ReadAt<'_>> = whole.collect();
    by(&mut whole);
    let results: Vec<_> = whole.into_iter().map(|read| read.result).collect();
    for ((read, sectors), result) in reads.iter_mut().zip(&sectors).zip(results) {
        read.result = match sectors {
            Some(sectors) => result.map(|len| sectors.copy_to(len, &mut *read.buffer)),
            None => result,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_copied_out_of_its_sectors_as_far_as_they_were_read() {
        let sector = SECTOR as u64;
        for (offset, len, expected, room) in [
            (0, 1, 0, SECTOR),
            (sector, SECTOR, sector, SECTOR),
            (sector + 1, SECTOR, sector, 2 * SECTOR),
            (3 * sector - 1, 2, 2 * sector, 2 * SECTOR),
        ] {
            let mut sectors = Sectors::around(offset, len);
            assert_eq!((sectors.offset, sectors.buffer.len()), (expected, room));
            let skip = (offset - expected) as usize;
            for (at, byte) in sectors.buffer.iter_mut().enumerate() {
                *byte = at as u8;
            }
            for read in [0, skip, skip + 1, skip + len, room] {
                let mut wanted = vec![0; len];
                let copied = sectors.copy_to(read, &mut wanted);
                assert_eq!(copied, read.saturating_sub(skip).min(len));
                assert!(wanted[..copied].iter().zip(skip..).all(|(byte, at)| *byte == at as u8));
            }
        }
    }
}

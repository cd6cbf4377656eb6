//! One operation on its way: what it will do, when, and what it does in the end.

use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use super::crash::{Survival, Survivors};
use super::disk::Disk;
use super::faults::{Faults, pick};
use super::names::Inode;
use super::random::Random;

/// What an operation does to the disk.
#[derive(Debug)]
pub(super) enum Effect {
    /// Reads up to so many bytes.
    Read { offset: u64, len: usize },
    /// Writes these bytes.
    Write { offset: u64, bytes: Vec<u8>, durable: bool },
    /// Makes changes up to a number durable.
    Sync { order: u64 },
    /// Reserves space.
    Allocate { len: u64 },
    /// Shortens the file.
    Shorten { len: u64 },
    /// Removes a name of the directory.
    Remove { name: String },
}

/// An operation that was submitted.
#[derive(Debug)]
pub(super) struct Flight {
    /// The queue it came through.
    pub(super) queue: u64,
    /// When it completes.
    pub(super) due: Duration,
    /// The file; for a removal the directory.
    pub(super) inode: Inode,
    pub(super) path: PathBuf,
    pub(super) effect: Effect,
}

/// What has come of it.
#[derive(Debug)]
pub(super) struct Landed {
    /// Bytes transferred, or the error.
    pub(super) result: Result<usize, Errno>,
    /// What a read has found.
    pub(super) bytes: Vec<u8>,
}

impl Flight {
    /// Completes: does what it came for, or fails.
    pub(super) fn land(&self, disk: &mut Disk, faults: &Faults, random: &mut Random) -> Landed {
        let done = |result| Landed { result, bytes: Vec::new() };
        let probability = match self.effect {
            Effect::Read { .. } => faults.read_error,
            Effect::Write { .. } => faults.write_error,
            Effect::Sync { .. } => faults.sync_error,
            Effect::Allocate { .. } => faults.allocate_error,
            Effect::Shorten { .. } => faults.shorten_error,
            Effect::Remove { .. } => faults.remove_error,
        };
        if faults.strike(probability, &self.path, random) {
            return done(Err(self.fail(disk, random)));
        }
        if let Err(e) = self.fall_short(disk, faults, random) {
            return done(Err(e));
        }
        match &self.effect {
            Effect::Read { offset, len } => {
                read(disk, faults, random, (self.inode, &self.path), *offset, *len)
            }
            Effect::Write { offset, bytes, durable } => {
                let (inode, offset) = match faults.strike(faults.misdirected_write, &self.path, random) {
                    true => {
                        // The file system knows how long the file is now; the device wrote elsewhere.
                        disk.lengthen(self.inode, offset + bytes.len() as u64);
                        misdirect(disk, random, self.inode, *offset, bytes.len())
                    }
                    false => (self.inode, *offset),
                };
                done(disk.write(inode, offset, bytes, *durable).map(|()| bytes.len()))
            }
            Effect::Sync { order } => {
                disk.sync(self.inode, *order);
                done(Ok(0))
            }
            Effect::Allocate { len } => done(disk.allocate(self.inode, *len).map(|()| 0)),
            Effect::Shorten { len } => done(disk.shorten(self.inode, *len).map(|()| 0)),
            Effect::Remove { name } => done(disk.remove(self.inode, name).map(|()| 0)),
        }
    }

    /// Finds too little of something, and has done nothing.
    fn fall_short(&self, disk: &mut Disk, faults: &Faults, random: &mut Random) -> Result<(), Errno> {
        match &self.effect {
            Effect::Write { bytes, .. } if faults.copy_on_write && disk.free() < bytes.len() as u64 => {
                Err(Errno::NOSPC)
            }
            Effect::Remove { .. } if faults.strike(faults.remove_shortage, &self.path, random) => {
                Err(pick(&[Errno::NOSPC, Errno::DQUOT], random))
            }
            Effect::Sync { .. }
                if faults.directory_sync_shortage > 0.0
                    && disk.file(self.inode).is_none()
                    && faults.strike(faults.directory_sync_shortage, &self.path, random) =>
            {
                Err(Errno::NOSPC)
            }
            _ => Ok(()),
        }
    }

    /// Fails, and leaves behind what such a failure may leave.
    fn fail(&self, disk: &mut Disk, random: &mut Random) -> Errno {
        match &self.effect {
            Effect::Read { .. } => Errno::IO,
            Effect::Write { .. } => {
                self.interrupt(disk, random);
                Errno::IO
            }
            Effect::Sync { order } => {
                fail_sync(disk, random, self.inode, *order);
                pick(&[Errno::IO, Errno::IO, Errno::NOSPC, Errno::DQUOT], random)
            }
            Effect::Allocate { .. } => {
                self.interrupt(disk, random);
                pick(&[Errno::IO, Errno::NOSPC], random)
            }
            Effect::Shorten { .. } | Effect::Remove { .. } => {
                self.interrupt(disk, random);
                Errno::IO
            }
        }
    }

    /// Ends before it completes: does all, a part or nothing of what it came for.
    pub(super) fn interrupt(&self, disk: &mut Disk, random: &mut Random) {
        // What cannot be done any more (no space, file gone) is simply not done: nobody is told.
        match &self.effect {
            Effect::Read { .. } => {}
            Effect::Write { offset, bytes, .. } => {
                let order = disk.order() + 1;
                let pieces = Survivors::new(Survival::Any, order, random).pieces(order, *offset, bytes.len());
                for (start, len) in pieces {
                    let piece = &bytes[start..start + len];
                    let _written = disk.write(self.inode, offset + start as u64, piece, false);
                }
            }
            Effect::Sync { order } if random.coin() => disk.sync(self.inode, *order),
            Effect::Allocate { len } if random.coin() => drop(disk.allocate(self.inode, *len)),
            Effect::Shorten { len } if random.coin() => drop(disk.shorten(self.inode, *len)),
            Effect::Remove { name } if random.coin() => drop(disk.remove(self.inode, name)),
            Effect::Sync { .. }
            | Effect::Allocate { .. }
            | Effect::Shorten { .. }
            | Effect::Remove { .. } => {}
        }
    }
}

/// Reads, perhaps after a bit has flipped there.
pub(super) fn read(
    disk: &mut Disk,
    faults: &Faults,
    random: &mut Random,
    (inode, path): (Inode, &std::path::Path),
    offset: u64,
    len: usize,
) -> Landed {
    let order = disk.next_order();
    let Some(contents) = disk.file(inode) else {
        return Landed { result: Err(Errno::ISDIR), bytes: Vec::new() };
    };
    let there = contents.len().saturating_sub(offset).min(len as u64);
    if there > 0 && faults.strike(faults.bit_flip, path, random) {
        contents.flip(order, offset + random.below(there), random.below(8) as u8);
    }
    let bytes = contents.read(offset, len);
    Landed { result: Ok(bytes.len()), bytes }
}

/// Where a misdirected write ends up: aligned as it was, within a file that is long enough.
fn misdirect(disk: &mut Disk, random: &mut Random, inode: Inode, offset: u64, len: usize) -> (Inode, u64) {
    let files = disk.files();
    let target = if random.coin() { inode } else { files[random.below(files.len() as u64) as usize] };
    let target_len = disk.file(target).map_or(0, |contents| contents.len());
    let places = target_len.saturating_sub(len as u64) / 4096;
    if places == 0 { (inode, offset) } else { (target, random.below(places) * 4096) }
}

/// A sync fails: the data is there all the same, or lost, perhaps also for readers.
fn fail_sync(disk: &mut Disk, random: &mut Random, inode: Inode, order: u64) {
    if random.below(3) == 0 {
        disk.sync(inode, order);
        return;
    }
    let evicted = random.coin();
    if let Some(contents) = disk.file(inode) {
        contents.lose(order, &mut Survivors::new(Survival::Any, order, random), evicted);
    }
}

impl std::fmt::Display for Flight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.effect {
            Effect::Read { offset, len } => write!(f, "read {len} bytes at {offset} of")?,
            Effect::Write { offset, bytes, durable } => {
                let how = if *durable { "durably " } else { "" };
                write!(f, "write {how}{} bytes at {offset} of", bytes.len())?;
            }
            Effect::Sync { .. } => write!(f, "sync")?,
            Effect::Allocate { len } => write!(f, "allocate {len} bytes of")?,
            Effect::Shorten { len } => write!(f, "shorten to {len} bytes")?,
            Effect::Remove { .. } => write!(f, "remove")?,
        }
        write!(f, " {}", self.path.display())
    }
}

impl std::fmt::Display for Landed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.result {
            Ok(0) => write!(f, "done"),
            Ok(len) => write!(f, "{len}"),
            Err(e) => write!(f, "{e:?}"),
        }
    }
}

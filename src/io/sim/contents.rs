//! The bytes of one file: as processes see them, as the device has them durably, and the
//! changes between the two.
//!
//! The model, weaker than ext4 where the two differ:
//! - A change is seen at once by all readers, and by the next process should this one die.
//! - A change is durable once a sync that was submitted after it has completed. Until then any of its
//!   sectors may reach the device, in any order, whatever becomes of the others.
//! - A write that asks for it is durable for its own range when it completes; earlier writes elsewhere in the
//!   file are no more durable than before. If it ends beyond the length that is durable, earlier changes of
//!   length and so much length as it needs become durable with it (a journal commit), the bytes between
//!   being zeros.
//! - A change of length (truncation, allocation) is one change of its own. Bytes of a length that
//!   survived, but were never written or whose write did not survive, are zeros.
//! - A mapped file changes without anyone being told. Pages are written back whenever the kernel
//!   likes: see [`Contents::write_back`].

use std::time::Duration;

use super::crash::Survivors;
use crate::io::SharedMap;

/// What the kernel writes back at once from a mapping.
pub(super) const PAGE: usize = 4096;

/// Pages written back that may still be on their way; older ones have arrived.
const WRITTEN_BACK_MAX: usize = 32;

/// Changes of the page cache that may still be on their way; older ones have arrived.
const WRITTEN_MAX: usize = 200;

/// The unit of space.
const BLOCK: u64 = 4096;

/// A change that is not durable yet.
#[derive(Debug)]
struct Change {
    /// Its place among all changes of the world.
    order: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Bytes at an offset.
    Write(u64, Vec<u8>),
    /// The file got this length.
    Length(u64),
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// As processes see it.
    cache: Vec<u8>,
    /// What the device has durably.
    durable: Vec<u8>,
    /// In order.
    pending: Vec<Change>,
    /// The mapping of its first bytes, which is what processes see of those.
    map: Option<SharedMap>,
}

/// Puts `bytes` at `offset`; a gap becomes zeros.
fn put(target: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    let end = start + bytes.len();
    if target.len() < end {
        target.resize(end, 0);
    }
    target[start..end].copy_from_slice(bytes);
}

impl Contents {
    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.cache.len() as u64
    }

    /// Space taken, in bytes.
    pub(super) fn space(&self) -> u64 {
        self.len().next_multiple_of(BLOCK)
    }

    /// What the file would take if it had `len` bytes at least.
    pub(super) fn space_for(&self, len: u64) -> u64 {
        self.len().max(len).next_multiple_of(BLOCK)
    }

    /// Up to `len` bytes from `offset` on.
    pub(super) fn read(&mut self, offset: u64, len: usize) -> Vec<u8> {
        self.look_at_map();
        let start = (offset as usize).min(self.cache.len());
        let end = (start + len).min(self.cache.len());
        self.cache[start..end].to_vec()
    }

    /// Changes bytes; `durable` makes them durable.
    pub(super) fn write(&mut self, order: u64, offset: u64, bytes: &[u8], durable: bool) {
        put(&mut self.cache, offset, bytes);
        if durable {
            let end = offset + bytes.len() as u64;
            self.forget(offset, end);
            self.commit_lengths(end);
            put(&mut self.durable, offset, bytes);
        } else {
            self.pending.push(Change { order, what: What::Write(offset, bytes.to_vec()) });
        }
    }

    /// Changes bytes in the page cache; the kernel brings the oldest such changes to the device by itself.
    pub(super) fn write_cached(&mut self, order: u64, offset: u64, bytes: &[u8]) {
        self.let_go_of_map(order);
        put(&mut self.cache, offset, bytes);
        self.pending.push(Change { order, what: What::Write(offset, bytes.to_vec()) });
        if self.pending.len() > WRITTEN_MAX {
            let oldest = self.pending.remove(0);
            apply(&mut self.durable, &oldest.what);
        }
    }

    /// Makes changes of length durable if a durable write up to `end` needs a journal commit.
    fn commit_lengths(&mut self, end: u64) {
        let shortens = |change: &Change| matches!(change.what, What::Length(len) if len < end);
        if end <= self.durable.len() as u64 && !self.pending.iter().any(shortens) {
            return;
        }
        let is_length = |change: &mut Change| matches!(change.what, What::Length(_));
        for change in self.pending.extract_if(.., is_length) {
            apply(&mut self.durable, &change.what);
        }
    }

    /// Takes the range out of all pending writes: something newer there is durable.
    fn forget(&mut self, start: u64, end: u64) {
        let mut kept = Vec::with_capacity(self.pending.len());
        for Change { order, what } in self.pending.drain(..) {
            let What::Write(offset, bytes) = &what else {
                kept.push(Change { order, what });
                continue;
            };
            let (offset, behind) = (*offset, *offset + bytes.len() as u64);
            if behind <= start || end <= offset {
                kept.push(Change { order, what });
                continue;
            }
            let mut keep = |from: u64, to: u64| {
                if from < to {
                    let part = bytes[(from - offset) as usize..(to - offset) as usize].to_vec();
                    kept.push(Change { order, what: What::Write(from, part) });
                }
            };
            keep(offset, start);
            keep(end, behind);
        }
        self.pending = kept;
    }

    /// Gives the file a length; what is added is zeros.
    pub(super) fn set_len(&mut self, order: u64, len: u64) {
        if len < self.len() {
            self.forget(len, u64::MAX);
        }
        self.cache.resize(len as usize, 0);
        self.pending.push(Change { order, what: What::Length(len) });
    }

    /// The file gets this smaller length durably, with all that was not durable before; it is mapped no more.
    pub(super) fn cut_off(&mut self, order: u64, len: u64) {
        self.lose_process(order);
        self.set_len(order, len);
        self.sync(order);
    }

    /// Makes all changes up to `order` durable.
    pub(super) fn sync(&mut self, order: u64) {
        let later = self.pending.partition_point(|change| change.order <= order);
        for change in self.pending.drain(..later) {
            apply(&mut self.durable, &change.what);
        }
    }

    /// A failed sync: the changes up to `order` count as clean from now on, so that no later sync
    /// brings them to the device; each of their sectors is there or not, as `survivors` says. With
    /// `evicted` the page cache has let go of them as well, and readers see what the device has.
    pub(super) fn lose(&mut self, order: u64, survivors: &mut Survivors<'_>, evicted: bool) {
        let later = self.pending.partition_point(|change| change.order <= order);
        let lost: Vec<Change> = self.pending.drain(..later).collect();
        for change in lost {
            survive(&mut self.durable, &change, survivors);
        }
        if evicted {
            self.cache = self.durable.clone();
            for change in &self.pending {
                apply(&mut self.cache, &change.what);
            }
        }
    }

    /// Damages a bit on the device; readers see it. Returns whether there is such a bit.
    pub(super) fn flip(&mut self, order: u64, offset: u64, bit: u8) -> bool {
        self.let_go_of_map(order);
        let at = offset as usize;
        for bytes in [&mut self.cache, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
        }
        at < self.cache.len()
    }

    /// Maps the first `len` bytes, of which the file has that many.
    pub(super) fn map(&mut self, len: usize) -> std::io::Result<SharedMap> {
        let map = SharedMap::of_bytes(&self.cache[..len])?;
        self.map = Some(map.clone());
        Ok(map)
    }

    /// Number of mapped pages.
    pub(super) fn mapped_pages(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len().div_ceil(PAGE))
    }

    /// The kernel writes one mapped page back: it may be on the device from now on, and in memory no more
    /// if it was asked for before `since`.
    pub(super) fn write_back(&mut self, order: u64, page: usize, since: Duration) {
        self.look_at_map();
        if let Some(map) = &self.map {
            map.evict(page, since);
        }
        let start = page * PAGE;
        let bytes = self.cache[start..(start + PAGE).min(self.cache.len())].to_vec();
        self.pending.push(Change { order, what: What::Write(start as u64, bytes) });
        if self.pending.len() > WRITTEN_BACK_MAX {
            let oldest = self.pending.remove(0);
            apply(&mut self.durable, &oldest.what);
        }
    }

    fn look_at_map(&mut self) {
        if let Some(map) = &self.map {
            let bytes = map.copy_out(0, map.len());
            self.cache[..bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// A mapping that nobody has any more is none: what is written later must not be undone by it.
    fn let_go_of_map(&mut self, order: u64) {
        if self.map.as_ref().is_some_and(SharedMap::is_left) {
            self.lose_process(order);
        }
    }

    /// The process dies: the kernel keeps what it was given, and what was stored in the mapping.
    pub(super) fn lose_process(&mut self, order: u64) {
        let Some(map) = self.map.take() else { return };
        let bytes = map.copy_out(0, map.len());
        for (number, page) in bytes.chunks(PAGE).enumerate() {
            let start = number * PAGE;
            if self.durable.get(start..start + page.len()) != Some(page) {
                let what = What::Write(start as u64, page.to_vec());
                self.pending.push(Change { order, what });
            }
        }
        self.cache[..bytes.len()].copy_from_slice(&bytes);
    }

    /// The power goes: what is durable stays, of the rest what `survivors` leaves.
    pub(super) fn lose_power(&mut self, order: u64, survivors: &mut Survivors<'_>) {
        self.lose_process(order);
        for change in std::mem::take(&mut self.pending) {
            survive(&mut self.durable, &change, survivors);
        }
        self.cache = self.durable.clone();
    }
}

fn apply(target: &mut Vec<u8>, what: &What) {
    match what {
        What::Write(offset, bytes) => put(target, *offset, bytes),
        What::Length(len) => target.resize(*len as usize, 0),
    }
}

/// Applies what survives of a change.
fn survive(durable: &mut Vec<u8>, change: &Change, survivors: &mut Survivors<'_>) {
    match &change.what {
        What::Length(len) => {
            if survivors.whole(change.order) {
                durable.resize(*len as usize, 0);
            }
        }
        What::Write(offset, bytes) => {
            for (start, len) in survivors.pieces(change.order, *offset, bytes.len()) {
                put(durable, offset + start as u64, &bytes[start..start + len]);
            }
        }
    }
}

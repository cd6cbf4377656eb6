//! The versions of a key: put in their order, and cut off where nobody sees them any more.
//!
//! A reader at seqno `s` takes the newest version at or below `s`. If no reader is below `o`, nobody ever goes
//! behind the newest version at or below `o`: all older ones are taken out of the list at once, and their
//! memory is used again for the next version of whatever key. So a key that is overwritten again and again
//! costs scans, memory and flushes no more than one that is written once.

use std::ptr::{self, NonNull};

use super::arena::Arena;
use super::node::{NodeRef, Version, VersionRef};
use crate::base::key::{SeqNo, Tag};
use crate::base::sync::atomic::{AtomicPtr, Ordering};
use crate::base::sync::{Mutex, lock, mutant};

/// Up to this length memory is handed out in steps of [`STEP`], above in eighths of a power of two.
const FINE_MAX: usize = 4096;
const STEP: usize = 16;
const FINE_CLASSES: usize = FINE_MAX / STEP + 1;
/// Lengths up to a GiB.
const COARSE_CLASSES: usize = 18 * 8;

/// The class of a length, and the length that all of the class have.
fn class(len: usize) -> (usize, usize) {
    if len <= FINE_MAX {
        let class = len.div_ceil(STEP);
        return (class, class * STEP);
    }
    // The greatest power of two below the length, and in which of its eighths the length ends.
    let power = (len - 1).ilog2();
    let eighth = 1 << (power - 3);
    let eighths = len.div_ceil(eighth);
    let base = (power - FINE_MAX.ilog2()) as usize * 8;
    (FINE_CLASSES + base + eighths - 9, eighths * eighth)
}

/// Memory of versions that were cut off, by class: lists through their `older`.
pub(super) struct FreeVersions(Mutex<Box<[*mut Version]>>);

// SAFETY: the pointers are to memory of the memtable's arena which only this list knows of.
unsafe impl Send for FreeVersions {}
// SAFETY: as above, and under a lock.
unsafe impl Sync for FreeVersions {}

impl FreeVersions {
    pub(super) fn new() -> Self {
        Self(Mutex::new(vec![ptr::null_mut(); FINE_CLASSES + COARSE_CLASSES].into_boxed_slice()))
    }

    /// Makes a version, of memory that was used before if there is some of its length.
    pub(super) fn make<'a>(&self, arena: &'a Arena, tag: Tag, value: &[u8]) -> VersionRef<'a> {
        let (class, len) = class(VersionRef::len(value.len()));
        let memory = self.take(class).unwrap_or_else(|| arena.alloc(len));
        // SAFETY: so many bytes of the arena, which nobody else has: fresh, or taken out of the list of those that
        // nobody reads.
        unsafe { VersionRef::new(memory, tag, value) }
    }

    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let mut lists = lock(&self.0);
        // SAFETY: what is in the lists is nobody else's, and versions are of this arena.
        let first = unsafe { VersionRef::from_ptr(lists[class]) }?;
        lists[class] = first.older_link().load(Ordering::Relaxed);
        NonNull::new(first.as_ptr()).map(NonNull::cast)
    }

    /// Takes the memory of versions that nobody reads, a list. Returns the bytes that they counted for.
    fn put(&self, mut version: *mut Version, mut passed: impl FnMut(VersionRef<'_>)) {
        let mut lists = lock(&self.0);
        // SAFETY: the caller has cut them off, nobody else has them.
        while let Some(freed) = unsafe { VersionRef::from_ptr(version) } {
            passed(freed);
            version = freed.older_link().load(Ordering::Relaxed);
            let (class, _) = class(VersionRef::len(freed.value().len()));
            freed.older_link().store(lists[class], Ordering::Relaxed);
            lists[class] = freed.as_ptr();
        }
    }
}

/// Puts a version among those of a node, where its seqno belongs: first, as a rule.
pub(super) fn add(node: NodeRef<'_>, version: VersionRef<'_>) {
    loop {
        let mut link: &AtomicPtr<Version> = node.newest_link();
        let mut behind = node.newest();
        // Versions that are newer than this one are those of writers beside this one, none of them visible: they are
        // not cut off before this one is visible, too.
        while let Some(newer) = behind.filter(|other| other.tag().seqno() > version.tag().seqno()) {
            link = newer.older_link();
            behind = newer.older();
        }
        let behind = behind.map_or(ptr::null_mut(), VersionRef::as_ptr);
        version.older_link().store(behind, Ordering::Relaxed);
        // Release: who finds the version finds it complete.
        if link.compare_exchange(behind, version.as_ptr(), Ordering::Release, Ordering::Relaxed).is_ok() {
            return;
        }
    }
}

/// Cuts off what no reader at or above `oldest_reader` sees, and hands each version to `passed`. Returns how many
/// versions it looked at to find the place.
///
/// It is looked for once for each oldest reader: versions that were added since are all newer than that. So a reader
/// that stays makes a key that is written again and again no slower to write.
pub(super) fn cut(
    node: NodeRef<'_>,
    oldest_reader: SeqNo,
    free: &FreeVersions,
    passed: impl FnMut(VersionRef<'_>),
) -> usize {
    if node.is_cut_for(oldest_reader) || !node.begin_cutting() {
        return 0;
    }
    let oldest_reader = if mutant!("versions_cut_all") { SeqNo::MAX } else { oldest_reader };
    // From here on nobody else cuts, so what is met lives.
    let mut looked = 1;
    let mut last = node.newest();
    while let Some(newer) = last
        && newer.tag().seqno() > oldest_reader
    {
        looked += 1;
        last = newer.older();
    }
    if let Some(last) = last {
        let unseen = last.older_link().swap(ptr::null_mut(), Ordering::AcqRel);
        if !unseen.is_null() {
            free.put(unseen, passed);
        }
    }
    node.set_cut_for(oldest_reader);
    node.end_cutting();
    looked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_one_length_that_holds_all_of_it() {
        let mut before = (0, 0);
        for len in (1..70_000).chain([1 << 20, (1 << 20) + 1, 3 << 27, (512 << 20) + 24]) {
            let (class, whole) = class(len);
            assert!(whole >= len && whole.is_multiple_of(8) && class < FINE_CLASSES + COARSE_CLASSES);
            assert!(whole - len < STEP.max(len / 8 + 1), "{len} takes {whole}");
            assert!(
                (class == before.0 && whole == before.1) || (class > before.0 && whole > before.1),
                "{len}: {class} of {whole} after {before:?}"
            );
            before = (class, whole);
        }
    }
}

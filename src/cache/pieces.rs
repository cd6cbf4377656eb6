//! The memory of cached values: pieces of a few lengths, cut from sheets that each hold pieces of one length.
//!
//! Values are read by one thread and evicted by another. From the global allocator each would lie in the arena of the
//! thread that read it and, freed, be of use to that thread alone: a cache of 32 MiB that threads filled in turn came
//! to 200 MiB. Here a piece that is freed is the next to be given, whoever asks. A sheet without pieces in use is kept
//! while the cache has room: the system gives memory zeroed, page by page, and compactions whose blocks are cached spent
//! half of their time on that. Otherwise it goes back, but for a few.

use std::collections::BTreeMap;
use std::ptr::NonNull;

use crate::base::planted::planted;
use crate::base::sync::mapped::{AtomicU64, Ordering::Relaxed};
use crate::base::sync::{Arc, Mutex, lock};
use crate::io::{Memory, PreparedPages, Process};

/// Up to this length pieces are graded in steps of [`STEP`], above in eighths of a power of two.
const FINE_MAX: usize = 8 << 10;
const STEP: usize = 64;
const FINE_CLASSES: usize = FINE_MAX / STEP + 1;
/// Above, a sheet is one piece.
const SHARED_MAX: usize = 64 << 10;

/// Least and greatest length of a sheet with several pieces: the least that has pages of its own, and a huge page.
const SHEET_LEN_MIN: usize = 128 << 10;
const SHEET_LEN_MAX: usize = PreparedPages::LEN;

/// No more sheets go back to the system at once, unless the one to come is longer than these.
const TRIMMED_AT_ONCE: usize = 16;

/// The class of a length, and the length that all of the class have.
fn class(len: usize) -> (usize, usize) {
    if len <= FINE_MAX {
        let class = len.div_ceil(STEP).max(1);
        return (class, class * STEP);
    }
    // The greatest power of two below the length, and in which of its eighths the length ends.
    let power = (len - 1).ilog2();
    let eighth = 1 << (power - 3);
    let eighths = len.div_ceil(eighth);
    let base = (power - FINE_MAX.ilog2()) as usize * 8;
    (FINE_CLASSES + base + eighths - 9, eighths * eighth)
}

/// Length of sheets with several pieces, if they may have so many bytes in all.
pub(super) fn sheet_len(capacity_bytes: usize) -> usize {
    (capacity_bytes / 1024).next_power_of_two().clamp(SHEET_LEN_MIN, SHEET_LEN_MAX)
}

/// Gives pieces and takes them back.
pub(crate) struct Pieces {
    sheet_len: usize,
    /// Sheets as long as they are, if there is somebody to prepare them.
    prepared: Option<Arc<PreparedPages>>,
    /// Whose memory it is: a child must not take the lock, which another thread may have held at the fork.
    process: Process,
    /// So many bytes of sheets without pieces are kept in any case.
    spare_min: usize,
    /// And more, while all sheets together have no more than this.
    kept_max: AtomicU64,
    state: Mutex<State>,
    // Changed under the lock, read without it.
    mapped_bytes: AtomicU64,
    used_bytes: AtomicU64,
    spare_bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    classes: Vec<Class>,
    /// Sheets without pieces, by length.
    spare: BTreeMap<usize, Vec<Memory>>,
}

/// The sheets with pieces of one length.
#[derive(Default)]
struct Class {
    sheets: Vec<Option<Sheet>>,
    /// Places in `sheets` that are none.
    vacant: Vec<u32>,
    /// Sheets with a piece that is free.
    open: Vec<u32>,
}

struct Sheet {
    memory: Memory,
    /// Pieces that were in use before.
    free: Vec<u16>,
    /// From here on none ever was.
    fresh: u16,
    in_use: u16,
    /// Its place in `open`, if it is there.
    open_no: u32,
}

/// Memory of one value. Its bytes are anything at first, but initialised.
pub(crate) struct Piece {
    pieces: Arc<Pieces>,
    start: NonNull<u8>,
    len: usize,
    class: u32,
    sheet: u32,
}

// SAFETY: it is memory that the piece owns, and nothing that belongs to a thread.
unsafe impl Send for Piece {}
// SAFETY: whoever reads or writes it through the pointer sees to that.
unsafe impl Sync for Piece {}

impl Piece {
    /// Where it begins.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.pieces.process.is_current() {
            self.pieces.give_back(self);
        }
    }
}

impl Pieces {
    /// For values of so many bytes in all, in pages that are prepared, if any are.
    pub(super) fn new(capacity_bytes: usize, prepared: Option<Arc<PreparedPages>>) -> Self {
        Self {
            sheet_len: sheet_len(capacity_bytes),
            prepared,
            process: Process::current(),
            spare_min: (capacity_bytes / 32).max(2 * SHEET_LEN_MIN),
            kept_max: AtomicU64::new(kept_of(capacity_bytes)),
            state: Mutex::default(),
            mapped_bytes: AtomicU64::new(0),
            used_bytes: AtomicU64::new(0),
            spare_bytes: AtomicU64::new(0),
        }
    }

    /// Values may have so many bytes from now on.
    pub(super) fn set_room(&self, bytes: usize) {
        if !self.process.is_current() {
            return;
        }
        self.kept_max.store(kept_of(bytes), Relaxed);
        let superfluous = self.trim(&mut lock(&self.state), 0);
        // Outside of the lock, as below.
        drop(superfluous);
    }

    /// Bytes of all sheets.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.mapped_bytes.load(Relaxed) as usize
    }

    /// Bytes of sheets with pieces.
    pub(super) fn open_bytes(&self) -> usize {
        self.mapped_bytes().saturating_sub(self.spare_bytes())
    }

    /// Bytes of sheets without pieces.
    fn spare_bytes(&self) -> usize {
        self.spare_bytes.load(Relaxed) as usize
    }

    /// Bytes of all pieces that are somewhere in use.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Relaxed) as usize
    }

    fn new_sheet(&self, len: usize) -> Memory {
        match &self.prepared {
            Some(pages) if len == PreparedPages::LEN => pages.take(),
            _ => Memory::zeroed(len, 64),
        }
    }

    fn sheet_len(&self, piece_len: usize) -> usize {
        if piece_len <= FINE_MAX {
            self.sheet_len
        } else if piece_len <= SHARED_MAX {
            8 * piece_len
        } else {
            piece_len
        }
    }

    /// A piece of at least `len` bytes.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Piece {
        let (class, len) = class(len);
        let mut state = lock(&self.state);
        if state.classes.len() <= class {
            state.classes.resize_with(class + 1, Class::default);
        }
        let open = state.classes[class].open.last().copied();
        let mut superfluous = Vec::new();
        let sheet = open.unwrap_or_else(|| {
            let sheet_len = self.sheet_len(len);
            let spare = self.spare(&mut state, sheet_len);
            let memory = spare.unwrap_or_else(|| {
                // What is kept may be of other lengths, and is no reason to have more than the cache may.
                superfluous = self.trim(&mut state, sheet_len);
                self.mapped_bytes.fetch_add(sheet_len as u64, Relaxed);
                self.new_sheet(sheet_len)
            });
            state.classes[class].add(memory)
        });
        let start = state.classes[class].take(sheet, len);
        self.used_bytes.fetch_add(len as u64, Relaxed);
        drop(state);
        drop(superfluous);
        Piece { pieces: Arc::clone(self), start, len, class: class as u32, sheet }
    }

    fn give_back(&self, piece: &Piece) {
        let mut state = lock(&self.state);
        if let Some(memory) = state.classes[piece.class as usize].give_back(piece) {
            self.spare_bytes.fetch_add(memory.len() as u64, Relaxed);
            state.spare.entry(memory.len()).or_default().push(memory);
        }
        self.used_bytes.fetch_sub(piece.len as u64, Relaxed);
        let superfluous = self.trim(&mut state, 0);
        drop(state);
        // Outside of the lock: it is work for the kernel.
        drop(superfluous);
    }

    /// The memory of a sheet that went.
    fn spare(&self, state: &mut State, len: usize) -> Option<Memory> {
        let memory = state.spare.get_mut(&len)?.pop()?;
        self.spare_bytes.fetch_sub(len as u64, Relaxed);
        Some(memory)
    }

    /// Takes out what goes back to the system before so many bytes more are mapped, first of the length of which there is
    /// most. A part of it, if it is much: whoever comes has his own work to do.
    fn trim(&self, state: &mut State, to_come: usize) -> Vec<Memory> {
        let (mut superfluous, mut freed) = (Vec::new(), 0);
        let is_too_much = || {
            self.spare_bytes() > self.spare_min
                && (self.mapped_bytes() + to_come) as u64 > self.kept_max.load(Relaxed)
        };
        while is_too_much() && (superfluous.len() < TRIMMED_AT_ONCE || freed < to_come) {
            let most = state.spare.iter_mut().max_by_key(|(len, sheets)| *len * sheets.len());
            let Some(memory) = most.and_then(|(_, sheets)| sheets.pop()) else { break };
            self.spare_bytes.fetch_sub(memory.len() as u64, Relaxed);
            self.mapped_bytes.fetch_sub(memory.len() as u64, Relaxed);
            freed += memory.len();
            superfluous.push(memory);
        }
        superfluous
    }
}

/// Up to how many bytes of sheets those without pieces are kept, if values may have so many.
fn kept_of(room_bytes: usize) -> u64 {
    (room_bytes / 16 * 15) as u64
}

impl Class {
    fn add(&mut self, memory: Memory) -> u32 {
        let open_no = self.open.len() as u32;
        let sheet = Sheet { memory, free: Vec::new(), fresh: 0, in_use: 0, open_no };
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.sheets.push(None);
            (self.sheets.len() - 1) as u32
        });
        self.sheets[number as usize] = Some(sheet);
        self.open.push(number);
        number
    }

    fn sheet(&mut self, number: u32) -> &mut Sheet {
        self.sheets[number as usize].as_mut().expect("a sheet with pieces, or with room for them")
    }

    /// A piece of a sheet that has one.
    fn take(&mut self, number: u32, len: usize) -> NonNull<u8> {
        let sheet = self.sheet(number);
        let used_before =
            if planted!(PieceGivenTwice) { sheet.free.last().copied() } else { sheet.free.pop() };
        let place = used_before.unwrap_or_else(|| {
            sheet.fresh += 1;
            sheet.fresh - 1
        });
        sheet.in_use += 1;
        let at = usize::from(place) * len;
        assert!(at + len <= sheet.memory.len(), "an open sheet has a piece");
        // SAFETY: inside the sheet, as asserted.
        let start = unsafe { sheet.memory.start().add(at) };
        if sheet.free.is_empty() && (usize::from(sheet.fresh) + 1) * len > sheet.memory.len() {
            self.close(number);
        }
        start
    }

    fn close(&mut self, number: u32) {
        let at = self.sheet(number).open_no as usize;
        self.open.swap_remove(at);
        if let Some(&moved) = self.open.get(at) {
            self.sheet(moved).open_no = at as u32;
        }
    }

    /// Takes a piece back; the memory of its sheet if that was the last.
    fn give_back(&mut self, piece: &Piece) -> Option<Memory> {
        let next_open = self.open.len() as u32;
        let sheet = self.sheet(piece.sheet);
        let at = piece.start.as_ptr().addr() - sheet.memory.start().as_ptr().addr();
        let was_full =
            sheet.free.is_empty() && (usize::from(sheet.fresh) + 1) * piece.len > sheet.memory.len();
        sheet.free.push((at / piece.len) as u16);
        sheet.in_use -= 1;
        let is_empty = sheet.in_use == 0;
        if was_full {
            sheet.open_no = next_open;
            self.open.push(piece.sheet);
        }
        if !is_empty {
            return None;
        }
        self.close(piece.sheet);
        self.vacant.push(piece.sheet);
        self.sheets[piece.sheet as usize].take().map(|sheet| sheet.memory)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_hardly_longer_than_the_length() {
        for len in (0..20_000).chain([65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 512 << 20]) {
            let (number, piece_len) = class(len);
            assert!(piece_len >= len && piece_len <= len.max(1) + (len / 8).max(STEP), "{len}: {piece_len}");
            assert_eq!(class(piece_len), (number, piece_len));
        }
    }

    /// Takes pieces, writes into them, and gives some back; those that are left, and whether each kept what was written.
    fn take_and_give(pieces: &Arc<Pieces>) -> (Vec<(Piece, u8)>, bool) {
        let (mut taken, mut are_whole) = (Vec::<(Piece, u8)>::new(), true);
        for step in 0_usize..4000 {
            let len = [1, 128, 4200, 4200, 4200, 9000, 100_000][step % 7];
            let (piece, mark) = (pieces.take(len), step as u8);
            // SAFETY: the piece is at least so long, and this test's alone.
            unsafe { piece.start().as_ptr().write_bytes(mark, len) };
            taken.push((piece, mark));
            if taken.len() > 200 {
                let (piece, mark) = taken.swap_remove(step * 31 % 200);
                // SAFETY: as above; one byte was written at least.
                are_whole &= unsafe { piece.start().read() } == mark;
            }
        }
        (taken, are_whole)
    }

    #[test]
    fn pieces_do_not_overlap() {
        let pieces = Arc::new(Pieces::new(1 << 20, None));
        let (taken, are_whole) = take_and_give(&pieces);
        assert!(are_whole);
        let used: usize = taken.iter().map(|(piece, _)| piece.len()).sum();
        let mapped = pieces.mapped_bytes();
        assert_eq!(pieces.used_bytes(), used);
        assert!(mapped >= used && mapped < 2 * used, "{mapped} bytes for {used}");
    }

    const CAPACITY: usize = 16 << 20;

    fn fill(pieces: &Arc<Pieces>, len: usize) -> Vec<Piece> {
        (0..CAPACITY / len - 32).map(|_| pieces.take(len)).collect()
    }

    #[test]
    fn memory_is_kept_and_serves_again() {
        let pieces = Arc::new(Pieces::new(CAPACITY, None));
        drop(fill(&pieces, 4000));
        let kept = pieces.mapped_bytes();
        assert!(kept > CAPACITY / 2 && kept <= CAPACITY / 16 * 15, "{kept} bytes are kept");
        assert_eq!(pieces.spare_bytes(), kept);
        let taken: Vec<Piece> = (0..CAPACITY / 8000).map(|_| pieces.take(4000)).collect();
        assert_eq!(pieces.mapped_bytes(), kept);
        assert!(pieces.spare_bytes() < kept - CAPACITY / 3);
        drop(taken);
        pieces.set_room(CAPACITY / 4);
        assert!(pieces.mapped_bytes() < kept, "some goes at once");
        while pieces.mapped_bytes() > CAPACITY / 4 {
            let before = pieces.mapped_bytes();
            drop(pieces.take(4000));
            assert!(pieces.mapped_bytes() < before, "and more with whoever comes");
        }
    }

    #[test]
    fn in_a_child_nobody_waits_for_the_lock() {
        let pieces = Arc::new(Pieces::new(CAPACITY, None));
        let mut piece = Some(pieces.take(4000));
        // As another thread may at the moment of a fork.
        let held = lock(&pieces.state);
        let has_ended = crate::io::ends_in_child(|| {
            drop(piece.take());
            pieces.set_room(CAPACITY / 2);
        });
        drop(held);
        assert!(has_ended);
    }

    #[test]
    fn what_is_kept_of_other_lengths_is_not_had_on_top() {
        let pieces = Arc::new(Pieces::new(CAPACITY, None));
        for len in [100_000, 9000, 4000, 30_000, 150_000] {
            let taken = fill(&pieces, len);
            let (used, mapped) = (pieces.used_bytes(), pieces.mapped_bytes());
            assert!(mapped <= CAPACITY + CAPACITY / 16, "{mapped} bytes for {used} in pieces of {len}");
            drop(taken);
        }
    }

    #[cfg(feature = "sim")]
    #[test]
    fn a_piece_that_is_given_twice_shows() {
        use crate::base::planted::{Bug, plant};
        plant(Some(Bug::PieceGivenTwice));
        let (_taken, are_whole) = take_and_give(&Arc::new(Pieces::new(1 << 20, None)));
        plant(None);
        assert!(!are_whole);
    }
}

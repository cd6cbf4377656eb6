//! The file in which a ledger outlives its process, for `crash`.
//!
//! ```text
//! slot of record number n, at 32 n: next | floor | absent | swallowed | acknowledged | burst | batch | 0
//! ```
//! Numbers are little-endian, of four bytes. `absent` is 2^32 - 1 for none. A slot that was never written has
//! zeros, and `next` is never 0 in one that was.
//!
//! A change is one `pwrite` within one page: once it has returned the kernel has it, and a kill
//! cannot leave half of it. Where the file is in memory that takes 0.7 us, 1.5 us with two threads, which wait
//! for each other in the kernel (two virtual cores, kernel 6.18); twice for each write, between the engine's
//! calls and not in them. A shared mapping would take 0.01 us and unsafe code; a crash measures no throughput.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::terminal::notice;

/// Divides a page, so that no slot lies on two.
const SLOT_BYTES: u64 = 32;
const NOTE_BYTES: usize = 28;
/// Slots read at once.
const PIECE: usize = 32_768;

/// What is kept of one record, in the order of the file; the first is not 0.
pub type Note = [u32; 7];

#[derive(Debug)]
pub struct Kept {
    file: File,
}

impl Kept {
    /// A file that may hold the slots of an earlier process.
    pub fn new(file: File) -> Kept {
        Kept { file }
    }

    /// Keeps what is known of a record. A process that cannot say what it has acknowledged must not
    /// go on, so it ends.
    pub fn write(&self, number: u64, note: Note) {
        if let Err(error) = self.file.write_all_at(&encode(note), number * SLOT_BYTES) {
            notice(&format!("error: cannot keep what was acknowledged: {error}; is memory short?"));
            std::process::exit(2);
        }
    }

    pub fn read(&self, visit: &mut dyn FnMut(u64, Note)) -> io::Result<()> {
        let slots = self.file.metadata()?.len().div_ceil(SLOT_BYTES);
        let mut piece = vec![0; PIECE * SLOT_BYTES as usize];
        for first in (0..slots).step_by(PIECE) {
            let bytes = self.read_piece(first * SLOT_BYTES, &mut piece)?;
            for (slot, number) in piece[..bytes].chunks(SLOT_BYTES as usize).zip(first..) {
                if let Some(note) = decode(slot) {
                    visit(number, note);
                }
            }
        }
        Ok(())
    }

    /// Fills the piece as far as the file goes.
    fn read_piece(&self, offset: u64, piece: &mut [u8]) -> io::Result<usize> {
        let mut bytes = 0;
        while bytes < piece.len() {
            match self.file.read_at(&mut piece[bytes..], offset + bytes as u64)? {
                0 => break,
                more => bytes += more,
            }
        }
        Ok(bytes)
    }
}

fn encode(note: Note) -> [u8; NOTE_BYTES] {
    let mut bytes = [0; NOTE_BYTES];
    for (place, word) in bytes.chunks_exact_mut(4).zip(note) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn decode(slot: &[u8]) -> Option<Note> {
    let bytes: &[u8; NOTE_BYTES] = slot.first_chunk()?;
    let mut note = [0; 7];
    for (word, place) in note.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes(place.try_into().expect("the chunks are of four bytes"));
    }
    (note[0] > 0).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_again_also_in_a_second_piece_and_between_holes() {
        let kept = Kept::new(tempfile::tempfile().unwrap());
        let note = |next| [next, 3, 7, 9, 11, 13, 15];
        let written = [(0, note(1)), (PIECE as u64 - 1, note(2)), (PIECE as u64 + 5, note(3))];
        written.iter().for_each(|(number, note)| kept.write(*number, *note));
        kept.write(0, note(4));
        let mut found = Vec::new();
        kept.read(&mut |number, note| found.push((number, note))).unwrap();
        assert_eq!(found, [(0, note(4)), written[1], written[2]]);
    }
}

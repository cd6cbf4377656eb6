//! The manifest: the file of the durable state, and the only commit point.
//!
//! The first record is the whole state, each further one an edit. A file is whole once its first
//! record is valid; the one with the highest number counts. An invalid record ends the file if
//! nothing valid follows (its commit never completed); otherwise the file is damaged.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::manifest_format::{
    EDIT_LEN_MAX, HEADER_LEN, MAGIC, RECORD_HEADER_LEN, STEP, TAIL_LEN_MAX, VERSION, header, record,
    record_at, stated_at,
};
use super::manifest_image::load;
use super::state::{Edit, State};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::limits::REQUEST_LEN_MAX;
use crate::exec::Local;
use crate::files::{Directory, FileKind};
use crate::io::{Buffer, Data, File, OpenMode, Reach};

/// Most bytes whose checksums are computed in search of a valid record behind an invalid one. A torn
/// edit states a length here and there by chance; one that does so everywhere was made to.
const SEARCH_LEN_MAX: usize = 256 << 20;

/// The manifest being written. One task owns it.
pub(crate) struct Manifest {
    file: File,
    id: FileId,
    offset: u64,
    reserved: u64,
    first_record_len: u64,
}

impl Manifest {
    /// Begins the manifest `id` with the whole state; durable on return, its name included.
    pub(crate) async fn create(
        local: &Local,
        directory: &Directory,
        id: FileId,
        state: &State,
    ) -> Result<Self> {
        let file = directory.open(local, FileKind::Manifest(id), OpenMode::Create)?;
        let mut bytes = header(id);
        let mut payload = Vec::new();
        state.encode(&mut payload);
        bytes.extend_from_slice(&record(id, HEADER_LEN as u64, &payload));
        let mut manifest = Self { file, id, offset: 0, reserved: 0, first_record_len: bytes.len() as u64 };
        manifest.put(local, &bytes).await?;
        // The file is whole: should its name be durable although this fails, it counts.
        directory.sync(local).await.map_err(final_failure)?;
        Ok(manifest)
    }

    /// Its number.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Whether it is time to begin a new one instead of appending this edit: at `len_max` bytes, or at four
    /// times the first record.
    pub(crate) fn is_full_for(&self, len_max: u64, edit: &Edit) -> bool {
        let len_max = len_max.max(4 * self.first_record_len);
        self.offset > len_max || payload_of(edit).len() > EDIT_LEN_MAX
    }

    /// Appends an edit that it is not full for; durable on return. After a
    /// [shortage](Error::is_shortage) it may be tried again, after any other error the manifest must not
    /// be written any more.
    pub(crate) async fn append(&mut self, local: &Local, edit: &Edit) -> Result<()> {
        let payload = payload_of(edit);
        assert!(payload.len() <= EDIT_LEN_MAX, "a longer edit begins a new manifest");
        let bytes = record(self.id, self.offset, &payload);
        self.put(local, &bytes).await
    }

    async fn put(&mut self, local: &Local, bytes: &[u8]) -> Result<()> {
        let end = self.offset + bytes.len() as u64;
        if end > self.reserved {
            let reserved = end.next_multiple_of(STEP);
            local.allocate(&self.file, reserved).await?;
            self.reserved = reserved;
        }
        let mut buffer = Buffer::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        local.write(&self.file, self.offset, Data::Owned(buffer), Reach::PageCache).await?;
        local.sync(&self.file).await.map_err(final_failure)?;
        self.offset = end;
        Ok(())
    }
}

/// A failed sync is final whatever its cause: what it has made durable is unknown.
fn final_failure(error: Error) -> Error {
    if error.is_shortage() {
        reached!("manifest: a sync failed for want of space");
        return Error::Poisoned { cause: error.to_string() };
    }
    error
}

fn payload_of(edit: &Edit) -> Vec<u8> {
    let mut payload = Vec::new();
    edit.encode(&mut payload);
    payload
}

/// Reads the manifest `id` and makes it durable; `None` if its first record was never completed.
/// What is read may be in the page cache alone: whoever wrote it may have died before its sync, or its sync may have
/// failed, after which the kernel takes the pages for clean and the next sync does nothing. So the same bytes are
/// written once more before they are synced.
pub(crate) async fn read(local: &Local, directory: &Directory, id: FileId) -> Result<Option<State>> {
    let file = directory.open(local, FileKind::Manifest(id), OpenMode::Write)?;
    let len = local.io().file_len(&file)?;
    let bytes = load(local, &file, id, len).await?;
    let state = parse(file.path(), id, &bytes, len)?;
    if state.is_some() {
        rewrite(local, &file, &bytes).await?;
        local.sync(&file).await?;
    }
    Ok(state)
}

/// Writes the first bytes of a file, which are these, once more.
async fn rewrite(local: &Local, file: &File, bytes: &[u8]) -> Result<()> {
    for (index, piece) in bytes.chunks(REQUEST_LEN_MAX).enumerate() {
        let mut buffer = Buffer::with_capacity(piece.len());
        buffer.extend_from_slice(piece);
        let offset = (index * REQUEST_LEN_MAX) as u64;
        local.write(file, offset, Data::Owned(buffer), Reach::PageCache).await?;
    }
    Ok(())
}

/// From the first `bytes` of a file of `file_len`, among them all records.
fn parse(path: &Path, id: FileId, bytes: &[u8], file_len: u64) -> Result<Option<State>> {
    let Some(found) = bytes.get(..HEADER_LEN) else { return Ok(None) };
    if found != header(id) {
        let version = u32::from_le_bytes(found[8..12].try_into().expect("four bytes"));
        let intact = xxh3_64(&found[..24]).to_le_bytes() == found[24..];
        if found.starts_with(MAGIC) && intact && version != VERSION {
            return Err(Error::UnsupportedFormat {
                path: path.to_path_buf(),
                found: version,
                supported: VERSION,
            });
        }
        return Ok(None);
    }
    let Some(first) = record_at(id, bytes, HEADER_LEN) else {
        reached!("manifest: the first record is unfinished");
        return Ok(None);
    };
    let damage = |offset: usize, found: String| {
        Error::corruption(path, offset as u64, "manifest record", "a possible state", found)
    };
    let mut state = State::decode(first).map_err(|why| damage(HEADER_LEN, why))?;
    let mut offset = HEADER_LEN + RECORD_HEADER_LEN + first.len();
    while let Some(payload) = record_at(id, bytes, offset) {
        let edit = Edit::decode(payload).map_err(|why| damage(offset, why))?;
        state.apply(&edit).and_then(|()| state.check_limits()).map_err(|why| damage(offset, why))?;
        offset += RECORD_HEADER_LEN + payload.len();
    }
    let len_max = (offset + TAIL_LEN_MAX) as u64;
    if file_len > len_max {
        reached!("manifest: too long");
        let expected = format!("at most {len_max}");
        return Err(Error::corruption(path, offset as u64, "manifest length", expected, file_len));
    }
    check_tail(path, id, bytes, offset)?;
    Ok(Some(state))
}

/// Behind the last valid record: zeros, or a commit that never completed; no later record.
fn check_tail(path: &Path, id: FileId, bytes: &[u8], end: usize) -> Result<()> {
    let tail = bytes.get(end..).unwrap_or_default();
    if tail.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let damage = |expected: &str, found: &str| {
        reached!("manifest: damaged");
        Err(Error::corruption(path, end as u64, "manifest record", expected, found))
    };
    let mut searched = 0_usize;
    for offset in end + 1..bytes.len() {
        let stated = stated_at(bytes, offset).filter(|len| *len <= bytes.len() - offset);
        searched += stated.unwrap_or(0);
        if stated.is_some() && record_at(id, bytes, offset).is_some() {
            return damage("a valid record, since one follows", "none");
        }
        if searched > SEARCH_LEN_MAX {
            return damage("an edit whose commit never completed", "what may be many records");
        }
    }
    reached!("manifest: a torn edit was ignored");
    tracing::warn!(file = %path.display(), offset = end, "ignored a manifest edit whose commit never completed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::SeqNo;
    use crate::base::keyspace::KeyspaceId;
    use crate::base::lsn::Lsn;
    use crate::tree::levels::{Change, LogMark};

    const ID: FileId = FileId(3);

    fn manifest(edits: u64) -> (Vec<u8>, State) {
        let mut state = State::new(42);
        let mut bytes = header(ID);
        let mut payload = Vec::new();
        state.encode(&mut payload);
        bytes.extend_from_slice(&record(ID, bytes.len() as u64, &payload));
        for number in 1..=edits {
            let flushed_to = LogMark { lsn: Lsn(number * 4096), seqno: SeqNo(number) };
            let change = Change::Flush { file: None, flushed_to };
            let edit = Edit { keyspace: KeyspaceId::DEFAULT, next_file: FileId(9), change };
            state.apply(&edit).unwrap();
            let payload = payload_of(&edit);
            bytes.extend_from_slice(&record(ID, bytes.len() as u64, &payload));
        }
        bytes.resize(bytes.len() + 100, 0);
        (bytes, state)
    }

    /// A manifest whose records are these payloads.
    fn of_records(payloads: &[&[u8]]) -> Vec<u8> {
        payloads.iter().fold(header(ID), |mut bytes, payload| {
            bytes.extend_from_slice(&record(ID, bytes.len() as u64, payload));
            bytes
        })
    }

    fn read(bytes: &[u8]) -> Result<Option<State>> {
        parse(Path::new("MANIFEST-00000003"), ID, bytes, bytes.len() as u64)
    }

    #[test]
    fn the_state_is_the_first_record_with_all_edits() {
        let (bytes, state) = manifest(3);
        assert_eq!(read(&bytes).unwrap(), Some(state));
    }

    #[test]
    fn damage_is_found_wherever_a_commit_followed() {
        let (bytes, state) = manifest(3);
        let last = record(ID, 0, &[0; 6]).len() + 100;
        let mut errors = 0;
        for position in 0..bytes.len() - 100 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x10;
            match read(&damaged) {
                Err(Error::Corruption { .. }) => errors += 1,
                // The header or first record: as if never completed; the caller decides.
                Ok(None) => assert!(position < bytes.len() - last),
                // The last edit cannot be told from one whose commit was torn.
                Ok(Some(found)) => {
                    assert_ne!(found, state);
                    assert!(position >= bytes.len() - last - 2, "{position}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(errors > 0);
    }

    #[test]
    fn a_torn_last_edit_is_ignored_and_a_torn_first_record_is_no_manifest() {
        let (bytes, _) = manifest(2);
        let (shorter, expected) = manifest(1);
        let end = bytes.len() - 100;
        assert_eq!(read(&bytes[..end - 1]).unwrap(), Some(expected));
        assert_eq!(read(&shorter[..HEADER_LEN + 5]).unwrap(), None);
    }

    #[test]
    fn bytes_behind_what_a_record_holds_are_damage_although_its_checksum_fits() {
        let (mut whole, mut change) = (Vec::new(), Vec::new());
        State::new(42).encode(&mut whole);
        let flushed_to = LogMark { lsn: Lsn(4096), seqno: SeqNo(1) };
        let none = Change::Flush { file: None, flushed_to };
        Edit { keyspace: KeyspaceId::DEFAULT, next_file: FileId(9), change: none }.encode(&mut change);
        assert!(read(&of_records(&[&whole, &change])).unwrap().is_some());
        let refused = |payloads: &[&[u8]]| read(&of_records(payloads)).unwrap_err().to_string();
        let longer = |payload: &[u8]| [payload, &[0]].concat();
        for said in [refused(&[&longer(&whole), &change]), refused(&[&whole, &longer(&change)])] {
            assert!(said.contains("found a byte behind its end"), "{said}");
        }
    }

    #[test]
    fn a_tail_that_was_made_to_be_searched_for_long_is_damage() {
        let (mut bytes, _) = manifest(1);
        bytes.truncate(bytes.len() - 100);
        let end = bytes.len() as u64;
        // Each fourth offset states 512 KiB.
        bytes.extend((0..1 << 18).flat_map(|_| [0, 0, 8, 0]));
        assert!(matches!(read(&bytes), Err(Error::Corruption { offset, .. }) if offset == end));
    }
}

//! The durable state of a database: what the manifest holds, and the edits that change it.
//!
//! One log, one total order and one row of file numbers for all trees; levels for each. The log is
//! needed from the oldest record on that some tree does not have in its tables. Invariants, checked
//! after every edit: those of [`Levels`]; no file is named twice, in whatever tree; file numbers are below
//! `next_file`.
//!
//! ```text
//! state  database u64 | generation u64 | next file | count | keyspace, levels
//! edit   keyspace | next file | change
//! ```
//!
//! Numbers without a width are varints.

use std::collections::{BTreeMap, HashSet};

use crate::base::codec::{Cursor, put_varint};
use crate::base::ids::FileId;
use crate::base::keyspace::KeyspaceId;
use crate::base::limits::{LSN_MAX, SEQNO_STATED_MAX};
use crate::base::lsn::Generation;
use crate::tree::levels::{Change, Levels, LogMark, TableRecord};

/// The state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Random number that names the database.
    pub(crate) database: u64,
    /// Generation of the log.
    pub(crate) generation: Generation,
    /// File numbers from here on are free.
    pub(crate) next_file: FileId,
    /// The levels of each tree.
    pub(crate) trees: BTreeMap<KeyspaceId, Levels>,
}

/// A change of one tree, durable as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The tree.
    pub(crate) keyspace: KeyspaceId,
    /// File numbers from here on are free.
    pub(crate) next_file: FileId,
    /// What is new there.
    pub(crate) change: Change,
}

impl State {
    /// A new database: the default keyspace, empty.
    pub(crate) fn new(database: u64) -> Self {
        let trees = BTreeMap::from([(KeyspaceId::DEFAULT, Levels::new())]);
        Self { database, generation: Generation::NONE, next_file: FileId(1), trees }
    }

    /// All files of all trees.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableRecord> {
        self.trees.values().flat_map(Levels::tables)
    }

    /// From where on the log is needed: the least over all trees.
    pub(crate) fn log_start(&self) -> LogMark {
        let marks = self.trees.values().map(|levels| levels.flushed_to);
        marks.min_by_key(|mark| mark.lsn).expect("there is the tree of the default keyspace")
    }

    /// Whether a segment of this generation is one of its log.
    pub(crate) fn is_of_log(&self, generation: Generation) -> bool {
        generation == self.generation
    }

    /// Every tree has all of the log up to `mark` in its tables; a new log begins there.
    pub(crate) fn begin_log(&mut self, generation: Generation, mark: LogMark) {
        self.generation = generation;
        self.trees.values_mut().for_each(|levels| levels.flushed_to = mark);
    }

    /// Applies an edit; the error says what makes it impossible.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        let levels = self.trees.get_mut(&edit.keyspace);
        let levels = levels.ok_or_else(|| format!("keyspace {} is unknown", edit.keyspace))?;
        levels.apply(&edit.change)?;
        self.next_file = self.next_file.max(edit.next_file);
        self.check_files()
    }

    fn check_files(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        for table in self.tables() {
            if !seen.insert(table.id) {
                return Err(format!("file {} is named twice", table.id));
            }
            if table.id >= self.next_file {
                return Err(format!("file {} is above the next number {}", table.id, self.next_file));
            }
        }
        Ok(())
    }

    /// Whether what a file states leaves room to go on from there. Only asked of what was read: nothing
    /// that is written comes near.
    pub(crate) fn check_limits(&self) -> Result<(), String> {
        let marks = self.trees.values().map(|levels| levels.flushed_to);
        let newest = marks.fold(LogMark::default(), |newest, mark| LogMark {
            lsn: newest.lsn.max(mark.lsn),
            seqno: newest.seqno.max(mark.seqno),
        });
        let limits = [
            ("LSN", newest.lsn.0, LSN_MAX),
            ("seqno", newest.seqno.0, SEQNO_STATED_MAX),
            ("next file number", self.next_file.0, FileId::MAX.0),
        ];
        match limits.into_iter().find(|(_, found, max)| found > max) {
            Some((what, found, max)) => Err(format!("{what} {found}, above {max}")),
            None => Ok(()),
        }
    }

    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.database, self.generation.0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_varint(out, self.next_file.0);
        put_varint(out, self.trees.len() as u64);
        for (keyspace, levels) in &self.trees {
            keyspace.encode(out);
            levels.encode(out);
        }
    }

    /// Reads an encoding, which is all of `bytes`, and checks the invariants.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut cursor = Cursor::new(bytes);
        let state = Self::decode_fields(&mut cursor)?;
        check_end(&cursor)?;
        if let Some(unknown) = state.trees.keys().find(|id| **id != KeyspaceId::DEFAULT) {
            return Err(format!("keyspace {unknown} is unknown"));
        }
        if state.trees.is_empty() {
            return Err("the default keyspace is missing".into());
        }
        state.trees.values().try_for_each(Levels::check)?;
        state.check_files()?;
        state.check_limits()?;
        Ok(state)
    }

    fn decode_fields(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let early = || "a state that makes no sense or ends early".to_owned();
        let mut number = || cursor.u64().ok_or_else(early);
        let (database, generation) = (number()?, Generation(number()?));
        let next_file = FileId(cursor.varint().ok_or_else(early)?);
        let mut trees = BTreeMap::new();
        for _ in 0..cursor.varint().ok_or_else(early)? {
            let keyspace = KeyspaceId::decode(cursor).ok_or_else(early)?;
            // One that stands twice is no state: the later would hide the files of the earlier.
            let last = trees.last_key_value().map(|(last, _)| *last);
            if last == Some(keyspace) {
                return Err(format!("keyspace {keyspace} is named twice"));
            }
            if last.is_some_and(|last| last > keyspace) {
                return Err("its keyspaces do not ascend".into());
            }
            trees.insert(keyspace, Levels::decode(cursor).ok_or_else(early)?);
        }
        Ok(Self { database, generation, next_file, trees })
    }
}

/// Whether nothing follows: what does was written by no version of this format.
fn check_end(cursor: &Cursor<'_>) -> Result<(), String> {
    match cursor.remaining() {
        0 => Ok(()),
        1 => Err("a byte behind its end".into()),
        count => Err(format!("{count} bytes behind its end")),
    }
}

impl Edit {
    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.keyspace.encode(out);
        put_varint(out, self.next_file.0);
        self.change.encode(out);
    }

    /// Reads an encoding, which is all of `bytes`; the error says why it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut cursor = Cursor::new(bytes);
        let edit = Self::decode_fields(&mut cursor).ok_or("an edit that makes no sense or ends early")?;
        check_end(&cursor)?;
        Ok(edit)
    }

    fn decode_fields(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            keyspace: KeyspaceId::decode(cursor)?,
            next_file: FileId(cursor.varint()?),
            change: Change::decode(cursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::key::SeqNo;
    use crate::base::lsn::Lsn;
    use crate::tree::levels::{FlushedRecord, TableRecord};
    use crate::tree::ranges::RangeSet;

    fn flush(keyspace: KeyspaceId, id: u64, next_file: u64) -> Edit {
        let table = TableRecord { id: FileId(id), len: 100 };
        let file = FlushedRecord { table, min: b"a".into(), max: b"z".into(), consumed: RangeSet::default() };
        let flushed_to = LogMark { lsn: Lsn(id * 4096), seqno: SeqNo(id) };
        let change = Change::Flush { file: Some(file), flushed_to };
        Edit { keyspace, next_file: FileId(next_file), change }
    }

    fn other() -> KeyspaceId {
        KeyspaceId::decode(&mut Cursor::new(&[7])).unwrap()
    }

    fn encoded(state: &State) -> Vec<u8> {
        let mut bytes = Vec::new();
        state.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_state_comes_back_from_its_encoding_and_so_does_an_edit() {
        let mut state = State::new(42);
        let edit = flush(KeyspaceId::DEFAULT, 3, 4);
        state.apply(&edit).unwrap();
        let bytes = encoded(&state);
        assert_eq!(State::decode(&bytes), Ok(state));
        for len in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..len]), Err("a state that makes no sense or ends early".into()));
        }
        let mut bytes = Vec::new();
        edit.encode(&mut bytes);
        assert_eq!(Edit::decode(&bytes), Ok(edit));
        for len in 0..bytes.len() {
            assert_eq!(Edit::decode(&bytes[..len]), Err("an edit that makes no sense or ends early".into()));
        }
    }

    #[test]
    fn bytes_behind_a_whole_state_or_edit_are_refused() {
        let mut bytes = encoded(&State::new(42));
        bytes.push(0);
        assert_eq!(State::decode(&bytes), Err("a byte behind its end".into()));
        let mut bytes = Vec::new();
        flush(KeyspaceId::DEFAULT, 3, 4).encode(&mut bytes);
        bytes.extend([0; 3]);
        assert_eq!(Edit::decode(&bytes), Err("3 bytes behind its end".into()));
    }

    #[test]
    fn the_log_is_needed_from_the_oldest_mark_of_any_tree() {
        let mut state = State::new(42);
        state.trees.insert(other(), Levels::new());
        state.apply(&flush(KeyspaceId::DEFAULT, 3, 4)).unwrap();
        assert_eq!(state.log_start(), LogMark::default());
        state.apply(&flush(other(), 5, 6)).unwrap();
        assert_eq!(state.log_start(), LogMark { lsn: Lsn(3 * 4096), seqno: SeqNo(3) });
    }

    #[test]
    fn impossible_edits_and_states_are_refused() {
        let mut state = State::new(42);
        state.apply(&flush(KeyspaceId::DEFAULT, 3, 4)).unwrap();
        let refused = |edit: &Edit| state.clone().apply(edit).unwrap_err();
        assert_eq!(refused(&flush(other(), 5, 6)), "keyspace 7 is unknown");
        assert_eq!(refused(&flush(KeyspaceId::DEFAULT, 3, 4)), "file 3 is named twice");
        assert_eq!(refused(&flush(KeyspaceId::DEFAULT, 9, 4)), "file 9 is above the next number 4");
        let check = |state: &State, expected: &str| {
            assert_eq!(State::decode(&encoded(state)), Err(expected.into()));
        };
        check(&State { trees: BTreeMap::new(), ..state.clone() }, "the default keyspace is missing");
        let mut twice = encoded(&state);
        twice[8 + 8 + 1] = 2;
        KeyspaceId::DEFAULT.encode(&mut twice);
        Levels::new().encode(&mut twice);
        assert_eq!(State::decode(&twice), Err("keyspace 0 is named twice".into()));
        state.trees.insert(other(), Levels::new());
        check(&state, "keyspace 7 is unknown");
    }
}

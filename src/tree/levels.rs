//! The durable state of L2 and L3, and the edits that change it.
//!
//! Pure: applying the same edits to the same state gives the same state, at run time and at
//! recovery. Invariants, checked after every edit: partitions are sorted, disjoint and cover the
//! whole key space (the first begins at the empty key, each ends where the next begins); no file
//! appears twice; file numbers are below `next_file`.

use std::collections::HashSet;

use super::ranges::RangeSet;
use crate::base::codec::{Cursor, put_bytes, put_varint};
use crate::base::ids::FileId;
use crate::base::key::SeqNo;
use crate::base::key_range::KeyRange;
use crate::base::limits::{LSN_MAX, SEQNO_STATED_MAX};
use crate::base::lsn::{Generation, Lsn};

/// A table file as the manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableRecord {
    /// Number of the file.
    pub(crate) id: FileId,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// A file of L2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlushedRecord {
    /// The file.
    pub(crate) table: TableRecord,
    /// Its smallest key.
    pub(crate) min: Vec<u8>,
    /// Its largest key.
    pub(crate) max: Vec<u8>,
    /// The part of it that has gone down to L3 and must not be read here any more.
    pub(crate) consumed: RangeSet,
}

/// A partition of L3: the keys from `lower` up to the next partition's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionRecord {
    /// Its smallest possible key.
    pub(crate) lower: Vec<u8>,
    /// Its file; none while it is empty.
    pub(crate) table: Option<TableRecord>,
}

/// Where recovery starts to read the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogStart {
    /// Generation of the log, if one was begun.
    pub(crate) generation: Generation,
    /// LSN of the oldest record that is not in a table.
    pub(crate) lsn: Lsn,
}

/// The state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    /// Random number that names the database.
    pub(crate) database: u64,
    /// Where the log starts.
    pub(crate) log: LogStart,
    /// Seqno that every write in a table is at or below.
    pub(crate) seqno: SeqNo,
    /// File numbers from here on are free.
    pub(crate) next_file: FileId,
    /// L2, newest first.
    pub(crate) flushed: Vec<FlushedRecord>,
    /// L3, by key.
    pub(crate) partitions: Vec<PartitionRecord>,
}

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A memtable has become a file of L2 (none, if nothing of it was needed).
    Flush {
        /// The new file.
        file: Option<FlushedRecord>,
        /// The log before this is not needed any more.
        log_lsn: Lsn,
        /// Every write before `log_lsn` is at or below this.
        seqno: SeqNo,
        /// File numbers from here on are free.
        next_file: FileId,
    },
    /// The partitions of a range were merged with what L2 held for it.
    Compact {
        /// The range: from one partition's lower bound to another's upper.
        range: KeyRange,
        /// What stands there now.
        partitions: Vec<PartitionRecord>,
        /// The files of L2 whose part in the range has gone down.
        consumed: Vec<FileId>,
        /// File numbers from here on are free.
        next_file: FileId,
    },
    /// Files of L2 hold no key in a range that has not gone down: it has, without any work.
    Consume {
        /// The files with a range each. A file may have left L2 since the range was found.
        holes: Vec<(FileId, KeyRange)>,
    },
}

impl Levels {
    /// An empty database: one empty partition holds all keys.
    pub(crate) fn new(database: u64) -> Self {
        let partitions = vec![PartitionRecord { lower: Vec::new(), table: None }];
        Self {
            database,
            log: LogStart::default(),
            seqno: SeqNo::ZERO,
            next_file: FileId(1),
            flushed: Vec::new(),
            partitions,
        }
    }

    /// All files.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableRecord> {
        let flushed = self.flushed.iter().map(|file| file.table);
        flushed.chain(self.partitions.iter().filter_map(|partition| partition.table))
    }

    /// Applies an edit; the error says what makes it impossible.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        match edit {
            Edit::Flush { file, log_lsn, seqno, next_file } => {
                if *log_lsn < self.log.lsn {
                    return Err(format!("the log's start goes back to LSN {log_lsn}"));
                }
                self.flushed.splice(0..0, file.clone());
                self.log.lsn = *log_lsn;
                self.seqno = self.seqno.max(*seqno);
                self.next_file = self.next_file.max(*next_file);
            }
            Edit::Compact { range, partitions, consumed, next_file } => {
                self.replace_partitions(range, partitions)?;
                self.consume(range, consumed)?;
                self.next_file = self.next_file.max(*next_file);
            }
            Edit::Consume { holes } => {
                for (id, hole) in holes {
                    if let Some(file) = self.flushed.iter_mut().find(|file| file.table.id == *id) {
                        file.consumed.insert(hole);
                    }
                }
                self.drop_consumed();
            }
        }
        self.check()
    }

    fn replace_partitions(&mut self, range: &KeyRange, new: &[PartitionRecord]) -> Result<(), String> {
        let at = |lower: &Vec<u8>| self.partitions.binary_search_by(|old| old.lower.cmp(lower));
        let from = at(&range.lower).map_err(|_| "a range begins inside a partition")?;
        let to = match &range.upper {
            None => self.partitions.len(),
            Some(upper) => at(upper).map_err(|_| "a range ends inside a partition")?,
        };
        if new.first().is_none_or(|first| first.lower != range.lower) {
            return Err("the new partitions do not begin where their range does".into());
        }
        self.partitions.splice(from..to, new.iter().cloned());
        Ok(())
    }

    fn consume(&mut self, range: &KeyRange, ids: &[FileId]) -> Result<(), String> {
        for id in ids {
            let file = self.flushed.iter_mut().find(|file| file.table.id == *id);
            let file = file.ok_or_else(|| format!("file {id} is not in L2"))?;
            file.consumed.insert(range);
        }
        self.drop_consumed();
        Ok(())
    }

    fn drop_consumed(&mut self) {
        self.flushed.retain(|file| !file.consumed.covers(&file.min, &file.max));
    }

    fn check(&self) -> Result<(), String> {
        let first = self.partitions.first().ok_or("there is no partition")?;
        if !first.lower.is_empty() {
            return Err("the first partition does not begin at the empty key".into());
        }
        if !self.partitions.is_sorted_by(|a, b| a.lower < b.lower) {
            return Err("the partitions overlap".into());
        }
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
        let limits = [
            ("LSN", self.log.lsn.0, LSN_MAX),
            ("seqno", self.seqno.0, SEQNO_STATED_MAX),
            ("next file number", self.next_file.0, FileId::MAX.0),
        ];
        match limits.into_iter().find(|(_, found, max)| found > max) {
            Some((what, found, max)) => Err(format!("{what} {found}, above {max}")),
            None => Ok(()),
        }
    }

    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.database, self.log.generation.0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for field in [self.log.lsn.0, self.seqno.0, self.next_file.0] {
            put_varint(out, field);
        }
        put_varint(out, self.flushed.len() as u64);
        self.flushed.iter().for_each(|file| file.encode(out));
        encode_partitions(out, &self.partitions);
    }

    /// Reads an encoding and checks the invariants.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let levels = Self::decode_fields(cursor).ok_or("it ends early")?;
        levels.check()?;
        levels.check_limits()?;
        Ok(levels)
    }

    fn decode_fields(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (database, generation) = (cursor.u64()?, Generation(cursor.u64()?));
        let (lsn, seqno, next_file) =
            (Lsn(cursor.varint()?), SeqNo(cursor.varint()?), FileId(cursor.varint()?));
        let mut flushed = Vec::new();
        for _ in 0..cursor.varint()? {
            flushed.push(FlushedRecord::decode(cursor)?);
        }
        let partitions = decode_partitions(cursor)?;
        Some(Self { database, log: LogStart { generation, lsn }, seqno, next_file, flushed, partitions })
    }
}

impl Edit {
    /// Appends the encoding.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Flush { file, log_lsn, seqno, next_file } => {
                out.push(1);
                out.push(u8::from(file.is_some()));
                file.iter().for_each(|file| file.encode(out));
                [log_lsn.0, seqno.0, next_file.0].into_iter().for_each(|field| put_varint(out, field));
            }
            Self::Compact { range, partitions, consumed, next_file } => {
                out.push(2);
                range.encode(out);
                encode_partitions(out, partitions);
                put_varint(out, consumed.len() as u64);
                consumed.iter().for_each(|id| put_varint(out, id.0));
                put_varint(out, next_file.0);
            }
            Self::Consume { holes } => {
                out.push(3);
                put_varint(out, holes.len() as u64);
                for (id, hole) in holes {
                    put_varint(out, id.0);
                    hole.encode(out);
                }
            }
        }
    }

    /// Reads an encoding; `None` if it is none.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        match cursor.u8()? {
            1 => {
                let file = match cursor.u8()? {
                    0 => None,
                    _ => Some(FlushedRecord::decode(cursor)?),
                };
                let (log_lsn, seqno, next_file) =
                    (Lsn(cursor.varint()?), SeqNo(cursor.varint()?), FileId(cursor.varint()?));
                Some(Self::Flush { file, log_lsn, seqno, next_file })
            }
            2 => {
                let range = KeyRange::decode(cursor)?;
                let partitions = decode_partitions(cursor)?;
                let mut consumed = Vec::new();
                for _ in 0..cursor.varint()? {
                    consumed.push(FileId(cursor.varint()?));
                }
                Some(Self::Compact { range, partitions, consumed, next_file: FileId(cursor.varint()?) })
            }
            3 => {
                let mut holes = Vec::new();
                for _ in 0..cursor.varint()? {
                    holes.push((FileId(cursor.varint()?), KeyRange::decode(cursor)?));
                }
                Some(Self::Consume { holes })
            }
            _ => None,
        }
    }
}

impl TableRecord {
    fn encode(self, out: &mut Vec<u8>) {
        put_varint(out, self.id.0);
        put_varint(out, self.len);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self { id: FileId(cursor.varint()?), len: cursor.varint()? })
    }
}

impl FlushedRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.table.encode(out);
        put_bytes(out, &self.min);
        put_bytes(out, &self.max);
        self.consumed.encode(out);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let table = TableRecord::decode(cursor)?;
        let (min, max) = (cursor.bytes()?.to_vec(), cursor.bytes()?.to_vec());
        Some(Self { table, min, max, consumed: RangeSet::decode(cursor)? })
    }
}

fn encode_partitions(out: &mut Vec<u8>, partitions: &[PartitionRecord]) {
    put_varint(out, partitions.len() as u64);
    for partition in partitions {
        put_bytes(out, &partition.lower);
        out.push(u8::from(partition.table.is_some()));
        partition.table.iter().for_each(|table| table.encode(out));
    }
}

fn decode_partitions(cursor: &mut Cursor<'_>) -> Option<Vec<PartitionRecord>> {
    let mut partitions = Vec::new();
    for _ in 0..cursor.varint()? {
        let lower = cursor.bytes()?.to_vec();
        let table = match cursor.u8()? {
            0 => None,
            _ => Some(TableRecord::decode(cursor)?),
        };
        partitions.push(PartitionRecord { lower, table });
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(id: u64) -> TableRecord {
        TableRecord { id: FileId(id), len: id * 100 }
    }

    fn flush(id: u64, min: &str, max: &str) -> Edit {
        let (min, max) = (min.as_bytes().to_vec(), max.as_bytes().to_vec());
        let file = Some(FlushedRecord { table: table(id), min, max, consumed: RangeSet::default() });
        Edit::Flush { file, log_lsn: Lsn(id * 4096), seqno: SeqNo(id), next_file: FileId(id + 1) }
    }

    fn compact(lower: &str, upper: Option<&str>, new: &[(&str, u64)], consumed: &[u64]) -> Edit {
        let partition = |(lower, id): &(&str, u64)| PartitionRecord {
            lower: lower.as_bytes().to_vec(),
            table: Some(table(*id)),
        };
        Edit::Compact {
            range: KeyRange {
                lower: lower.as_bytes().to_vec(),
                upper: upper.map(|upper| upper.as_bytes().to_vec()),
            },
            partitions: new.iter().map(partition).collect(),
            consumed: consumed.iter().copied().map(FileId).collect(),
            next_file: FileId(100),
        }
    }

    fn show(levels: &Levels) -> String {
        let flushed = levels.flushed.iter().map(|file| file.table.id.to_string());
        let partitions = levels.partitions.iter().map(|partition| {
            let id = partition.table.map_or_else(|| "-".into(), |table| table.id.to_string());
            format!("{}:{id}", String::from_utf8_lossy(&partition.lower))
        });
        format!("{} | {}", flushed.collect::<Vec<_>>().join(" "), partitions.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn files_go_down_by_range_and_leave_l2_when_wholly_consumed() {
        let mut levels = Levels::new(1);
        let mut check = |edit: Edit, expected: &str| {
            levels.apply(&edit).unwrap();
            assert_eq!(show(&levels), expected);
            let mut bytes = Vec::new();
            levels.encode(&mut bytes);
            assert_eq!(Levels::decode(&mut Cursor::new(&bytes)), Ok(levels.clone()));
            let mut bytes = Vec::new();
            edit.encode(&mut bytes);
            assert_eq!(Edit::decode(&mut Cursor::new(&bytes)), Some(edit));
        };
        check(flush(1, "a", "z"), "1 | :-");
        check(flush(2, "c", "m"), "2 1 | :-");
        check(compact("", None, &[("", 10), ("k", 11)], &[1]), "2 | :10 k:11");
        check(flush(3, "a", "z"), "3 2 | :10 k:11");
        check(compact("", Some("k"), &[("", 12)], &[2, 3]), "3 2 | :12 k:11");
        check(compact("k", None, &[("k", 13), ("t", 14)], &[2, 3]), " | :12 k:13 t:14");
        check(compact("", Some("t"), &[("", 15)], &[]), " | :15 t:14");
        check(flush(4, "a", "z"), "4 | :15 t:14");
        check(compact("", Some("t"), &[("", 16)], &[4]), "4 | :16 t:14");
        let hole = |lower: &str| KeyRange { lower: lower.into(), upper: None };
        check(Edit::Consume { holes: vec![(FileId(4), hole("u")), (FileId(3), hole(""))] }, "4 | :16 t:14");
        check(Edit::Consume { holes: vec![(FileId(4), hole("t"))] }, " | :16 t:14");
    }

    #[test]
    fn impossible_edits_are_refused() {
        let check = |edit: Edit, expected: &str| {
            let mut levels = Levels::new(1);
            levels.apply(&flush(1, "a", "z")).unwrap();
            levels.apply(&compact("", None, &[("", 10), ("k", 11)], &[])).unwrap();
            assert_eq!(levels.apply(&edit).unwrap_err(), expected);
        };
        check(compact("b", Some("k"), &[("b", 12)], &[]), "a range begins inside a partition");
        check(compact("", Some("c"), &[("", 12)], &[]), "a range ends inside a partition");
        check(compact("", Some("k"), &[], &[]), "the new partitions do not begin where their range does");
        check(compact("", Some("k"), &[("", 12), ("x", 13)], &[]), "the partitions overlap");
        check(compact("", Some("k"), &[("", 11)], &[]), "file 11 is named twice");
        check(compact("", Some("k"), &[("", 12)], &[7]), "file 7 is not in L2");
        check(flush(0, "a", "b"), "the log's start goes back to LSN 0");
    }
}

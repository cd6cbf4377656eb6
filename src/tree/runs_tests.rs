//! Partitions of several runs, as lookups and scans meet them: the planner makes none yet.

use std::collections::BTreeMap;

use super::lookup::{Fetched, Lookup, look_up};
use super::records::TreeRecords;
use super::scan_length::ScanLength;
use super::view::{Files, Partition, Run, View};
use super::view_cursor::scan;
use crate::base::direction::Direction;
use crate::base::ids::MemtableId;
use crate::base::key::{Kind, SeqNo};
use crate::base::keyspace::KeyspaceId;
use crate::base::lsn::Lsn;
use crate::base::sync::{Arc, epoch};
use crate::cache::Cache;
use crate::memtable::{Memtable, Pool};
use crate::table::tests::{Entries, build, open, random_entries, read_block};
use crate::table::{BlockCache, TableOptions};

const RUNS: usize = 3;

/// A table of these entries, all of it in the cache.
fn run(entries: &Entries, cache: &Arc<BlockCache>) -> Run {
    let bytes = build(entries, TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 });
    let table = Arc::new(open(&bytes, cache).expect("intact"));
    for block_no in 0..table.block_count() {
        table.admit(block_no, read_block(&table, &bytes, block_no).expect("intact"));
    }
    Run { table }
}

/// Two partitions, split at the middle key, with up to three runs each: the newest writes in the newest.
fn view_of(entries: &Entries, cache: &Arc<BlockCache>) -> View {
    let newest = entries.iter().map(|(_, tag, _)| tag.seqno().0).max().unwrap();
    let bound = entries[entries.len() / 2].0.clone();
    let mut parts = vec![vec![Entries::new(); RUNS]; 2];
    for (key, tag, value) in entries {
        let run = (newest - tag.seqno().0) as usize * RUNS / (newest as usize + 1);
        parts[usize::from(*key >= bound)][run].push((key.clone(), *tag, value.clone()));
    }
    let partition = |(lower, runs): (Vec<u8>, Vec<Entries>)| Partition {
        lower,
        runs: runs.iter().filter(|entries| !entries.is_empty()).map(|entries| run(entries, cache)).collect(),
    };
    let partitions = [Vec::new(), bound].into_iter().zip(parts).map(partition).collect();
    View {
        memtable: Arc::new(Memtable::new(&Pool::of_size(4096), MemtableId::FIRST, Lsn::ZERO, SeqNo::ZERO)),
        frozen: Vec::new(),
        files: Arc::new(Files::new(Vec::new(), partitions)),
        records: TreeRecords::new(cache, KeyspaceId::DEFAULT),
    }
}

/// What a reader sees: of each key the newest version up to its seqno, unless that is a delete.
fn visible(entries: &Entries, reader: SeqNo) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    for (key, tag, value) in entries.iter().filter(|(_, tag, _)| tag.seqno() <= reader) {
        found.entry(key.clone()).or_insert((*tag, value.clone()));
    }
    let values = found.into_iter().filter(|(_, (tag, _))| tag.kind() == Kind::Put);
    values.map(|(key, (_, value))| (key, value)).collect()
}

#[test]
fn lookups_and_scans_go_through_all_runs_of_a_partition() {
    for seed in 0..6 {
        let cache = Arc::new(Cache::new(1 << 20));
        let entries = random_entries(seed, 80, 4, 4);
        let view = view_of(&entries, &cache);
        assert!(view.files.partitions.iter().all(|partition| partition.runs.len() > 1), "seed {seed}");
        let newest = entries.iter().map(|(_, tag, _)| tag.seqno()).max().unwrap();
        for reader in [newest, SeqNo(newest.0 / 2), SeqNo(newest.0 / 5)] {
            let expected = visible(&entries, reader);
            let guard = epoch::pin();
            for (key, _, _) in &entries {
                let mut taken = |value: &[u8]| value.to_vec();
                match look_up(&view, key, reader, &Fetched::default(), &guard, &mut taken) {
                    Lookup::Found(found) => assert_eq!(found.as_ref(), expected.get(key), "{key:?}"),
                    Lookup::NeedsBlock(_) => panic!("all blocks are cached"),
                }
            }
            for direction in [Direction::Forward, Direction::Backward] {
                let guesses = (&Arc::default(), &ScanLength::default());
                let (mut cursor, mut seen) = (scan(&view, guesses, reader, direction, true), Vec::new());
                assert!(cursor.seek(None).is_ok());
                while let Ok(true) = cursor.next() {
                    seen.push((cursor.key().unwrap().to_vec(), cursor.value().to_vec()));
                }
                if direction == Direction::Backward {
                    seen.reverse();
                }
                assert_eq!(seen, expected.clone().into_iter().collect::<Vec<_>>(), "seed {seed}");
            }
        }
    }
}

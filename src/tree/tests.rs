//! Trees without an engine, also for the engine's tests; and when the snapshots are listed that a compaction heeds.

use super::*;
use crate::base::ids::{FileId, MemtableId};
use crate::base::key::{Kind, SeqNo, Tag};
use crate::base::lsn::Lsn;
use crate::base::options::{IoBackend, Options};
use crate::base::sync::{Arc, lock};
use crate::cache::Cache;
use crate::files::Directory;
use crate::io::probe;
use crate::memtable::{Memtable, Pool};
use crate::table::TableOptions;
use crate::table::tests::{Entries, build, open};
use crate::tree::levels::LogMark;
use crate::tree::ranges::RangeSet;
use crate::tree::records::TreeRecords;
use crate::tree::scan_credit::Scanned;
use crate::tree::view::{Files, Flushed, Partition, Run};

/// An empty tree in a directory of its own.
pub(crate) struct TestTree {
    pub(crate) tree: Arc<Tree>,
    _scratch: tempfile::TempDir,
}

impl TestTree {
    pub(crate) fn new(keyspace: KeyspaceId) -> Self {
        Self::with(keyspace, Options::new().max_frozen_memtables(4))
    }

    fn with(keyspace: KeyspaceId, options_of_tree: Options) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let io = probe::choose(IoBackend::Blocking).unwrap();
        let directory = Directory::new(io.open_dir(scratch.path()).unwrap().unwrap(), FileId(1));
        let options = TableOptions { block_size_bytes: 4096, filter_bits_per_key: 10 };
        let files = TableFiles::new(directory, Arc::new(Cache::new(0)), options);
        let view = View {
            memtable: Arc::new(Memtable::new(
                &Pool::of_size(4096),
                MemtableId::FIRST,
                Lsn::ZERO,
                SeqNo::ZERO,
            )),
            frozen: Vec::new(),
            files: Arc::new(Files::new(Vec::new(), vec![Partition { lower: Vec::new(), runs: Vec::new() }])),
            records: TreeRecords::new(files.cache(), keyspace),
        };
        let tree = Arc::new(Tree::new(keyspace, options_of_tree.tree, Arc::new(files), Published::new(view)));
        Self { tree, _scratch: scratch }
    }
}

/// Freezes the memtable of a tree, as it is.
pub(crate) fn freeze_one(tree: &Tree) {
    tree.freeze(LogMark::default());
}

/// Publishes these runs as all that L3 has.
fn publish_runs(tree: &Tree, runs: Vec<Run>) {
    let files = Arc::new(Files::new(Vec::new(), vec![Partition { lower: Vec::new(), runs }]));
    tree.published.update(|old| View { files, ..old.clone() });
}

#[test]
fn snapshots_are_listed_once_the_view_is_loaded() {
    let TestTree { tree, .. } = TestTree::new(KeyspaceId::DEFAULT);
    let delete = |n: u8| (vec![n], Tag::new(SeqNo(n.into()), Kind::Delete), Vec::new());
    let deletes: Entries = (1..9).map(delete).collect();
    let options = TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 };
    let table = Arc::new(open(&build(&deletes, options), &Arc::new(Cache::new(0))).unwrap());
    assert!(table.removable_bytes(&[]) > 0);
    // While they are listed a run appears that would seem to be garbage to who has listed none.
    let publish = || {
        publish_runs(&tree, vec![Run { table: Arc::clone(&table) }]);
        Vec::new()
    };
    assert!(tree.take_compaction(true, publish, |_| true).is_none());
    publish_runs(&tree, Vec::new());
    assert!(tree.runs_with_garbage(publish).is_empty());
    // By the next view it is garbage.
    assert_eq!(tree.runs_with_garbage(Vec::new), [table.id()]);
    assert!(tree.take_compaction(true, Vec::new, |_| true).is_some());
}

#[test]
fn what_only_scans_need_waits_for_no_space() {
    let TestTree { tree, .. } = TestTree::new(KeyspaceId::DEFAULT);
    let options = TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 };
    let run = |seqno| {
        let put = |n: u8| (vec![n], Tag::new(SeqNo(seqno), Kind::Put), Vec::new());
        let table = open(&build(&(1..9).map(put).collect(), options), &Arc::new(Cache::new(0)));
        Run { table: Arc::new(table.unwrap()) }
    };
    publish_runs(&tree, vec![run(2), run(1)]);
    while !tree.scan_credit.earn(Scanned { entries: 1000, reads_elsewhere: 0 }) {}
    assert!(tree.take_compaction(false, Vec::new, |_| false).is_none());
    assert_eq!(lock(&tree.compactions).short_of(), None);
    assert!(tree.take_compaction(false, Vec::new, |_| true).is_some());
}

#[test]
fn a_flush_that_finds_fewer_lookups_than_the_one_before_keeps_nothing() {
    let TestTree { tree, .. } = TestTree::new(KeyspaceId::DEFAULT);
    let memtable = Arc::clone(&tree.view().memtable);
    tree.lookups_before.store(1 << 20, Relaxed);
    let _any = tree.keep_of_flush(&memtable);
    assert_eq!(tree.lookups_before.load(Relaxed), 0);
}

#[test]
fn scans_of_l2_alone_earn_by_what_they_pass() {
    let TestTree { tree, .. } = TestTree::new(KeyspaceId::DEFAULT);
    let options = TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 };
    let put = |n: u8| (vec![n], Tag::new(SeqNo(1), Kind::Put), vec![7; 1000]);
    let table =
        open(&build(&(1..200).map(put).collect(), options), &Arc::new(Cache::new(0))).expect("intact");
    let file = Flushed { table: Arc::new(table), consumed: RangeSet::default() };
    let files = Arc::new(Files::new(vec![file], vec![Partition { lower: Vec::new(), runs: Vec::new() }]));
    tree.published.update(|old| View { files, ..old.clone() });
    assert!(tree.take_compaction(false, Vec::new, |_| true).is_none());
    // A gigabyte passed: without the length of the entries it would be a tenth of that, and not worth a look.
    let looks = (0..100).filter(|_| tree.scan_credit.earn(Scanned { entries: 10_000, reads_elsewhere: 0 }));
    assert_eq!(looks.count(), 2);
}

#[test]
fn a_flush_does_not_change_how_much_writers_are_slowed() {
    let TestTree { tree, .. } = TestTree::new(KeyspaceId::DEFAULT);
    let options = TableOptions { block_size_bytes: 200, filter_bits_per_key: 10 };
    let put = |n: u8| (vec![n], Tag::new(SeqNo(1), Kind::Put), vec![7; 1000]);
    let table = open(&build(&(1..9).map(put).collect(), options), &Arc::new(Cache::new(0))).expect("intact");
    let table = Arc::new(table);
    let delays = [(4, 2), (5, 1), (6, 0)].map(|(flushed, frozen)| {
        let file = || Flushed { table: Arc::clone(&table), consumed: RangeSet::default() };
        let partition = Partition { lower: Vec::new(), runs: Vec::new() };
        let files = Arc::new(Files::new((0..flushed).map(|_| file()).collect(), vec![partition]));
        let frozen = vec![Arc::clone(&tree.view().memtable); frozen];
        tree.set_throttle(&View { files, frozen, ..View::clone(&tree.view()) });
        tree.throttle.delay_ps_per_byte()
    });
    assert!(delays[0] > 1 && delays.iter().all(|delay| *delay == delays[0]), "{delays:?}");
}

#[test]
fn memtables_that_wait_slow_nobody_while_l2_is_empty() {
    let options = Options::new().max_frozen_memtables(64).memtable_size_bytes(4096);
    let TestTree { tree, .. } = TestTree::with(KeyspaceId::DEFAULT, options);
    // Up to half of what may wait.
    for frozen in 0..32 {
        let view = tree.view();
        for n in (1_u64..).take_while(|_| !view.memtable.is_full()) {
            let tag = Tag::new(SeqNo(n), Kind::Put);
            view.memtable.insert(&n.to_be_bytes(), tag, &[7; 100], SeqNo::ZERO);
        }
        tree.set_throttle(&view);
        assert_eq!(tree.throttle.delay_ps_per_byte(), 0, "{frozen} wait");
        freeze_one(&tree);
    }
}

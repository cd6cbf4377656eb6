//! A compaction on real files, alone: what becomes of tombstones.

use super::*;
use crate::base::ids::FileId;
use crate::base::options::IoBackend;
use crate::cache::Cache;
use crate::exec::{Cores, block_on};
use crate::files::Directory;
use crate::io::probe;
use crate::table::{IndexIn, TableOptions};

/// Writes a run with a deleted key and a key, compacts it and tells how many entries and deletes are left.
async fn compacted(local: Local, files: TableFiles, bottommost: bool) -> Result<(u64, u64)> {
    let mut pending = PendingOutputs::default();
    let hint = OutputHint { keep: Keep::Nothing, len: 0, index_in: IndexIn::Memory };
    let mut writer = TableWriter::create(&local, &files, hint, &mut pending).await?;
    writer.add(b"gone", Tag::new(SeqNo(7), Kind::Delete), b"", Need::Newest);
    writer.add(b"kept", Tag::new(SeqNo(8), Kind::Put), b"value", Need::Newest);
    let run = writer.finish(&local, &files).await?.table;
    let compaction = Compaction {
        range: KeyRange::default(),
        input_bytes: run.file_len(),
        runs: vec![run],
        older: Vec::new(),
        flushed: Vec::new(),
        piece_len: u64::MAX,
        is_for_flushed: false,
        gives_way: true,
        keep: Keep::Replacements,
        bottommost,
    };
    let pieces = compact(&local, &files, &compaction, Vec::new(), &Throttle::default()).await?;
    let table = &pieces[0].output.as_ref().expect("a key is left").table;
    Ok((table.entries(), table.deletes()))
}

#[test]
fn a_tombstone_goes_only_where_nothing_older_lies_below() {
    let scratch = tempfile::tempdir().unwrap();
    let io = probe::choose(IoBackend::Blocking).unwrap();
    let dir = io.open_dir(scratch.path()).unwrap().unwrap();
    let lock = io.lock(&dir, "LOCK").unwrap();
    let cores = Cores::start(&io, 1, &lock).unwrap();
    for (bottommost, expected) in [(true, (1, 0)), (false, (2, 1))] {
        let directory = Directory::new(dir.clone(), FileId(1 + 10 * u64::from(bottommost)));
        let options = TableOptions { block_size_bytes: 4096, filter_bits_per_key: 10 };
        let files = TableFiles::new(directory, Arc::new(Cache::new(0)), options);
        let found = block_on(cores.run(0, move |local| compacted(local, files, bottommost)));
        assert_eq!(found.unwrap().unwrap(), expected, "bottommost: {bottommost}");
    }
    cores.stop();
}

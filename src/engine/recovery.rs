//! Opening: from the files of a directory to a running state.
//!
//! Manifest, tables, log, stage; what the log holds becomes L2 files, so that a fresh log can
//! begin. All of that is committed by one new manifest; until then nothing an earlier opening
//! needs is touched, so an interrupted opening is simply repeated.

use std::collections::{BTreeMap, HashSet};

use super::manifest::{self, Manifest};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::Tag;
use crate::base::limits::SEGMENT_SIZE_MIN;
use crate::base::lsn::{Generation, Lsn};
use crate::base::options::Options;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::exec::Local;
use crate::files::{Directory, FileKind, is_foreign};
use crate::io::{Dir, Entry};
use crate::memtable::memtable_bytes;
use crate::table::{BlockCache, Table, TableOptions};
use crate::tree::flush;
use crate::tree::levels::{Levels, LogStart};
use crate::tree::replayed::Replayed;
use crate::tree::table_files::TableFiles;
use crate::wal::{
    Batch, Entries, FREE_SEGMENTS_MAX, FreeSegment, LogReader, Segment, Spares, Stage, StageImage, Wal,
    Writer,
};

/// A database ready to serve.
pub(crate) struct Recovered {
    pub(crate) directory: Directory,
    pub(crate) table_files: TableFiles,
    pub(crate) levels: Levels,
    pub(crate) manifest: Manifest,
    pub(crate) tables: BTreeMap<FileId, Arc<Table>>,
    pub(crate) wal: Arc<Wal>,
    pub(crate) writer: Writer,
    /// Bytes of log that were replayed.
    pub(crate) replayed_bytes: u64,
}

/// Opens the database in `dir`, whose lock is held.
pub(crate) async fn recover(local: &Local, dir: &Dir, options: &Options) -> Result<Recovered> {
    let entries = local.io().list(dir)?;
    check_numbers(dir, &entries)?;
    // A directory takes a name as well, and is left alone.
    let names: Vec<FileKind> = entries.iter().filter_map(|entry| FileKind::named(&entry.name)).collect();
    let directory = Directory::new(dir.clone(), first_free(&names));
    // Nothing is built upon what the power can still take away.
    directory.sync_found(local).await?;
    let (manifest_id, mut levels) = find_state(local, &directory, &entries, options).await?;
    // Files with these numbers are gone, and their names are not used again.
    directory.skip_to(levels.next_file);
    let mut kinds: Vec<FileKind> = entries.iter().filter_map(FileKind::of).collect();
    if !names.contains(&FileKind::Manifest(manifest_id)) {
        // Just made, to mark the directory: it goes with the others, or it would pass for the state
        // should the one to come be damaged.
        kinds.push(FileKind::Manifest(manifest_id));
    }
    let cache = Arc::new(BlockCache::new(usize::try_from(options.cache_size_bytes).unwrap_or(usize::MAX)));
    let table_options = TableOptions {
        block_size_bytes: options.block_size_bytes,
        filter_bits_per_key: options.filter_bits_per_key as usize,
    };
    let table_files = TableFiles::new(directory.clone(), cache, table_options);
    let mut tables = BTreeMap::new();
    for record in levels.tables().collect::<Vec<_>>() {
        let table = table_files.open(local, record).await?;
        let (_, newest) = table.seqno_range();
        if newest > levels.seqno {
            let (path, expected) = (table.file().path(), format!("at most {}", levels.seqno));
            return Err(Error::corruption(path, 0, "newest seqno", expected, newest));
        }
        tables.insert(record.id, Arc::new(table));
    }
    let segments = read_segments(local, &directory, &kinds).await?;
    let mut replay = Replay { local, files: &table_files, levels: &mut levels, tables: &mut tables, options };
    let (start, replayed_bytes) = replay.run(&segments, &kinds).await?;
    let generation = match levels.log.generation {
        old if planted!(GenerationReused) && old != Generation::NONE => old,
        _ => Generation(local.io().random() | 1),
    };
    let log = LogStart { generation, lsn: start.sector_ceil() };
    let (wal, first, free) = begin_log(local, &directory, &levels, &segments, log, options).await?;
    let needed = segments.iter().filter(|segment| is_needed(segment, &levels)).cloned().collect();
    levels.log = log;
    levels.next_file = directory.next_id();
    let manifest = Manifest::create(local, &directory, manifest_id.next(), &levels).await?;
    let segment_len = options.wal_segment_size_bytes;
    let free = keep_free_segments(local, &directory, free, needed, segment_len)?;
    let kept: HashSet<FileKind> =
        free.iter().map(FreeSegment::kind).chain([FileKind::Segment(first.id)]).collect();
    remove_leftovers(local, &directory, &kinds, &levels, &kept).await?;
    let spares = Spares::new(directory.clone(), segment_len, free);
    let writer = Writer::new(Arc::clone(&wal), first, spares);
    Ok(Recovered { directory, table_files, levels, manifest, tables, wal, writer, replayed_bytes })
}

/// The first number above those of all files that are there.
fn first_free(names: &[FileKind]) -> FileId {
    let ids = names.iter().filter_map(|kind| kind.id()).filter(|id| *id <= FileId::MAX);
    let used = if planted!(FileNumberReused) { None } else { ids.max() };
    used.unwrap_or_default().next()
}

/// New files get numbers above those that are there.
fn check_numbers(dir: &Dir, entries: &[Entry]) -> Result<()> {
    for entry in entries {
        let id = FileKind::of(entry).and_then(FileKind::id).unwrap_or_default();
        if id > FileId::MAX {
            let expected = format!("at most {}", FileId::MAX);
            return Err(Error::corruption(&dir.path_of(&entry.name), 0, "file number", expected, id));
        }
    }
    Ok(())
}

/// The state of the newest whole manifest, and the highest number that any manifest has: one that an
/// interrupted opening left unfinished must not lend its name to the next. Makes the first one in an
/// empty directory.
async fn find_state(
    local: &Local,
    directory: &Directory,
    entries: &[Entry],
    options: &Options,
) -> Result<(FileId, Levels)> {
    let manifest_id = |kind| if let FileKind::Manifest(id) = kind { Some(id) } else { None };
    let kinds = entries.iter().filter_map(FileKind::of);
    let mut found: Vec<FileId> = kinds.filter_map(manifest_id).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    let taken = entries.iter().filter_map(|entry| FileKind::named(&entry.name)).filter_map(manifest_id);
    let highest = taken.filter(|id| *id <= FileId::MAX).max().unwrap_or_default();
    for id in &found {
        if let Some(levels) = manifest::read(local, directory, *id).await? {
            if *id != found[0] {
                reached!("open: an unfinished manifest was passed over");
            }
            return Ok((highest, levels));
        }
    }
    let is_manifest = |entry: &Entry| matches!(FileKind::of(entry), Some(FileKind::Manifest(_)));
    let others = || entries.iter().filter(|entry| is_foreign(entry) && !is_manifest(entry));
    match found.first() {
        Some(newest) if others().any(|entry| entry.is_file) => {
            reached!("open: no manifest is whole");
            let path = directory.path_of(FileKind::Manifest(*newest));
            return Err(Error::corruption(&path, 0, "manifest", "a whole first record", "none"));
        }
        Some(_) => {}
        None => {
            if let Some(Entry { name, .. }) = others().next() {
                return Err(Error::NotADatabase { dir: directory.path().to_path_buf(), found: name.clone() });
            }
        }
    }
    if !options.create_if_missing {
        return Err(Error::Missing { dir: directory.path().to_path_buf() });
    }
    reached!("open: a new database");
    let id = highest.next();
    let levels = Levels::new(local.io().random());
    // A manifest without a log marks the directory as ours before anything else is made in it.
    drop(Manifest::create(local, directory, id, &levels).await?);
    Ok((id, levels))
}

/// The segment files with their headers; files without one are left out.
async fn read_segments(local: &Local, directory: &Directory, kinds: &[FileKind]) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for kind in kinds {
        let FileKind::Segment(id) = kind else { continue };
        segments.extend(Segment::open(local, directory, *id).await?);
    }
    Ok(segments)
}

/// Turning the log into L2 files.
struct Replay<'a> {
    local: &'a Local,
    files: &'a TableFiles,
    levels: &'a mut Levels,
    tables: &'a mut BTreeMap<FileId, Arc<Table>>,
    options: &'a Options,
}

impl Replay<'_> {
    /// Returns where the stream ends, and how many bytes were replayed.
    async fn run(&mut self, segments: &[Segment], kinds: &[FileKind]) -> Result<(Lsn, u64)> {
        let log = self.levels.log;
        if log.generation == Generation::NONE {
            reached!("open: a log was never begun");
            return Ok((log.lsn, 0));
        }
        let stage = self.find_stage(segments, kinds).await?;
        let dir = self.files.directory().path();
        let mut reader = LogReader::new(dir, log.generation, log.lsn, segments.to_vec(), stage)?;
        if self.options.open_without_stage {
            reader.forgive_stage();
        }
        let mut replayed = Replayed::default();
        while let Some(batch) = reader.next(self.local).await? {
            self.collect(&mut replayed, &batch)?;
            // As much as a memtable takes, so that the files are of the usual size.
            if memtable_bytes(replayed.len(), replayed.payload_bytes()) >= self.options.memtable_size_bytes {
                reached!("open: the log fills more than one memtable");
                self.flush(std::mem::take(&mut replayed)).await?;
            }
            self.local.yield_if_due().await;
        }
        self.flush(replayed).await?;
        let replayed = reader.position() - log.lsn;
        if replayed > 0 {
            reached!("open: the log was replayed");
            tracing::info!(bytes = replayed, seqno = self.levels.seqno.0, "replayed the log");
        }
        Ok((reader.position(), replayed))
    }

    /// The stage that belongs to the log, as its segments say. One that is missing or damaged is an error,
    /// unless the options permit to open without.
    async fn find_stage(&self, segments: &[Segment], kinds: &[FileKind]) -> Result<Option<StageImage>> {
        let of_log = segments.iter().filter(|segment| is_needed(segment, self.levels));
        let Some(newest) = of_log.max_by_key(|segment| segment.header.start) else {
            // The reader says what is missing.
            return Ok(None);
        };
        let found = self.read_stage(newest.header.stage, kinds).await;
        match found {
            Err(error @ Error::Corruption { .. }) if self.options.open_without_stage => {
                reached!("open: without the stage, as permitted");
                tracing::warn!(%error, "opening without the stage: the newest `Process` writes may be lost");
                Ok(None)
            }
            Err(Error::Corruption { path, offset, what, expected, found }) => {
                let expected = format!("{expected} (see `Options::open_without_stage`)");
                Err(Error::Corruption { path, offset, what, expected, found })
            }
            Ok(_) if planted!(StageNotReplayed) => Ok(None),
            found => found,
        }
    }

    async fn read_stage(&self, id: FileId, kinds: &[FileKind]) -> Result<Option<StageImage>> {
        let directory = self.files.directory();
        if !kinds.contains(&FileKind::Stage(id)) && !planted!(StageMissed) {
            reached!("open: the stage is gone");
            let (path, what) = (directory.path_of(FileKind::Stage(id)), "stage of the log");
            return Err(Error::corruption(&path, 0, what, "a file", "none"));
        }
        if !kinds.contains(&FileKind::Stage(id)) {
            return Ok(None);
        }
        StageImage::read(self.local, directory, id, self.levels.log.generation).await
    }

    fn collect(&mut self, replayed: &mut Replayed, batch: &Batch) -> Result<()> {
        let damage = |expected: String, found: String| {
            Error::corruption(self.files.directory().path(), batch.lsn.0, "log record", expected, found)
        };
        if batch.seqno != self.levels.seqno.next() {
            reached!("open: a batch with a wrong seqno");
            let expected = format!("a batch with seqno {}", self.levels.seqno.next());
            return Err(damage(expected, format!("one with seqno {}", batch.seqno)));
        }
        let mut entries = Entries::new(&batch.payload);
        for (kind, key, value) in entries.by_ref() {
            self.levels.seqno = self.levels.seqno.next();
            if planted!(BatchReplayedInPart) && self.levels.seqno.0.is_multiple_of(11) {
                continue;
            }
            replayed.add(key, Tag::new(self.levels.seqno, kind), value);
        }
        if entries.is_damaged() {
            return Err(damage("whole entries".into(), "an entry that makes no sense".into()));
        }
        Ok(())
    }

    async fn flush(&mut self, mut replayed: Replayed) -> Result<()> {
        replayed.sort();
        let output = flush::flush_replayed(self.local, self.files, &replayed).await?;
        let edit = flush::edit(output.as_ref(), self.levels.log.lsn, self.levels.seqno, self.files);
        self.levels.apply(&edit).expect("a flush of new files is always possible");
        if let Some(output) = output {
            self.tables.insert(output.record.id, output.table);
        }
        Ok(())
    }
}

/// Makes the stage and the first segment of a new log; nothing of the old log is touched.
async fn begin_log(
    local: &Local,
    directory: &Directory,
    levels: &Levels,
    segments: &[Segment],
    log: LogStart,
    options: &Options,
) -> Result<(Arc<Wal>, Segment, Vec<FreeSegment>)> {
    let stage = Stage::create(local, directory, options, log.generation, log.lsn).await?;
    let len_max = options.wal_segment_size_bytes;
    let mut free = Vec::new();
    for segment in segments {
        if !is_needed(segment, levels) {
            free.extend(FreeSegment::leftover(local, directory, segment, len_max)?);
        }
    }
    let segment = match free.pop() {
        Some(segment) => segment,
        None => FreeSegment::create(local, directory, SEGMENT_SIZE_MIN.min(len_max)).await?,
    };
    let first = segment.begin(local, (log.generation, stage.id()), log.lsn, log.lsn).await?;
    directory.sync(local).await?;
    let reused = u64::from(planted!(SeqnoReused));
    let wal = Arc::new(Wal::new(log.generation, stage, log.lsn, levels.seqno.saturating_sub(reused)));
    Ok((wal, first, free))
}

/// Whether `segment` is one of the log that `levels` names: until the commit it may have to be read
/// again, or be there to show that the log once began.
fn is_needed(segment: &Segment, levels: &Levels) -> bool {
    segment.header.generation == levels.log.generation
}

/// After the commit the old log's segments serve again, as far as spares are kept.
fn keep_free_segments(
    local: &Local,
    directory: &Directory,
    mut free: Vec<FreeSegment>,
    old: Vec<Segment>,
    segment_len: u64,
) -> Result<Vec<FreeSegment>> {
    for segment in old {
        if free.len() < FREE_SEGMENTS_MAX {
            free.extend(FreeSegment::leftover(local, directory, &segment, segment_len)?);
        }
    }
    free.truncate(FREE_SEGMENTS_MAX);
    Ok(free)
}

/// After the commit: removes what no part of the new state names, durably: were an old manifest to
/// come back and the new one to be damaged, the old state would pass for the newest.
async fn remove_leftovers(
    local: &Local,
    directory: &Directory,
    kinds: &[FileKind],
    levels: &Levels,
    kept_segments: &HashSet<FileKind>,
) -> Result<()> {
    let live: HashSet<FileId> = levels.tables().map(|table| table.id).collect();
    for kind in kinds {
        let is_kept = match kind {
            FileKind::Lock => true,
            FileKind::Manifest(_) | FileKind::Stage(_) => false,
            FileKind::Segment(_) => kept_segments.contains(kind),
            FileKind::Table(id) => {
                live.contains(id) && !(planted!(LiveFileRemoved) && id.0.is_multiple_of(5))
            }
        };
        if !is_kept {
            mark_leftover(kind);
            directory.discard(local, *kind).await;
        }
    }
    directory.sync(local).await
}

fn mark_leftover(kind: &FileKind) {
    match kind {
        FileKind::Manifest(_) => reached!("open: an old manifest was removed"),
        FileKind::Stage(_) => reached!("open: an old stage was removed"),
        FileKind::Segment(_) => reached!("open: an old segment was removed"),
        FileKind::Table(_) => reached!("open: an orphaned table was removed"),
        FileKind::Lock => {}
    }
}

//! Opening: from the files of a directory to a running state.
//!
//! Manifest, tables, log, stage; what the log holds becomes L2 files, so that a fresh log can
//! begin. All of that is committed by one new manifest; until then nothing an earlier opening
//! needs is touched, so an interrupted opening is simply repeated.

use std::collections::{BTreeMap, HashSet};

use super::manifest::{self, Manifest};
use super::opened_tables::open_tables;
use super::replay::Replay;
use super::state::State;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::limits::SEGMENT_SIZE_MIN;
use crate::base::lsn::Generation;
use crate::base::options::Options;
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::exec::{Cores, Local};
use crate::files::{Directory, FileKind, is_foreign};
use crate::io::{Dir, Entry};
use crate::table::{BlockCache, Table, TableOptions};
use crate::tree::levels::LogMark;
use crate::tree::table_files::TableFiles;
use crate::wal::{FREE_SEGMENTS_MAX, FreeSegment, Segment, Spares, Stage, Wal, Writer};

/// A database ready to serve.
pub(crate) struct Recovered {
    pub(crate) directory: Directory,
    pub(crate) table_files: Arc<TableFiles>,
    pub(crate) state: State,
    pub(crate) manifest: Manifest,
    pub(crate) tables: BTreeMap<FileId, Arc<Table>>,
    pub(crate) wal: Arc<Wal>,
    pub(crate) writer: Writer,
    /// Bytes of log that were replayed.
    pub(crate) replayed_bytes: u64,
    /// The segments of the old log, still open, also those that are removed.
    pub(crate) old_segments: Vec<Segment>,
}

/// Opens the database in `dir`, whose lock is held.
pub(crate) async fn recover(
    local: &Local,
    cores: &Cores,
    dir: &Dir,
    options: &Options,
    cache: Arc<BlockCache>,
) -> Result<Recovered> {
    let entries = local.io().list(dir)?;
    check_numbers(dir, &entries)?;
    // A directory takes a name as well, and is left alone.
    let names: Vec<FileKind> = entries.iter().filter_map(|entry| FileKind::named(&entry.name)).collect();
    let directory = Directory::new(dir.clone(), first_free(&names));
    // Nothing is built upon what the power can still take away.
    directory.sync_found(local).await?;
    let (manifest_id, mut state) = find_state(local, &directory, &entries, options).await?;
    // A manifest alone is no database: an opening that made the first one and then failed can be repeated. Under
    // the lock, so nobody makes one in between.
    if options.error_if_exists && state.generation != Generation::NONE {
        return Err(Error::Exists { dir: dir.path().to_path_buf() });
    }
    // Files with these numbers are gone, and their names are not used again.
    directory.skip_to(state.next_file);
    let mut kinds: Vec<FileKind> = entries.iter().filter_map(FileKind::of).collect();
    if !names.contains(&FileKind::Manifest(manifest_id)) {
        // Just made, to mark the directory: it goes with the others, or it would pass for the state
        // should the one to come be damaged.
        kinds.push(FileKind::Manifest(manifest_id));
    }
    let table_files = Arc::new(table_files(&directory, cache, options));
    let mut tables = open_tables(cores, &table_files, &state).await?;
    let segments = read_segments(local, &directory, &kinds).await?;
    let replay = Replay::new((local, cores), &table_files, &mut state, &mut tables, options);
    let replayed = replay.run(&segments, &kinds).await?;
    let generation = match state.generation {
        old if planted!(GenerationReused) && old != Generation::NONE => old,
        _ => Generation(local.io().random() | 1),
    };
    let start = LogMark { lsn: replayed.end.lsn.sector_ceil(), seqno: replayed.end.seqno };
    let log = (generation, start);
    let begun = begin_log(local, &directory, &state, &segments, log, options).await;
    if begun.is_err() {
        replayed.tables.remove(local, &directory).await;
    }
    let (wal, first, free) = begun?;
    let needed =
        segments.iter().filter(|segment| state.is_of_log(segment.header.generation)).cloned().collect();
    state.begin_log(generation, start);
    state.next_file = directory.next_id();
    let manifest = Manifest::create(local, &directory, manifest_id.next(), &state).await?;
    let segment_len = options.wal_segment_size_bytes;
    let free = keep_free_segments(local, &directory, free, needed, segment_len)?;
    let kept: HashSet<FileKind> =
        free.iter().map(FreeSegment::kind).chain([FileKind::Segment(first.id)]).collect();
    remove_leftovers(local, &directory, &kinds, &state, &kept).await?;
    let spares = Spares::new(directory.clone(), segment_len, free);
    let writer = Writer::new(Arc::clone(&wal), first, spares);
    let old_segments = segments;
    Ok(Recovered {
        directory,
        table_files,
        state,
        manifest,
        tables,
        wal,
        writer,
        replayed_bytes: replayed.bytes,
        old_segments,
    })
}

fn table_files(directory: &Directory, cache: Arc<BlockCache>, options: &Options) -> TableFiles {
    let table_options = TableOptions {
        block_size_bytes: options.tree.block_size_bytes,
        filter_bits_per_key: options.tree.filter_bits_per_key as usize,
    };
    TableFiles::new(directory.clone(), cache, table_options).read_directly(options.direct_reads)
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
) -> Result<(FileId, State)> {
    let manifest_id = |kind| if let FileKind::Manifest(id) = kind { Some(id) } else { None };
    let kinds = entries.iter().filter_map(FileKind::of);
    let mut found: Vec<FileId> = kinds.filter_map(manifest_id).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    let taken = entries.iter().filter_map(|entry| FileKind::named(&entry.name)).filter_map(manifest_id);
    let highest = taken.filter(|id| *id <= FileId::MAX).max().unwrap_or_default();
    for id in &found {
        if let Some(state) = manifest::read(local, directory, *id).await? {
            if *id != found[0] {
                reached!("open: an unfinished manifest was passed over");
            }
            return Ok((highest, state));
        }
    }
    let is_manifest = |entry: &Entry| FileKind::of(entry).is_some_and(FileKind::is_manifest);
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
    let id = highest.next();
    let state = State::new(local.io().random());
    // A manifest without a log marks the directory as ours before anything else is made in it.
    drop(Manifest::create(local, directory, id, &state).await?);
    Ok((id, state))
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

/// Makes the stage and the first segment of a new log; nothing of the old log is touched.
async fn begin_log(
    local: &Local,
    directory: &Directory,
    state: &State,
    segments: &[Segment],
    (generation, start): (Generation, LogMark),
    options: &Options,
) -> Result<(Arc<Wal>, Segment, Vec<FreeSegment>)> {
    let stage = Stage::create(local, directory, options, generation, start.lsn).await?;
    let len_max = options.wal_segment_size_bytes;
    let mut free = Vec::new();
    for segment in segments {
        // What the state's log has is left alone until the commit: it may have to be read again, or be there to show
        // that the log once began.
        if !state.is_of_log(segment.header.generation) {
            free.extend(FreeSegment::leftover(local, directory, segment, len_max)?);
        }
    }
    let segment = match free.pop() {
        Some(segment) => segment,
        None => {
            let len = SEGMENT_SIZE_MIN.min(len_max);
            let (segment, _) = FreeSegment::create(local, directory, len, |_| true).await?;
            local.sync(segment.file()).await?;
            segment
        }
    };
    let first = segment.begin((generation, stage.id()), start.lsn, start.lsn);
    first.write_header(local).await?;
    directory.sync(local).await?;
    let reused = u64::from(planted!(SeqnoReused));
    let wal = Arc::new(Wal::new(generation, stage, start.lsn, start.seqno.saturating_sub(reused)));
    Ok((wal, first, free))
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
    state: &State,
    kept_segments: &HashSet<FileKind>,
) -> Result<()> {
    let live: HashSet<FileId> = state.tables().map(|table| table.id).collect();
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

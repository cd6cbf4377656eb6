//! Opening and closing.

use std::io;
use std::path::Path;
use std::pin::Pin;

use super::background::{fail_writes_on_exit, tick_forever};
use super::commit::{Committer, Requests, commit_edits};
use super::compaction::compact_forever;
use super::environment::Environment;
use super::flushing::flush_forever;
use super::read::BlockReader;
use super::readers::Readers;
use super::reads::ReadTurns;
use super::slowdown::Waits;
use super::snapshots::Snapshots;
use super::trees::Trees;
use super::turns::Turns;
use super::{Counters, Engine};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::MemtableId;
use crate::base::keyspace::KeyspaceId;
use crate::base::options::{IoBackend, Options};
use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::base::sync::{Arc, Mutex};
use crate::engine::recovery::recover;
use crate::engine::visible::Visible;
use crate::exec::{Cores, Event, Local, Reply, block_on};
use crate::files::{FileKind, is_foreign};
use crate::io::{Dir, Entry, Io, Lock, Process, probe};
use crate::memtable::{Memtable, Pool};
use crate::tree::Tree;
use crate::tree::records::TreeRecords;
use crate::tree::view::{Files, View};
use crate::wal::{Segment, write_log};

/// Tables that are not needed any more are kept to be written anew, as long as so many partitions of the usual size at most.
const SPARE_PARTITIONS: u64 = 4;

/// A running engine; stops its cores when dropped.
pub(crate) struct Handle(pub(crate) Arc<Engine>);

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.0.process.is_current() {
            // A child: no core is there to be stopped, and what is open is its parent's. One more
            // owner, who never lets go, and nothing is freed.
            std::mem::forget(Arc::clone(&self.0));
            return;
        }
        self.0.closed.store(true, Ordering::Release);
        self.0.refuse_writes(Error::Closed);
        self.0.stop_threads();
    }
}

impl Handle {
    /// Flushes everything, brings the log to the device and stops. Later calls get
    /// [`Error::Closed`].
    pub(crate) async fn close(&self) -> Result<()> {
        let engine = &self.0;
        engine.process.check()?;
        if engine.closed.swap(true, Ordering::AcqRel) {
            return Err(Error::Closed);
        }
        let settled = match engine.flush_memtables().await {
            Ok(()) => engine.wal.wait_durable(engine.wal.head_lsn(), false).await,
            Err(error) => Err(error),
        };
        // Waited for in the parent, and polled again in a child.
        engine.process.check()?;
        match &settled {
            Ok(()) => reached!("close: settled"),
            Err(_) => reached!("close: could not settle"),
        }
        engine.refuse_writes(Error::Closed);
        // Who has not seen that is under the commit lock, and out of it before the lock goes: what they
        // append, the next opening finds.
        drop(engine.wal.lock());
        // Nor may a caller's write be on its way when another process has the directory.
        engine.wal.wait_for_leader().await;
        engine.stop_threads();
        settled
    }
}

impl Engine {
    /// Once it is closed: ends the cores, and the thread beside them. What is kept to be written anew goes before that, while
    /// the directory is locked.
    fn stop_threads(&self) {
        self.directory.remove_spare_tables(&*self.io);
        self.cores.stop();
        self.trees.default_tree().files.cache().stop();
    }
}

/// Opens a database on cores with threads of their own.
pub(crate) fn open(dir: &Path, options: Options) -> Result<Handle> {
    let io = probe_for(&options)?;
    let (dir, lock, count) = prepare(&io, dir, &options)?;
    let cores = on_cores(&io, &options, |io| Cores::start(io, count, &lock))?;
    drop(lock);
    block_on(start(&Arc::new(cores), dir, options, Environment::HOST))?
}

/// The machine that the options ask for. What is wrong with them comes before what is with it.
pub(super) fn probe_for(options: &Options) -> Result<Arc<dyn Io>> {
    options.validate()?;
    probe::choose(options.io_backend)
}

/// Starts the cores. Each has a ring of its own, which may be more rings than the system grants although it
/// has granted one: then, if the choice is free, all go on without.
pub(super) fn on_cores<C>(
    io: &Arc<dyn Io>,
    options: &Options,
    start: impl Fn(&Arc<dyn Io>) -> Result<C>,
) -> Result<C> {
    match start(io) {
        Err(Error::RingDenied { cause, remedy }) if options.io_backend == IoBackend::Auto => {
            start(&probe::without_rings(cause, &remedy))
        }
        started => started,
    }
}

/// Checks the options and the directory, and takes the lock; returns the directory, which is named
/// by its path here and never again, the lock, and the number of cores.
pub(super) fn prepare(io: &Arc<dyn Io>, path: &Path, options: &Options) -> Result<(Dir, Lock, usize)> {
    options.validate()?;
    if path.as_os_str().is_empty() {
        let why = "the path is empty (`.` is the current directory)";
        return Err(Error::io(
            "open directory",
            path,
            None,
            io::Error::new(io::ErrorKind::InvalidInput, why),
        ));
    }
    let missing = || Error::Missing { dir: path.to_path_buf() };
    let dir = match io.open_dir(path)? {
        Some(dir) => dir,
        None if !options.create_if_missing => return Err(missing()),
        None => io.create_dir(path)?,
    };
    let entries = io.list(&dir)?;
    let is_ours = |entry: &Entry| FileKind::of(entry).is_some_and(FileKind::is_manifest);
    if !entries.iter().any(is_ours) {
        if let Some(found) = entries.iter().find(|entry| is_foreign(entry)) {
            return Err(Error::NotADatabase { dir: path.to_path_buf(), found: found.name.clone() });
        }
        if !options.create_if_missing {
            return Err(missing());
        }
    }
    let lock = io.lock(&dir, &FileKind::Lock.name())?;
    let count = if options.cores == 0 { io.parallelism().min(4) + 1 } else { options.cores };
    Ok((dir, lock, count))
}

pub(super) fn start(
    cores: &Arc<Cores>,
    dir: Dir,
    options: Options,
    environment: Environment,
) -> Reply<Result<Handle>> {
    let shared = Arc::clone(cores);
    cores.run(0, move |local| async move { assemble(local, shared, &dir, options, environment).await })
}

/// Recovers, and starts the tasks.
async fn assemble(
    local: Local,
    cores: Arc<Cores>,
    dir: &Dir,
    options: Options,
    environment: Environment,
) -> Result<Handle> {
    let cache_size = usize::try_from(options.cache_size_bytes).unwrap_or(usize::MAX);
    let cache = (environment.cache)(cache_size, local.io());
    let recovered = recover(&local, &cores, dir, &options, Arc::new(cache)).await?;
    let spare_bytes = options.tree.partition_size_bytes.saturating_mul(SPARE_PARTITIONS);
    recovered.directory.keep_spare_tables(spare_bytes);
    let start = recovered.state.log_start();
    let memtables = 1 + options.tree.max_frozen_memtables;
    let pool = Arc::new(Pool::new(options.tree.memtable_size_bytes, memtables));
    let snapshots = Arc::<Snapshots>::default();
    let view = View {
        memtable: Arc::new(Memtable::new(&pool, MemtableId::FIRST, start.lsn, start.seqno)),
        frozen: Vec::new(),
        files: Arc::new(Files::of(&recovered.state.trees[&KeyspaceId::DEFAULT], &recovered.tables)),
        records: TreeRecords::new(recovered.table_files.cache(), KeyspaceId::DEFAULT),
    };
    let published = (environment.publish)(view);
    let tree = Tree::new(KeyspaceId::DEFAULT, options.tree.clone(), recovered.table_files, published);
    let io = Arc::clone(local.io());
    let work = Arc::<Event>::default();
    let engine = Arc::new(Engine {
        blocks: Arc::new(BlockReader::new(Arc::clone(&io), &tree, &work)),
        read_turns: ReadTurns::default(),
        process: Process::current(),
        options,
        io: Arc::clone(&io),
        cores,
        directory: recovered.directory,
        wal: recovered.wal,
        trees: Trees::new(tree),
        visible: Visible::new(start.seqno),
        readers: Arc::new(Readers::new(Arc::clone(&snapshots), environment.on_one_thread)),
        snapshots,
        requests: Requests::default(),
        work,
        flush_turns: Turns::default(),
        compaction_turns: Turns::default(),
        idle: AtomicBool::new(false),
        background_error: Mutex::default(),
        closed: AtomicBool::new(false),
        waits: Waits::default(),
        counters: Counters::default(),
    });
    engine.counters.replayed_bytes.add(recovered.replayed_bytes);
    let start =
        |task: Pin<Box<dyn Future<Output = ()>>>| local.spawn(fail_writes_on_exit(Arc::clone(&engine), task));
    start(Box::pin(write_log(local.clone(), recovered.writer)));
    let committer = Committer {
        manifest: recovered.manifest,
        manifest_len_max: environment.manifest_len_max,
        state: recovered.state,
        tables: recovered.tables,
        retired_tables: Vec::new(),
        retired_memtables: Vec::new(),
    };
    start(Box::pin(commit_edits(local.clone(), Arc::clone(&engine), committer)));
    start(Box::pin(tick_forever(local.clone(), Arc::clone(&engine))));
    start_jobs(&engine);
    close_segments(&engine, recovered.old_segments);
    Ok(Handle(engine))
}

/// Closes the segments of the old log, on the last core. Of those that are removed that frees the space: a while for each.
fn close_segments(engine: &Engine, segments: Vec<Segment>) {
    engine.cores.spawn(engine.cores.count() - 1, |local| async move {
        for segment in segments {
            drop(segment);
            local.yield_if_due().await;
        }
    });
}

/// The flushing task on the first core, beside the log; a compacting task on each of the others, if there are any.
fn start_jobs(engine: &Arc<Engine>) {
    let count = engine.cores.count();
    let flushing = Arc::clone(engine);
    engine
        .cores
        .spawn(0, move |local| fail_writes_on_exit(Arc::clone(&flushing), flush_forever(local, flushing)));
    for core in usize::from(count > 1)..count {
        let compacting = Arc::clone(engine);
        engine.cores.spawn(core, move |local| {
            fail_writes_on_exit(Arc::clone(&compacting), compact_forever(local, compacting))
        });
    }
}

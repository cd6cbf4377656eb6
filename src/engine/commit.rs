//! Committing edits: one task owns the manifest, the durable state and the open tables.
//!
//! Jobs send their edits here. Each is appended and synced, then applied, then published as a new
//! view; only then does the job hear of it. Files that no view names any more are removed once the
//! last reader that had them is gone.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::Engine;
use super::state::{Edit, State};
use crate::base::coverage::reached;
use crate::base::error::Result;
use crate::base::ids::{FileId, MemtableId};
use crate::base::keyspace::KeyspaceId;
use crate::base::planted::planted;
use crate::base::sync::{Arc, Mutex, lock};
use crate::engine::manifest::Manifest;
use crate::exec::{Event, Local, Promise, reply};
use crate::files::FileKind;
use crate::memtable::Memtable;
use crate::table::Table;
use crate::tree::Tree;
use crate::tree::levels::Change;
use crate::tree::view::{Files, View};

/// An edit on its way.
struct Request {
    edit: Edit,
    /// The tables that the edit adds.
    opened: Vec<Arc<Table>>,
    /// The frozen memtable that the edit makes superfluous.
    flushed: Option<MemtableId>,
    done: Promise<Result<()>>,
}

/// Edits to be committed.
#[derive(Default)]
pub(crate) struct Requests {
    queue: Mutex<VecDeque<Request>>,
    arrived: Event,
}

impl Requests {
    /// Lets the committer look for files to remove.
    pub(super) fn nudge(&self) {
        self.arrived.notify();
    }
}

impl Engine {
    /// Commits a change of a tree: when this returns, it is durable and readers see it.
    pub(super) async fn commit(
        &self,
        keyspace: KeyspaceId,
        change: Change,
        opened: Vec<Arc<Table>>,
        flushed: Option<MemtableId>,
    ) -> Result<()> {
        let edit = Edit { keyspace, next_file: self.directory.next_id(), change };
        let (done, answer) = reply();
        lock(&self.requests.queue).push_back(Request { edit, opened, flushed, done });
        self.requests.arrived.notify();
        answer.await?
    }
}

/// What the committing task owns.
pub(super) struct Committer {
    pub(super) manifest: Manifest,
    pub(super) manifest_len_max: u64,
    pub(super) state: State,
    pub(super) tables: BTreeMap<FileId, Arc<Table>>,
    /// Tables and memtables that no view will name again, kept here until the last reader that
    /// pinned one that did is gone: freeing them is work for a core, not for that reader.
    pub(super) retired_tables: Vec<Arc<Table>>,
    pub(super) retired_memtables: Vec<Arc<Memtable>>,
}

impl Committer {
    async fn commit(&mut self, local: &Local, engine: &Engine, request: Request) -> Result<()> {
        let mut state = self.state.clone();
        state.apply(&request.edit).expect("a job's edit fits the state it was planned on");
        if planted!(TableRewrittenTooEarly) {
            self.keep_superseded(local, engine, &state).await;
        }
        let appended = self.append(local, engine, &request.edit, &state).await;
        if let Err(error) = appended {
            if error.is_shortage() {
                reached!("commit: no space for an edit");
                // The job will make its files again; these would only take up more space.
                self.retired_tables.extend(request.opened);
            } else {
                reached!("commit: the manifest failed");
                tracing::error!(%error, "the manifest failed: writes are refused from now on");
                engine.refuse_writes(error.clone());
            }
            request.done.fulfil(Err(error.clone()));
            return Err(error);
        }
        self.state = state;
        self.tables.extend(request.opened.into_iter().map(|table| (table.id(), table)));
        if planted!(TableRewrittenWhileRead) {
            self.keep_superseded(local, engine, &self.state).await;
        }
        self.retire();
        self.publish(local, engine, request.edit.keyspace, request.flushed).await;
        let needed =
            if planted!(LogReleasedEarly) { engine.wal.head_lsn() } else { self.state.log_start().lsn };
        engine.wal.release(needed);
        engine.work.notify();
        request.done.fulfil(Ok(()));
        Ok(())
    }

    /// For planted bugs: tables that `state` does not name may be written anew, whoever reads or names them.
    async fn keep_superseded(&self, local: &Local, engine: &Engine, state: &State) {
        let live: HashSet<FileId> = state.tables().map(|table| table.id).collect();
        for table in self.tables.values().filter(|table| !live.contains(&table.id())) {
            engine.directory.keep_or_discard(local, table.id(), table.file_len()).await;
        }
    }

    async fn append(&mut self, local: &Local, engine: &Engine, edit: &Edit, state: &State) -> Result<()> {
        if !self.manifest.is_full_for(self.manifest_len_max, edit) {
            return self.manifest.append(local, edit).await;
        }
        let id = self.manifest.id().next();
        let next = Manifest::create(local, &engine.directory, id, state).await?;
        reached!("commit: the manifest was rotated");
        let old = std::mem::replace(&mut self.manifest, next);
        // The new one counts, whatever becomes of the old one.
        if planted!(RemovalFailureFails) {
            return engine.directory.remove(local, FileKind::Manifest(old.id())).await;
        }
        engine.directory.discard(local, FileKind::Manifest(old.id())).await;
        Ok(())
    }

    async fn publish(
        &mut self,
        local: &Local,
        engine: &Engine,
        keyspace: KeyspaceId,
        flushed: Option<MemtableId>,
    ) {
        let tree: &Tree = engine.trees.get(keyspace).expect("an edit is of an open tree");
        let files = Arc::new(Files::of(&self.state.trees[&keyspace], &self.tables));
        let before = tree.view();
        let memtable = before.frozen.iter().find(|memtable| Some(memtable.id()) == flushed);
        let records = match memtable {
            Some(memtable) => before.records.renewed(local, memtable).await,
            None => before.records.clone(),
        };
        let retired = &mut self.retired_memtables;
        let view = tree.published.update(|old| {
            let (gone, frozen): (Vec<_>, Vec<_>) =
                old.frozen.iter().cloned().partition(|memtable| Some(memtable.id()) == flushed);
            retired.extend(gone);
            View { memtable: Arc::clone(&old.memtable), frozen, files, records }
        });
        tree.set_throttle(&view);
    }

    /// Gives up the tables that the state does not name any more.
    fn retire(&mut self) {
        let live: HashSet<FileId> = self.state.tables().map(|table| table.id).collect();
        let retired = &mut self.retired_tables;
        self.tables.retain(|id, table| {
            let lives = live.contains(id);
            if !lives {
                retired.push(Arc::clone(table));
            }
            lives
        });
    }

    /// Frees retired memtables and tables once nobody reads them any more. The tables' files are kept to be written anew, or
    /// removed.
    async fn delete_obsolete(&mut self, local: &Local, engine: &Engine) {
        engine.directory.discard_again(local).await;
        if self.retired_tables.is_empty() && self.retired_memtables.is_empty() {
            return;
        }
        engine.trees.iter().for_each(|tree| tree.published.push_retired());
        for memtable in take_unread(&mut self.retired_memtables) {
            drop(memtable);
            local.yield_if_due().await;
        }
        for mut table in take_unread(&mut self.retired_tables) {
            let (id, len) = (table.id(), table.file_len());
            reached!("commit: a table that nobody reads is removed");
            while table.free_some_blocks(FREED_AT_ONCE) {
                local.yield_if_due().await;
            }
            drop(table);
            local.yield_if_due().await;
            engine.directory.keep_or_discard(local, id, len).await;
        }
    }
}

/// So many blocks are freed without a pause: some ten microseconds.
const FREED_AT_ONCE: usize = 128;

/// Takes out what has no other owner.
fn take_unread<T>(retired: &mut Vec<Arc<T>>) -> Vec<T> {
    let mut unread = Vec::new();
    for shared in std::mem::take(retired) {
        match Arc::try_unwrap(shared) {
            Ok(owned) => unread.push(owned),
            Err(shared) => {
                reached!("commit: something retired is still read");
                retired.push(shared);
            }
        }
    }
    unread
}

/// The committing task. Runs until the core stops.
pub(super) async fn commit_edits(local: Local, engine: Arc<Engine>, mut committer: Committer) {
    loop {
        let arrived = engine.requests.arrived.listen();
        let request = lock(&engine.requests.queue).pop_front();
        match request {
            None => {
                committer.delete_obsolete(&local, &engine).await;
                arrived.await;
            }
            Some(request) => {
                if let Err(error) = engine.wal.check_failed() {
                    reached!("commit: refused after a failure");
                    request.done.fulfil(Err(error));
                    continue;
                }
                // The requester hears of a failure, and so does everyone who writes.
                let _told = committer.commit(&local, &engine, request).await;
            }
        }
    }
}

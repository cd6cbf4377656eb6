//! Looking up several keys together: what one waits for in memory, another one uses.
//!
//! A lookup by itself is a chain: the line of an index, the node it names, the version behind that; a filter, the table's
//! index, the block. Here each step is taken for all keys of a chunk before the next one, with what the next one will
//! look at on its way. Blocks that are not in memory are gathered over all keys, each once, and read together by whoever
//! drives this. As with a [lookup](super::lookup) nobody waits with the epoch pinned; but all keys are read at one seqno,
//! so the driver keeps the view until the end, and a key goes on at the file at which it stopped.

use std::collections::BTreeMap;

use super::lookup::{Sought, find_in_block, tables_for};
use super::view::View;
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::ids::FileId;
use crate::base::key::{SeqNo, Tag, key_hash};
use crate::base::planted::planted;
use crate::base::sync::Arc;
use crate::base::sync::epoch::Guard;
use crate::base::value::Value;
use crate::base::visibility::is_value;
use crate::cursor::NeedsBlock;
use crate::table::{Block, Table};

/// How many keys take a step together: about as many as a core has lines on their way at once.
const KEYS_AT_ONCE: usize = 16;

/// What becomes of a key.
pub(crate) type Answer = Result<Option<Value>>;

/// What a lookup of several keys has still to do.
#[derive(Default)]
pub(crate) struct MultiLookup {
    /// Keys without an answer, with the file that comes next for each.
    open: Vec<OpenKey>,
    /// The blocks that they need, each once.
    needed: Vec<NeedsBlock>,
    /// Those that were needed before.
    read: Vec<Result<Arc<Block>>>,
    /// Where each of both is: those that are needed come behind those that were.
    numbers: BTreeMap<(FileId, usize), usize>,
}

/// A key without an answer.
#[derive(Clone, Copy, Default)]
struct OpenKey {
    /// Its place among the keys.
    at: usize,
    hash: u64,
    /// How many of the files that may hold it do not.
    passed: usize,
}

/// The keys, with the place for an answer of each. The same at each call.
pub(crate) struct Asked<'a, K> {
    pub(crate) keys: &'a [K],
    /// `Ok(None)` until there is another answer.
    pub(crate) answers: &'a mut [Answer],
    /// The seqno they are read at.
    pub(crate) reader: SeqNo,
}

impl<K: AsRef<[u8]>> Asked<'_, K> {
    fn key(&self, at: usize) -> &[u8] {
        self.keys[at].as_ref()
    }
}

impl MultiLookup {
    /// Looks all keys up, as far as that goes without reading.
    pub(crate) fn begin<K: AsRef<[u8]>>(view: &View, asked: &mut Asked<'_, K>, guard: &Guard) -> Self {
        let mut lookup = Self::default();
        for start in (0..asked.keys.len()).step_by(KEYS_AT_ONCE) {
            let count = KEYS_AT_ONCE.min(asked.keys.len() - start);
            let mut open = [OpenKey::default(); KEYS_AT_ONCE];
            for (index, open) in open[..count].iter_mut().enumerate() {
                *open = OpenKey { at: start + index, hash: key_hash(asked.key(start + index)), passed: 0 };
            }
            let left = look_in_memtables(view, asked, &mut open[..count]);
            let left = look_in_records(view, asked, &mut open[..left], guard);
            if left > 0 {
                lookup.look_in_files(view, asked, &open[..left], guard);
            }
        }
        lookup
    }

    /// Whether all keys have their answers.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// The blocks to be read, each once.
    pub(crate) fn needed(&self) -> &[NeedsBlock] {
        &self.needed
    }

    /// Takes the blocks that are [needed](Self::needed), in that order, or why they cannot be read.
    pub(crate) fn supply(&mut self, blocks: impl IntoIterator<Item = Result<Arc<Block>>>) {
        self.read.extend(blocks);
        self.needed.clear();
        assert_eq!(self.read.len(), self.numbers.len(), "each block that was needed has come");
    }

    /// Goes on with the blocks that were supplied. The view and what is asked are those of the beginning.
    pub(crate) fn go_on<K: AsRef<[u8]>>(&mut self, view: &View, asked: &mut Asked<'_, K>, guard: &Guard) {
        for open in std::mem::take(&mut self.open).chunks(KEYS_AT_ONCE) {
            self.look_in_files(view, asked, open, guard);
        }
    }

    /// Looks a chunk of keys up in files. Those that need a block are left open.
    fn look_in_files<K: AsRef<[u8]>>(
        &mut self,
        view: &View,
        asked: &mut Asked<'_, K>,
        open: &[OpenKey],
        guard: &Guard,
    ) {
        let mut tables = Vec::with_capacity(4 * KEYS_AT_ONCE);
        let mut searches = Vec::with_capacity(open.len());
        for key in open {
            let first = tables.len();
            for table in tables_for(&view.files, asked.key(key.at)).skip(key.passed) {
                table.prefetch_filter(key.hash);
                tables.push(table);
            }
            searches.push(Search { key: *key, first, next: first, end: tables.len(), block_no: None });
        }
        let (mut places, mut left) = (Vec::with_capacity(open.len()), Vec::new());
        loop {
            searches.retain_mut(|search| search.skip_by_filters(&tables));
            if searches.is_empty() {
                break;
            }
            for search in &mut searches {
                let table = tables[search.next];
                let part =
                    |number| self.read_block(table, number).or_else(|| table.cached_block(number, guard));
                search.block_no = table.find_block(asked.key(search.key.at), part).unwrap_or_else(Some);
            }
            for search in &searches {
                let place = self.place_of(search, tables[search.next], guard);
                if let Place::InMemory(block) = &place {
                    block.prefetch();
                }
                places.push(place);
            }
            let mut places = places.drain(..);
            searches.retain_mut(|search| {
                let place = places.next().expect("there is one for each search");
                search.goes_on_after(place, view, asked, &mut left)
            });
        }
        left.into_iter().for_each(|search| self.leave_open(search, &tables));
    }

    /// A block that was read.
    fn read_block(&self, table: &Table, block_no: usize) -> Option<&Block> {
        self.read.get(*self.numbers.get(&(table.id(), block_no))?)?.as_deref().ok()
    }

    /// Where the block is in which a search has come to look, or the part of an index that it needs before.
    fn place_of<'a>(&'a self, search: &Search, table: &'a Table, guard: &'a Guard) -> Place<'a> {
        let Some(block_no) = search.block_no else { return Place::Nowhere };
        match self.numbers.get(&(table.id(), block_no)).map(|number| self.read.get(*number)) {
            Some(Some(Ok(block))) => Place::InMemory(block),
            Some(Some(Err(error))) => Place::Unreadable(error),
            Some(None) => Place::OnDevice,
            None if table.is_index_part(block_no) => Place::OnDevice,
            None => table.cached_block(block_no, guard).map_or(Place::OnDevice, Place::InMemory),
        }
    }

    fn leave_open(&mut self, search: Search, tables: &[&Arc<Table>]) {
        let (table, block_no) = (tables[search.next], search.block_no.expect("it waits for a block"));
        let number = self.read.len() + self.needed.len();
        self.numbers.entry((table.id(), block_no)).or_insert_with(|| {
            self.needed.push(NeedsBlock::alone(table, block_no));
            number
        });
        let skipped = usize::from(planted!(WaitedForSkipped));
        self.open
            .push(OpenKey { passed: search.key.passed + search.next - search.first + skipped, ..search.key });
    }
}

/// Where a block is.
enum Place<'a> {
    InMemory(&'a Block),
    OnDevice,
    Unreadable(&'a Error),
    /// The file has none that may hold the key.
    Nowhere,
}

/// A key on its way through the files that may hold it.
struct Search {
    key: OpenKey,
    /// Where its files begin, where it has come to, and where they end.
    first: usize,
    next: usize,
    end: usize,
    /// The block to look into, or the part of the index that tells which.
    block_no: Option<usize>,
}

impl Search {
    /// Goes on to a file that may hold the key; `false` if there is none.
    fn skip_by_filters(&mut self, tables: &[&Arc<Table>]) -> bool {
        while self.next < self.end && !tables[self.next].may_contain(self.key.hash) {
            reached!("multi_get: a filter spared a block");
            self.next += 1;
        }
        self.next < self.end
    }

    /// Looks into the block. `false` once the search is over, or put off until its block is there.
    fn goes_on_after<K: AsRef<[u8]>>(
        &mut self,
        place: Place<'_>,
        view: &View,
        asked: &mut Asked<'_, K>,
        left: &mut Vec<Self>,
    ) -> bool {
        let at = self.key.at;
        match place {
            Place::InMemory(block) => {
                let (key, hash, reader) = (asked.key(at), self.key.hash, asked.reader);
                if let Some(found) = find_in_block(block, key, reader) {
                    if let Some(found) = found
                        && view.records.is_turn(key.len() + found.1.len())
                    {
                        Sought { view, key, hash, reader }.make_record(found);
                    }
                    asked.answers[at] = Ok(found.map(|(_, value)| Value::copy_of(value)));
                    return false;
                }
            }
            Place::OnDevice => {
                left.push(Self { ..*self });
                return false;
            }
            Place::Unreadable(error) => {
                asked.answers[at] = Err(error.clone());
                return false;
            }
            Place::Nowhere => {}
        }
        self.next += 1;
        true
    }
}

/// Looks a chunk of keys up in L0 and L1. Moves those without an answer to the front; how many they are.
fn look_in_memtables<K: AsRef<[u8]>>(view: &View, asked: &mut Asked<'_, K>, open: &mut [OpenKey]) -> usize {
    let mut left = open.len();
    for memtable in std::iter::once(&view.memtable).chain(&view.frozen).filter(|one| !one.is_empty()) {
        let open = &mut open[..left];
        open.iter().for_each(|key| memtable.prefetch(key.hash));
        open.iter().for_each(|key| memtable.prefetch_node(key.hash));
        open.iter().for_each(|key| memtable.prefetch_version(key.hash));
        left = 0;
        for index in 0..open.len() {
            let key = open[index];
            let found = |tag: Tag, value: &[u8]| is_value(tag).then(|| Value::copy_of(value));
            match memtable.get(asked.key(key.at), key.hash, asked.reader, found) {
                Some(found) => asked.answers[key.at] = Ok(found),
                None => {
                    open[left] = key;
                    left += 1;
                }
            }
        }
    }
    left
}

/// Looks up the records of a chunk of keys. Moves those without an answer to the front; how many they are.
fn look_in_records<K: AsRef<[u8]>>(
    view: &View,
    asked: &mut Asked<'_, K>,
    open: &mut [OpenKey],
    guard: &Guard,
) -> usize {
    let mut lines = [None; KEYS_AT_ONCE];
    lines.iter_mut().zip(&*open).for_each(|(line, key)| *line = view.records.line(key.hash));
    let mut left = 0;
    for index in 0..open.len() {
        let key = open[index];
        let find = |line| view.records.find(line, (asked.key(key.at), key.hash), asked.reader, guard);
        match lines[index].and_then(find) {
            Some(record) => asked.answers[key.at] = Ok(Some(Value::copy_of(record.value()))),
            None => {
                open[left] = key;
                left += 1;
            }
        }
    }
    left
}

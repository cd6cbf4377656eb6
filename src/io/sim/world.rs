//! The world: a disk, a clock and a seed, shared by all processes that ever run in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::task::Waker;
use std::time::Duration;

use super::counts::Counts;
use super::crash::Survival;
use super::faults::Faults;
use super::lies::Lie;
use super::state::State;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Arc, Mutex, MutexGuard, lock};

/// Handle to a simulated machine. Clones are the same machine.
///
/// Everything it decides, it draws from its seed: the same calls under the same seed give the same
/// results, to the byte.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    id: u64,
    state: Mutex<State>,
}

thread_local! {
    /// What runs in the middle of reads of this thread, by the number of the world.
    static READ_HOOKS: RefCell<BTreeMap<u64, ReadHook>> = const { RefCell::new(BTreeMap::new()) };
}

/// What runs in the middle of reads.
type ReadHook = Box<dyn FnMut()>;

impl World {
    /// A machine with an empty disk without bounds.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        // Relaxed: the number only has to be unique.
        let id = WORLDS.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Shared { id, state: Mutex::new(State::new(seed, faults)) }))
    }

    /// What runs in the middle of each read that a caller makes on this thread: usually a few steps
    /// of the cores, which is how they run beside a reader. Not called while it runs. `None` ends it.
    pub fn set_read_hook(&self, hook: Option<Box<dyn FnMut()>>) {
        // The old one is dropped outside of the borrow: it may hold a database that reads in its drop.
        let _old = match hook {
            Some(hook) => READ_HOOKS.with_borrow_mut(|all| all.insert(self.0.id, hook)),
            None => READ_HOOKS.with_borrow_mut(|all| all.remove(&self.0.id)),
        };
    }

    /// Runs the read hook of this thread, unless it runs already.
    pub(super) fn run_read_hook(&self) {
        let Some(mut hook) = READ_HOOKS.with_borrow_mut(|all| all.remove(&self.0.id)) else { return };
        hook();
        READ_HOOKS.with_borrow_mut(|all| {
            all.entry(self.0.id).or_insert(hook);
        });
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().now
    }

    /// When something will happen by itself: the earliest completion, or deadline of a core that
    /// found nothing to do at its last step. `None` if nothing ever will.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        self.state().next_event()
    }

    /// Lets time pass; it never goes back.
    pub fn advance(&self, to: Duration) {
        self.state().advance(to);
        self.wake_callers();
    }

    /// Wakes a caller when what it has in flight through its queue is due.
    pub(super) fn wake_when_due(&self, queue: u64, waker: Waker) {
        let mut state = self.state();
        let due = state.flights.values().find(|flight| flight.queue == queue).map(|flight| flight.due);
        // Nothing is in flight for a process that has ended.
        state.callers.extend(due.map(|due| (due, waker)));
    }

    /// Wakes the callers for whom it is time.
    pub(super) fn wake_callers(&self) {
        let mut state = self.state();
        let now = state.now;
        let due: Vec<_> = state.callers.extract_if(.., |(due, _)| *due <= now).collect();
        drop(state);
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// The process dies (kill -9): the kernel keeps all it was given. Of the operations in flight
    /// each takes effect, in part, or not. What the process held (files, the lock, the database and
    /// its cores) is dead: drop it, nothing it does reaches the disk any more.
    pub fn crash_process(&self) {
        self.state().crash(None);
    }

    /// The power goes, and the process with it: what is durable stays, of the rest what `survival`
    /// says.
    pub fn crash_power(&self, survival: Survival) {
        self.state().crash(Some(survival));
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Lets the disk tell a lie from now on, or none.
    pub fn set_lie(&self, lie: Option<Lie>) {
        self.state().liar.set(lie);
    }

    /// Ends all faults. What they have damaged stays damaged, the capacity stays as it is.
    pub fn heal(&self) {
        self.set_faults(Faults::default());
    }

    /// Sets the disk's capacity in bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().disk.set_capacity(bytes);
    }

    /// Sets whether the file system can reserve space for a file (`fallocate`). Most can.
    pub fn set_reserves(&self, reserves: bool) {
        self.state().disk.set_reserves(reserves);
    }

    /// Bytes taken on the disk.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().disk.used()
    }

    /// Flips a bit of a file for good; returns whether there is such a file and offset.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u8) -> bool {
        let mut state = self.state();
        let Ok(inode) = state.disk.find(path.as_ref()) else { return false };
        let order = state.disk.next_order();
        state.disk.file(inode).is_some_and(|contents| contents.flip(order, offset, bit))
    }

    /// Takes a file away for good, as a hand or another program does; returns whether there was one.
    pub fn remove(&self, path: impl AsRef<Path>) -> bool {
        let mut state = self.state();
        let path = path.as_ref();
        state.disk.find(path).is_ok() && state.disk.remove_for_good(path).is_ok()
    }

    /// Cuts a file off at `len` bytes for good, and ends its mapping: nobody may use that any more. Returns whether there is a longer one.
    pub fn shorten(&self, path: impl AsRef<Path>, len: u64) -> bool {
        let mut state = self.state();
        let Ok(inode) = state.disk.find(path.as_ref()) else { return false };
        let order = state.disk.next_order();
        match state.disk.file(inode) {
            Some(contents) if contents.len() > len => {
                contents.cut_off(order, len);
                true
            }
            _ => false,
        }
    }

    /// Makes a file `by` bytes longer for good, and ends its mapping; returns whether there is one.
    pub fn extend(&self, path: impl AsRef<Path>, by: u64) -> bool {
        let mut state = self.state();
        let Ok(inode) = state.disk.find(path.as_ref()) else { return false };
        let order = state.disk.next_order();
        state.disk.file(inode).is_some_and(|contents| {
            contents.cut_off(order, contents.len() + by);
            true
        })
    }

    /// Replaces what a file holds for good, and ends its mapping; returns whether there is one.
    pub fn replace(&self, path: impl AsRef<Path>, bytes: &[u8]) -> bool {
        let mut state = self.state();
        let Ok(inode) = state.disk.find(path.as_ref()) else { return false };
        let order = state.disk.next_order();
        state.disk.file(inode).is_some_and(|contents| {
            contents.cut_off(order, 0);
            contents.write(order, 0, bytes, true);
            true
        })
    }

    /// The names in a directory with the lengths of the files, sorted; empty if there is none.
    #[must_use]
    pub fn files(&self, dir: impl AsRef<Path>) -> Vec<(String, u64)> {
        let mut state = self.state();
        let dir = dir.as_ref();
        let names = state.disk.find(dir).and_then(|inode| state.disk.list(inode)).unwrap_or_default();
        let mut len_of = |name: &String| {
            let inode = state.disk.find(&dir.join(name)).ok();
            inode.and_then(|inode| state.disk.file(inode)).map_or(0, |contents| contents.len())
        };
        names.into_iter().map(|name| (len_of(&name), name)).map(|(len, name)| (name, len)).collect()
    }

    /// How many names in a directory begin so; none if there is no such directory.
    #[must_use]
    pub fn count_names(&self, dir: impl AsRef<Path>, beginning: &str) -> usize {
        let state = self.state();
        state.disk.find(dir.as_ref()).map_or(0, |inode| state.disk.count_names(inode, beginning))
    }

    /// What a file holds, as processes see it.
    #[must_use]
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let mut state = self.state();
        let inode = state.disk.find(path.as_ref()).ok()?;
        state.disk.file(inode).map(|contents| contents.read(0, usize::MAX >> 1))
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Keeps the newest `count` events for [`trace`](Self::trace); zero, the default, keeps none.
    pub fn keep_trace(&self, count: usize) {
        self.state().trace.keep(count);
    }

    /// The newest events, oldest first: time, operation, file, place, outcome.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.events()
    }

    /// Adds a line of the caller's to the trace and the digest.
    pub fn note(&self, what: &str) {
        let mut state = self.state();
        let now = state.now;
        state.trace.add(now, format_args!("{what}"));
    }

    /// A number that differs if anything that happened in the world did.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state().trace.digest()
    }

    /// The state. Never held while a file is dropped or a read hook runs: both come back here.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({} at {:?})", self.0.id, self.now())
    }
}

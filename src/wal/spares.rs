//! Spare segments: made ahead of the stream, recycled behind it.
//!
//! There is always one, if the device has room for it, and as many more as writers ask for. If making one
//! fails for want of space, descriptors or memory, writers that need more room than there is are refused, and
//! it is tried again every [`RETRY_INTERVAL`].

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::time::Duration;

use super::Wal;
use super::segment::{FreeSegment, Segment};
use crate::base::coverage::reached;
use crate::base::error::{Error, Result};
use crate::base::limits::{SECTOR, SEGMENT_SIZE_MIN};
use crate::base::planted::planted;
use crate::exec::Local;
use crate::files::Directory;

/// Released segments kept for reuse once nobody has written for a while; more than these are removed.
pub(crate) const FREE_SEGMENTS_MAX: usize = 4;

/// Most that are made with one sync.
const HURRIED_MAX: u64 = 4;

/// How often what failed for want of space or the like is tried again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The spares of one log. Its writer task owns them: one part of it makes them, another takes them.
pub(crate) struct Spares {
    directory: Directory,
    /// Largest length of a segment.
    len_max: u64,
    /// The largest last.
    free: RefCell<Vec<FreeSegment>>,
    /// One whose first use failed.
    tried: RefCell<Option<FreeSegment>>,
    /// Set after one could not be made: not tried again before this time.
    retry_at: Cell<Option<Duration>>,
    /// There was no time to fill the one made last.
    is_hurried: Cell<bool>,
}

impl Spares {
    /// Begins with these spares.
    pub(crate) fn new(directory: Directory, len_max: u64, mut free: Vec<FreeSegment>) -> Self {
        free.sort_by_key(FreeSegment::capacity);
        let (free, tried) = (RefCell::new(free), RefCell::default());
        Self { directory, len_max, free, tried, retry_at: Cell::default(), is_hurried: Cell::default() }
    }

    /// Bytes of the stream that they will hold.
    pub(super) fn capacity(&self) -> u64 {
        self.free.borrow().iter().map(FreeSegment::capacity).sum()
    }

    /// Takes the one to be used next.
    pub(super) fn take(&self) -> FreeSegment {
        let tried = self.tried.borrow_mut().take();
        let next = tried.or_else(|| self.free.borrow_mut().pop());
        next.expect("room is made before anything is staged")
    }

    /// One that was taken could not be used. It is the next again: its header may say already where it begins, and
    /// no other may begin there.
    pub(super) fn put_back(&self, segment: FreeSegment) {
        if planted!(SpareExchanged) {
            self.insert(segment);
        } else {
            *self.tried.borrow_mut() = Some(segment);
        }
    }

    fn insert(&self, segment: FreeSegment) {
        let mut free = self.free.borrow_mut();
        let at = free.partition_point(|other| other.capacity() <= segment.capacity());
        free.insert(at, segment);
    }

    /// A segment that is needed no more serves again.
    pub(super) fn recycle(&self, wal: &Wal, released: Segment) {
        wal.segments.add(1);
        reached!("log: a segment was recycled");
        self.add(wal, FreeSegment::recycled(released));
    }

    /// Removes the smallest while there are more than enough.
    pub(super) async fn remove_surplus(&self, local: &Local, wal: &Wal) {
        while let Some(segment) = self.take_surplus(wal) {
            reached!("log: a spare too many was removed");
            self.directory.discard(local, segment.kind()).await;
        }
    }

    fn take_surplus(&self, wal: &Wal) -> Option<FreeSegment> {
        let mut free = self.free.borrow_mut();
        let is_surplus = free.len() > FREE_SEGMENTS_MAX
            && (!wal.is_busy()
                || free[1..].iter().map(FreeSegment::capacity).sum::<u64>() >= 2 * wal.stage().size());
        (is_surplus && wal.shrink_room(free[0].capacity())).then(|| free.remove(0))
    }

    fn add(&self, wal: &Wal, segment: FreeSegment) {
        wal.grow_room(segment.capacity());
        self.insert(segment);
    }

    /// Makes a spare if there is none, or the next of those that writers want; `false` if that has to be tried again
    /// after [`RETRY_INTERVAL`]. The segments in use are `in_use` bytes long together.
    pub(super) async fn keep(&self, local: &Local, wal: &Wal, in_use: u64) -> Result<bool> {
        if let Some(retry_at) = self.retry_at.get() {
            if local.io().now() < retry_at {
                return Ok(false);
            }
            wal.permit_room();
        }
        let mut made = self.make_missing(local, wal, in_use).await;
        if made.as_ref().is_err_and(|(_, error)| error.is_shortage()) && self.make_way(local).await {
            reached!("log: tables made way for a spare");
            made = self.make_missing(local, wal, in_use).await;
        }
        match made {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::info!("there is room again: writes resume");
                    reached!("log: there is room again");
                }
                Ok(true)
            }
            Err((bytes, error)) if error.is_shortage() => {
                if self.retry_at.get().is_none() {
                    tracing::warn!(%error, "writes are refused until there is room");
                }
                reached!("log: the device is full");
                self.retry_at.set(Some(local.io().now() + RETRY_INTERVAL));
                wal.refuse_room_beyond(bytes, error);
                Ok(false)
            }
            Err((_, error)) => Err(error),
        }
    }

    /// Removes what is kept to be written anew and not needed; returns whether there was anything.
    pub(super) async fn make_way(&self, local: &Local) -> bool {
        self.directory.give_up_spare_tables(local).await
    }

    /// Makes one of those that are missing, and has the task look again: what was released meanwhile serves before a further
    /// one is made. Writers that use room as fast as it is made would else have new ones made for seconds.
    /// An error comes with the bytes of room that can still be had.
    async fn make_missing(
        &self,
        local: &Local,
        wal: &Wal,
        in_use: u64,
    ) -> std::result::Result<(), (u64, Error)> {
        let usual = self.usual_len(local, in_use);
        if self.free.borrow().is_empty() {
            self.make(local, wal, usual).await.map_err(|error| (0, error))?;
        }
        self.make_ahead(local, wal, usual).await;
        let missing = wal.missing_room();
        if missing == 0 {
            return Ok(());
        }
        reached!("log: more than one spare is wanted");
        let len = FreeSegment::len_for(missing).max(usual).min(self.len_max);
        let capacity = FreeSegment::capacity_of(len);
        // Asked before anything is made: an attempt that cannot succeed must not take space from others.
        if let Ok(space) = self.directory.space(local.io().as_ref()) {
            let most = space.free_bytes / len;
            if most < missing.div_ceil(capacity) {
                let path = self.directory.path().to_path_buf();
                return Err((most * capacity, Error::DiskFull { operation: "extend the log in", path }));
            }
        }
        self.make(local, wal, len).await.map_err(|error| (0, error))?;
        wal.look_again();
        Ok(())
    }

    /// Makes a further spare if the stream could fill those there are, as fast as the stage, before another is made.
    /// Only where there is much space; an error is left to whoever lacks room.
    async fn make_ahead(&self, local: &Local, wal: &Wal, len: u64) {
        if wal.is_busy()
            && wal.missing_room() == 0
            && wal.room_ahead() < wal.stage().size()
            && self.check_room(local, len).is_ok()
        {
            reached!("log: a spare was made ahead");
            if self.make(local, wal, len).await.is_ok() {
                wal.look_again();
            }
        }
    }

    /// The length of a new segment: that of all segments in use together, so that a long log has few of them and
    /// a short one takes little space; at most an eighth of the free space.
    fn usual_len(&self, local: &Local, in_use: u64) -> u64 {
        let room = self.directory.space(local.io().as_ref()).map_or(0, |space| space.free_bytes / 8);
        let len = in_use.min(room) / SECTOR as u64 * SECTOR as u64;
        len.clamp(SEGMENT_SIZE_MIN, self.len_max)
    }

    /// Refuses to use `bytes` for what only makes the log faster, if they are more than an eighth of the free
    /// space.
    pub(super) fn check_room(&self, local: &Local, bytes: u64) -> Result<()> {
        let free = self.directory.space(local.io().as_ref())?.free_bytes;
        let path = self.directory.path().to_path_buf();
        if bytes <= free / 8 { Ok(()) } else { Err(Error::DiskFull { operation: "grow the log in", path }) }
    }

    /// Makes some of this length, durable. If that fails, nothing is left behind.
    async fn make(&self, local: &Local, wal: &Wal, len: u64) -> Result<()> {
        let mut made = Vec::new();
        for number in 0..self.count_at_once(local, wal, len) {
            let begun_at = wal.head_lsn();
            let has_time = |left: &Range<u64>| wal.has_time_to_fill(left, begun_at);
            match FreeSegment::create(local, &self.directory, len, has_time).await {
                Ok((segment, is_filled)) => {
                    made.push(segment);
                    self.is_hurried.set(!is_filled);
                }
                // Whoever lacks room for more is told, if it is so still.
                Err(error) if number > 0 && error.is_shortage() => break,
                Err(error) => {
                    self.discard(local, made).await;
                    return Err(error);
                }
            }
        }
        if let Err(error) = self.directory.sync_with(local, made.iter().map(FreeSegment::file)).await {
            reached!("log: the name of a spare could not be synced");
            // Its sync is not repeated, since after a failed one a success would prove nothing: the next spare gets
            // a new name.
            self.discard(local, made).await;
            return Err(error);
        }
        for segment in made {
            wal.segments.add(1);
            self.add(wal, segment);
        }
        Ok(())
    }

    async fn discard(&self, local: &Local, made: Vec<FreeSegment>) {
        for segment in made {
            self.directory.discard(local, segment.kind()).await;
        }
    }

    /// How many are made with one sync: one, but as many as the stage could fill meanwhile if there was no time to fill the
    /// last.
    fn count_at_once(&self, local: &Local, wal: &Wal, len: u64) -> u64 {
        let wanted = (wal.stage().size().saturating_sub(wal.room_ahead()) / len).clamp(1, HURRIED_MAX);
        if wanted == 1 || !self.is_hurried.get() || self.check_room(local, wanted * len).is_err() {
            return 1;
        }
        reached!("log: several spares were made at once");
        wanted
    }
}

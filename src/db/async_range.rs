//! Iteration over a range of keys, one way, with the blocks awaited.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::value::Value;
use crate::engine::{AwaitedScan, Moment};

/// What a step of a range comes to: key and value, or the end.
type Step = Option<Result<(Vec<u8>, Value)>>;

/// The keys of a range with their values, ascending, or descending after [`rev`](Self::rev).
///
/// Shows the database as of its creation, and pins the files and memtables of that moment until it is dropped. An item is
/// an error if something cannot be read or the database was closed; after it the range ends. A future of
/// [`next`](Self::next) that is dropped loses nothing: the next one goes on where it was.
///
/// ```
/// # use rabi::{Db, Options};
/// # let dir = tempfile::tempdir()?;
/// # let db = Db::open(dir.path(), Options::new())?.to_async();
/// # smol::block_on(async {
/// for number in 0..10_u8 {
///     db.put([number], "x").await?;
/// }
/// let mut range = db.range([3]..=[7]).rev();
/// let mut keys = Vec::new();
/// while let Some(entry) = range.next().await {
///     keys.push(entry?.0[0]);
/// }
/// assert_eq!(keys, [7, 6, 5, 4, 3]);
/// # drop(range);
/// # db.close().await
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a range reads nothing until it is iterated, and pins files and memtables until it is dropped"]
pub struct AsyncRange(AwaitedScan);

impl AsyncRange {
    pub(super) fn new(moment: Moment, range: KeyRange) -> Self {
        Self(AwaitedScan::new(moment, range, Direction::Forward))
    }

    /// The same range in the other direction, from its other end.
    ///
    /// # Panics
    /// If something was read from it.
    pub fn rev(self) -> Self {
        Self(self.0.turned())
    }

    /// The next entry; `None` once the range has ended.
    #[expect(clippy::should_implement_trait, reason = "this one is awaited")]
    pub fn next(&mut self) -> impl Future<Output = Step> + Send + '_ {
        poll_fn(|context| self.poll_next(context))
    }

    /// What a stream of entries does in a poll: `futures::stream::poll_fn(move |context| range.poll_next(context))` makes
    /// one of it.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        self.0.poll_next(context, |key, value| (key.to_vec(), Value::copy_of(value)))
    }
}

impl fmt::Debug for AsyncRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

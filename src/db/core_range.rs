//! Iteration over a range of keys by a task on a core.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::value::Value;
use crate::engine::{AwaitedScan, Moment, OnCore};

/// What a step of a range comes to: key and value, or the end.
type Step = Option<Result<(Vec<u8>, Value)>>;

/// The keys of a range with their values, as an [`AsyncRange`](crate::AsyncRange), for a task on a core, which reads the
/// blocks. It does not keep the database open.
#[must_use = "a range reads nothing until it is iterated, and pins files and memtables until it is dropped"]
pub struct CoreRange(AwaitedScan<OnCore>);

impl CoreRange {
    pub(super) fn new(moment: Moment<OnCore>, range: KeyRange) -> Self {
        Self(AwaitedScan::new(moment, range, Direction::Forward))
    }

    /// The same range in the other direction, from its other end.
    ///
    /// # Panics
    /// If something was read from it.
    pub fn rev(self) -> Self {
        Self(self.0.turned())
    }

    /// The next entry; `None` once the range has ended. If it is dropped, the next one goes on where it was.
    #[expect(clippy::should_implement_trait, reason = "this one is awaited")]
    pub fn next(&mut self) -> impl Future<Output = Step> + '_ {
        poll_fn(|context| self.poll_next(context))
    }

    /// What a stream of entries does in a poll.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        self.0.poll_next(context, |key, value| (key.to_vec(), Value::copy_of(value)))
    }
}

impl fmt::Debug for CoreRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

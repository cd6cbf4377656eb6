//! A range of keys gone through in one direction, with the blocks awaited.
//!
//! What a step has come to stays here and not in the future that waits for it: one that is dropped loses nothing, and the
//! next goes on where it was.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::arriving::{Arriving, begin_reads};
use super::at_hand::AtHand;
use super::caller::Caller;
use super::moment::Moment;
use super::open::Handle;
use crate::base::direction::Direction;
use crate::base::error::Result;
use crate::base::key_range::KeyRange;
use crate::base::sync::Arc;
use crate::cursor::{Moved, NeedsBlock};
use crate::table::Block;
use crate::tree::view_cursor::ViewCursor;

/// See the module.
pub(crate) struct AwaitedScan<C: Caller = Arc<Handle>> {
    moment: Moment<C>,
    range: KeyRange,
    direction: Direction,
    /// None before the first step.
    cursor: Option<ViewCursor>,
    /// The block for which the cursor waits.
    needed: Option<NeedsBlock>,
    /// Blocks on their way, that one first.
    arriving: Option<(Vec<NeedsBlock>, Arriving<C::Reads>)>,
    at_hand: AtHand,
    /// Whether others were let have their turn before this step.
    has_asked: bool,
    /// The range has ended, or something could not be read.
    ended: bool,
}

impl<C: Caller> AwaitedScan<C> {
    pub(crate) fn new(moment: Moment<C>, range: KeyRange, direction: Direction) -> Self {
        let ended = range.is_empty();
        let (needed, arriving, at_hand) = (None, None, AtHand::default());
        Self { moment, range, direction, cursor: None, needed, arriving, at_hand, has_asked: false, ended }
    }

    /// The same range in the other direction, from its other end. Before the first step.
    pub(crate) fn turned(mut self) -> Self {
        assert!(self.cursor.is_none(), "a range is turned before it is read");
        self.direction = match self.direction {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        self
    }

    /// What `take` makes of key and value of the next entry; `None` once the range has ended, which it also has after an
    /// error.
    pub(crate) fn poll_next<R>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Poll<Option<Result<R>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.has_asked, true) {
            ready!(self.moment.caller().poll_turn(context, 1));
        }
        let stepped = ready!(self.poll_step(context));
        self.has_asked = false;
        let found = match stepped {
            Ok(is_on_key) => is_on_key && self.is_within(),
            Err(error) => {
                self.ended = true;
                return Poll::Ready(Some(Err(error)));
            }
        };
        if !found {
            self.ended = true;
            return Poll::Ready(None);
        }
        let cursor = self.cursor.as_ref().expect("a step has made it");
        let key = cursor.key().expect("the cursor is on a key");
        Poll::Ready(Some(Ok(take(key, cursor.value()))))
    }

    /// Goes to the next key, in the range or beyond it.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<bool>> {
        self.moment.check_open()?;
        loop {
            while let Some(needed) = &self.needed {
                let block = match self.at_hand.take(needed) {
                    Some(block) => block,
                    None => ready!(self.poll_read(context))?,
                };
                let cursor = self.cursor.as_mut().expect("it waits for the block");
                self.needed = cursor.supply(block).err();
            }
            let moved = match &mut self.cursor {
                Some(cursor) => cursor.next().map(Some),
                None => self.begin().map(|()| None),
            };
            match moved {
                Ok(Some(is_on_key)) => return Poll::Ready(Ok(is_on_key)),
                Ok(None) => {}
                Err(needed) => self.needed = Some(needed),
            }
        }
    }

    fn begin(&mut self) -> Moved {
        let cursor = self.cursor.insert(self.moment.cursor(self.direction, true));
        cursor.seek(match self.direction {
            Direction::Forward => Some(self.range.lower.as_slice()),
            Direction::Backward => self.range.upper.as_deref(),
        })
    }

    /// Reads the block for which the cursor waits, and others with it.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Arc<Block>>> {
        loop {
            let (asked, arriving) = match &mut self.arriving {
                Some(begun) => begun,
                none => {
                    let cursor = self.cursor.as_ref().expect("it waits for the block");
                    let needed = self.needed.as_ref().expect("the cursor waits for it");
                    let limit = match self.direction {
                        Direction::Forward => self.range.upper.as_deref(),
                        Direction::Backward => Some(self.range.lower.as_slice()),
                    };
                    let missing = self.at_hand.missing(cursor, needed, limit);
                    let arriving = begin_reads(self.moment.caller(), missing.clone());
                    none.insert((missing, arriving))
                }
            };
            let read = ready!(Pin::new(arriving).poll(context));
            let asked = std::mem::take(asked);
            self.arriving = None;
            let alone = asked[0].without_others();
            let block = self.at_hand.add(asked, read);
            match alone {
                Some(alone) if block.is_err() => self.needed = Some(alone),
                _ => return Poll::Ready(block),
            }
        }
    }

    fn is_within(&self) -> bool {
        let key = self.cursor.as_ref().and_then(ViewCursor::key);
        key.is_some_and(|key| match self.direction {
            Direction::Forward => self.range.is_below_upper(key),
            Direction::Backward => key >= self.range.lower.as_slice(),
        })
    }
}

impl<C: Caller> Drop for AwaitedScan<C> {
    fn drop(&mut self) {
        if let Some(cursor) = &self.cursor {
            self.moment.blocks().end_scan(cursor.passed(), &self.at_hand);
        }
    }
}

impl<C: Caller> fmt::Debug for AwaitedScan<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |key: &[u8]| key.escape_ascii().to_string();
        f.debug_struct("AsyncRange")
            .field("from", &show(&self.range.lower))
            .field("below", &self.range.upper.as_deref().map(show))
            .field("direction", &self.direction)
            .field("seqno", &self.moment.seqno().0)
            .field("at", &self.cursor.as_ref().and_then(ViewCursor::key).map(show))
            .field("ended", &self.ended)
            .finish()
    }
}

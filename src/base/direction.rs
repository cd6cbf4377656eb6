//! Which way through the order of keys.

/// The direction of a cursor, and of everything that moves with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Towards greater keys, and of one key from the newest version to the oldest.
    Forward,
    /// Towards lesser keys, and of one key from the oldest version to the newest.
    Backward,
}

impl Direction {
    /// The number after `number` in this direction, of `count` in a row; `None` behind the last.
    #[inline]
    pub(crate) fn next_of(self, number: usize, count: usize) -> Option<usize> {
        match self {
            Self::Forward => Some(number + 1).filter(|next| *next < count),
            Self::Backward => number.checked_sub(1),
        }
    }
}

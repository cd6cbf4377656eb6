//! A place in the log, and the number that tells one log from another.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use super::limits::SECTOR;

/// A place in the stream of the log, in bytes. The difference of two is a length, and a place plus a
/// length is a place; nothing else is added or subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn(pub(crate) u64);

impl Lsn {
    /// The beginning of the stream.
    pub(crate) const ZERO: Self = Self(0);
    /// Behind every place of a stream.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// `len` bytes further, or [`Lsn::MAX`].
    pub(crate) fn saturating_add(self, len: u64) -> Self {
        Self(self.0.saturating_add(len))
    }

    /// `len` bytes before, or [`Lsn::ZERO`].
    pub(crate) fn saturating_sub(self, len: u64) -> Self {
        Self(self.0.saturating_sub(len))
    }

    /// Bytes from `earlier` up to here; zero if it is not earlier.
    pub(crate) fn saturating_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The last boundary between two sectors at or before it.
    pub(crate) fn sector_floor(self) -> Self {
        Self(self.0 / SECTOR as u64 * SECTOR as u64)
    }

    /// The first boundary between two sectors at or behind it.
    pub(crate) fn sector_ceil(self) -> Self {
        Self(self.0.next_multiple_of(SECTOR as u64))
    }
}

impl Add<u64> for Lsn {
    type Output = Self;

    #[inline]
    fn add(self, len: u64) -> Self {
        Self(self.0 + len)
    }
}

impl AddAssign<u64> for Lsn {
    #[inline]
    fn add_assign(&mut self, len: u64) {
        self.0 += len;
    }
}

impl Sub for Lsn {
    type Output = u64;

    #[inline]
    fn sub(self, earlier: Self) -> u64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The random number of one opening's log. Its records and segments carry it, so that they are told from
/// those of earlier logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Generation(pub(crate) u64);

impl Generation {
    /// Stands in the manifest while no log was begun.
    pub(crate) const NONE: Self = Self(0);
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

//! One face for all that can be read: code that only reads need not know whether it has the database
//! itself or a snapshot.

use std::ops::RangeBounds;

use super::{Cursor, Db, Keys, Range, Snapshot};
use crate::base::error::Result;
use crate::base::value::Value;

/// What can be read: a [`Db`], as of each call, or a [`Snapshot`], as of its creation.
///
/// Both have the same methods of their own; the trait is for code that takes either. It is implemented
/// in this crate only, so that methods can be added.
///
/// ```
/// use rabi::{Db, Options, Read};
///
/// fn total(source: &impl Read, account: &str) -> rabi::Result<u64> {
///     let mut total = 0;
///     for entry in source.prefix(account) {
///         let (_, value) = entry?;
///         total += u64::from_le_bytes(value[..].try_into().expect("eight bytes were written"));
///     }
///     Ok(total)
/// }
///
/// # let dir = tempfile::tempdir()?;
/// let db = Db::open(dir.path(), Options::new())?;
/// db.put("ann:1", 5_u64.to_le_bytes())?;
/// let before = db.snapshot();
/// db.put("ann:2", 7_u64.to_le_bytes())?;
/// assert_eq!((total(&before, "ann:")?, total(&db, "ann:")?), (5, 12));
/// # drop(before);
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Read: sealed::Sealed {
    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// As [`Db::get`].
    fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>>;

    /// Puts the value of a key into `buffer` and returns true, or returns false and leaves it as it is.
    ///
    /// # Errors
    /// As [`Db::get`].
    fn get_into(&self, key: impl AsRef<[u8]>, buffer: &mut Vec<u8>) -> Result<bool>;

    /// What `take`, which should be brief, makes of the value of a key, or `None`. The value is not copied.
    ///
    /// # Errors
    /// As [`Db::get`].
    fn get_with<R>(&self, key: impl AsRef<[u8]>, take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>>;

    /// The value of each key, or `None`, in the order of the keys, all as of one moment.
    ///
    /// # Errors
    /// One for each key, as [`Db::get`] has them.
    fn multi_get<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Result<Option<Value>>>;

    /// Whether a key has a value. The value is not copied.
    ///
    /// # Errors
    /// As [`Db::get`].
    fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool>;

    /// The keys of a range with their values, in order, from either end.
    fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range;

    /// The keys that begin with `prefix`, with their values, in order, from either end.
    fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range;

    /// All keys with their values, in order, from either end.
    fn iter(&self) -> Range;

    /// All keys without their values, in order, from either end.
    fn keys(&self) -> Keys;

    /// A cursor, on no entry yet.
    fn cursor(&self) -> Cursor;
}

mod sealed {
    /// Whoever cannot name this cannot implement [`Read`](super::Read).
    pub trait Sealed {}
}

/// Passes the calls of the trait on to the methods that the types have themselves.
macro_rules! read {
    ($type:ty) => {
        impl sealed::Sealed for $type {}

        impl Read for $type {
            fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
                <$type>::get(self, key)
            }

            fn get_into(&self, key: impl AsRef<[u8]>, buffer: &mut Vec<u8>) -> Result<bool> {
                <$type>::get_into(self, key, buffer)
            }

            fn get_with<R>(&self, key: impl AsRef<[u8]>, take: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
                <$type>::get_with(self, key, take)
            }

            fn multi_get<K: AsRef<[u8]>>(
                &self,
                keys: impl IntoIterator<Item = K>,
            ) -> Vec<Result<Option<Value>>> {
                <$type>::multi_get(self, keys)
            }

            fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
                <$type>::contains_key(self, key)
            }

            fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
                <$type>::range(self, range)
            }

            fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
                <$type>::prefix(self, prefix)
            }

            fn iter(&self) -> Range {
                <$type>::iter(self)
            }

            fn keys(&self) -> Keys {
                <$type>::keys(self)
            }

            fn cursor(&self) -> Cursor {
                <$type>::cursor(self)
            }
        }
    };
}

read!(Db);
read!(Snapshot);

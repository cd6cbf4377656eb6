//! A value as a reader gets it.

use std::fmt;
use std::ops::Deref;

/// Bytes of a value, owned. Dereferences to `[u8]`.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let db = rabi::Db::open(dir.path(), rabi::Options::new())?;
/// db.put("key", "value")?;
/// let value = db.get("key")?.expect("it was just written");
/// assert_eq!(value, b"value");
/// let bytes: Vec<u8> = value.into(); // without copying
/// # db.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Box<[u8]>);

impl Value {
    /// Copies bytes.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, without copying.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Value> for Vec<u8> {
    fn from(value: Value) -> Self {
        value.into_vec()
    }
}

impl PartialEq<[u8]> for Value {
    fn eq(&self, other: &[u8]) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&[u8]> for Value {
    fn eq(&self, other: &&[u8]) -> bool {
        *self.0 == **other
    }
}

impl<const LEN: usize> PartialEq<[u8; LEN]> for Value {
    fn eq(&self, other: &[u8; LEN]) -> bool {
        *self.0 == *other
    }
}

impl<const LEN: usize> PartialEq<&[u8; LEN]> for Value {
    fn eq(&self, other: &&[u8; LEN]) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<Vec<u8>> for Value {
    fn eq(&self, other: &Vec<u8>) -> bool {
        *self.0 == **other
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

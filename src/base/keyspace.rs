//! Which tree of a database an entry or an edit is about.

use super::codec::{Cursor, put_varint};

/// Number of a keyspace. There is one today, the default; the log and the manifest name it in each entry and edit, so
/// that others can be added without another format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyspaceId(u32);

impl KeyspaceId {
    /// The keyspace that every database has.
    pub(crate) const DEFAULT: Self = Self(0);

    /// Appends it as a varint.
    #[inline]
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.0));
    }

    /// Reads a varint; `None` if there is none, or a number that no keyspace has.
    #[inline]
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        u32::try_from(cursor.varint()?).ok().map(Self)
    }
}

impl std::fmt::Display for KeyspaceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyspace_comes_back_and_no_larger_number_is_one() {
        for id in [KeyspaceId::DEFAULT, KeyspaceId(u32::MAX)] {
            let mut bytes = Vec::new();
            id.encode(&mut bytes);
            assert_eq!(KeyspaceId::decode(&mut Cursor::new(&bytes)), Some(id));
        }
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::from(u32::MAX) + 1);
        assert_eq!(KeyspaceId::decode(&mut Cursor::new(&bytes)), None);
    }
}

//! The first bytes of a key as a number.

/// The first sixteen bytes of a key as a number that sorts like them, shorter keys being padded with zeros. Keys
/// with equal prefixes must be compared as a whole.
#[inline]
pub(crate) fn prefix(key: &[u8]) -> u128 {
    if let Some(bytes) = key.first_chunk() {
        return u128::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 16];
    bytes[..key.len()].copy_from_slice(key);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_sort_as_keys_do_or_are_equal() {
        let keys: [&[u8]; 9] = [
            b"",
            b"\0",
            b"\0\0",
            b"a",
            b"a\0",
            b"abcdefghijklmnop",
            b"abcdefghijklmnopq",
            b"abcdefghijklmnoq",
            b"b",
        ];
        assert!(keys.is_sorted());
        assert!(keys.map(prefix).is_sorted());
        assert!(prefix(b"a") < prefix(b"abcdefghijklmnop"));
        assert_eq!(prefix(keys[5]), prefix(keys[6]));
        assert!(prefix(keys[6]) < prefix(keys[7]));
    }
}

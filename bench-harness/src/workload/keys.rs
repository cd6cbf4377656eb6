//! Keys as YCSB builds them: `user`, zeros up to `zeropadding` digits, and the record number
//! or, for `insertorder=hashed`, its FNV-1a hash in decimal.

use crate::generator::fnv_hash_64;

/// In which order record numbers meet the key space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertOrder {
    /// Consecutive numbers are scattered: the key holds the hash of the number.
    Hashed,
    /// The key holds the number.
    Ordered,
}

/// How a record number becomes a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyFormat {
    /// Hash or number.
    pub order: InsertOrder,
    /// The least number of digits.
    pub zero_padding: usize,
}

impl KeyFormat {
    /// Writes the key of a record into `key`, replacing what it held.
    pub fn write(&self, number: u64, key: &mut Vec<u8>) {
        let number = match self.order {
            // Like Java's Long: the absolute value of the smallest number stays negative.
            InsertOrder::Hashed => fnv_hash_64(number),
            InsertOrder::Ordered => number as i64,
        };
        key.clear();
        let mut digits = [0_u8; 20];
        let digits = decimal(number, &mut digits);
        key.extend_from_slice(b"user");
        key.resize(4 + self.zero_padding.saturating_sub(digits.len()), b'0');
        key.extend_from_slice(digits);
    }
}

/// 00, 01, 02 and so on to 99.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[2 * number] = b'0' + (number / 10) as u8;
        pairs[2 * number + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

/// The digits of a number, written by hand because formatting costs as much as the rest of an
/// operation of the harness.
fn decimal(number: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    let mut rest = number.unsigned_abs();
    // Two digits for each division, which is what it costs.
    while rest >= 100 {
        at -= 2;
        let two = 2 * (rest % 100) as usize;
        buffer[at..at + 2].copy_from_slice(&PAIRS[two..two + 2]);
        rest /= 100;
    }
    at -= 1;
    buffer[at] = b'0' + (rest % 10) as u8;
    if rest >= 10 {
        at -= 1;
        buffer[at] = b'0' + (rest / 10) as u8;
    }
    if number < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(order: InsertOrder, zero_padding: usize, number: u64) -> String {
        let mut key = b"something longer than the key that follows".to_vec();
        KeyFormat { order, zero_padding }.write(number, &mut key);
        String::from_utf8(key).unwrap()
    }

    /// CoreWorkload.java lines 383 to 394 (YCSB d9faaac, `buildKeyName`) over Utils.java's `fnvhash64`.
    /// The expected values were computed by a few lines of Python with integers reduced modulo
    /// 2^64: x = 0xCBF29CE484222325; for each of the eight octets, lowest first,
    /// x = (x ^ octet) * 1099511628211 % 2^64; then abs() of x read as a signed number.
    /// The first two are also the keys every YCSB load begins with.
    #[test]
    fn hashed_keys_are_those_of_ycsb() {
        for (number, expected) in [
            (0, "user6284781860667377211"),
            (1, "user8517097267634966620"),
            (2, "user1820151046732198393"),
            (999, "user2071219101098386137"),
            (1_000, "user5952875239596136740"),
            (123_456_789, "user2350796791908741607"),
            (10_000_000_000, "user1201321332300452516"),
        ] {
            assert_eq!(key(InsertOrder::Hashed, 1, number), expected);
        }
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, 9, 10, 99, 100, -1, -10, i64::MAX, i64::MIN, 1_234_567_890_123_456_789] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }

    #[test]
    fn ordered_keys_hold_the_number_padded_with_zeros() {
        assert_eq!(key(InsertOrder::Ordered, 1, 0), "user0");
        assert_eq!(key(InsertOrder::Ordered, 8, 4711), "user00004711");
        assert_eq!(key(InsertOrder::Ordered, 2, 4711), "user4711");
        assert_eq!(key(InsertOrder::Hashed, 22, 0), "user0006284781860667377211");
    }
}

//! Keys as YCSB builds them: `user`, zeros up to `zeropadding` digits, and the record number
//! or, for `insertorder=hashed`, its FNV-1a hash in decimal.

use crate::generator::fnv_hash_64;

/// In which order record numbers meet the key space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertOrder {
    /// Consecutive numbers are scattered: the key holds the hash of the number.
    Hashed,
    Ordered,
}

/// How a record number becomes a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyFormat {
    pub order: InsertOrder,
    pub zero_padding: usize,
}

impl KeyFormat {
    /// Writes the key of a record into `key`, replacing what it held.
    #[inline(always)]
    pub fn write(&self, number: u64, key: &mut Vec<u8>) {
        let number = match self.order {
            // Like Java's Long: the absolute value of the smallest number stays negative.
            InsertOrder::Hashed => fnv_hash_64(number),
            InsertOrder::Ordered => number as i64,
        };
        match u64::try_from(number) {
            Ok(number) if number >= LONG && self.zero_padding <= LONG_DIGITS => write_long(number, key),
            _ => self.write_any(number, key),
        }
    }

    #[inline(never)]
    fn write_any(&self, number: i64, key: &mut Vec<u8>) {
        key.clear();
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        key.extend_from_slice(PREFIX);
        key.resize(PREFIX.len() + self.zero_padding.saturating_sub(digits.len()), b'0');
        key.extend_from_slice(digits);
    }
}

const PREFIX: &[u8; 4] = b"user";
/// The smallest number of `LONG_DIGITS` digits. All but one in a thousand hashes are as long.
const LONG: u64 = 10_000_000_000_000_000;
const LONG_DIGITS: usize = 17;

/// Writes the key of a number of 17 to 19 digits, in three stores that overlap: four digits, eight
/// and eight, and over the zeros that lead them the prefix. Digit by digit it would be the longest
/// chain of dependent instructions in an operation of the harness.
#[inline]
fn write_long(number: u64, key: &mut Vec<u8>) {
    const EIGHT: u64 = 100_000_000;
    let (first, rest) = (number / LONG, number % LONG);
    let length = PREFIX.len() + LONG_DIGITS + usize::from(first >= 10) + usize::from(first >= 100);
    if key.len() != length {
        key.resize(length, 0);
    }
    let long_enough = "a key of 17 digits has 21 octets";
    let (front, eights) = key.split_last_chunk_mut::<16>().expect(long_enough);
    // One to three of the four are digits of the number; the others end up below the prefix.
    *front.last_chunk_mut::<4>().expect(long_enough) = four_digits(first as u32).to_le_bytes();
    *front.first_chunk_mut::<4>().expect(long_enough) = *PREFIX;
    eights[..8].copy_from_slice(&eight_digits(rest / EIGHT).to_le_bytes());
    eights[8..].copy_from_slice(&eight_digits(rest % EIGHT).to_le_bytes());
}

/// The digits of a number below 1000 and a zero before them, as the octets of a word, the first one
/// lowest.
#[inline]
fn four_digits(number: u32) -> u32 {
    debug_assert!(number < 1_000);
    // 41 / 2^12 is 1 / 100, and exact up to 1,098.
    let hundreds = (number * 41) >> 12;
    let rest = number - 100 * hundreds;
    // 103 / 2^10 is 1 / 10, and exact up to 178.
    let tens = (rest * 103) >> 10;
    0x3030_3030 + ((hundreds << 8) | (tens << 16) | ((rest - 10 * tens) << 24))
}

/// The eight digits of a number below 10^8 as the octets of a word, the first one lowest. All halves
/// of all parts are divided at once, by multiplications with reciprocals that are exact for numbers so
/// small (after P. Khuong, "How to print integers really fast", 2017).
#[inline]
fn eight_digits(number: u64) -> u64 {
    debug_assert!(number < 100_000_000);
    // Two numbers below 10^4, one in each half.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // 10486 / 2^20 is 1 / 100, and exact up to 43,698.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    // 103 / 2^10 is 1 / 10, and exact up to 178.
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    (tens | ((twos - 10 * tens) << 8)) + 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Stream;

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
    fn long_numbers_are_written_like_any_other() {
        let format = KeyFormat { order: InsertOrder::Hashed, zero_padding: 1 };
        let stream = Stream::new(8, "numbers");
        let mut drawn: Vec<u64> = (0..200_000).map(|index| stream.operation(index).bits() >> 1).collect();
        drawn.retain(|number| *number >= LONG);
        let powers = [LONG, 10 * LONG, 100 * LONG, i64::MAX as u64];
        let (mut key, mut expected) = (vec![7; 40], Vec::new());
        for number in drawn.into_iter().chain(powers).chain(powers.map(|power| power - 1)) {
            if number >= LONG {
                write_long(number, &mut key);
                format.write_any(number as i64, &mut expected);
                assert_eq!(key, expected, "{number}");
            }
        }
        for number in 0..1_000 {
            assert_eq!(four_digits(number).to_le_bytes(), format!("{number:04}").as_bytes(), "{number}");
        }
        for number in (0..100_000_000).step_by(997).chain([9_999, 10_000, 99_999_999]) {
            assert_eq!(eight_digits(number).to_le_bytes(), format!("{number:08}").as_bytes(), "{number}");
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

//! How many bytes of a memtable belong to a range of keys.
//!
//! The tree does not tell how many entries lie between two keys. Up to [`COUNTED_MAX`] entries are counted one by
//! one. A longer range is estimated from its share of the way from the least key to the greatest, as if keys lay
//! evenly.

use super::{Memtable, memtable_bytes};
use crate::base::direction::Direction;
use crate::base::key::key_head;
use crate::base::sync::epoch::Guard;

/// Counting so many takes some tens of microseconds.
const COUNTED_MAX: usize = 1000;

impl Memtable {
    /// About how many bytes the entries from `lower` on and below `upper` take. Exact for all entries, and of their
    /// newest versions where the range holds fewer than [`COUNTED_MAX`] keys.
    pub(crate) fn bytes_between(&self, lower: &[u8], upper: Option<&[u8]>, guard: &Guard) -> u64 {
        let (Some(first), Some(last)) = (self.first(Direction::Forward), self.first(Direction::Backward))
        else {
            return 0;
        };
        let (min, max) = (first.key(), last.key());
        let is_below = |key: &[u8]| upper.is_none_or(|upper| key < upper);
        if lower <= min && is_below(max) {
            return self.bytes();
        }
        let (mut counted, mut count) = (0, 0);
        let keys = self.keys_from(lower, guard).take(COUNTED_MAX);
        for (key, value_len) in keys.take_while(|(key, _)| is_below(key)) {
            counted += memtable_bytes(1, key.len() + value_len);
            count += 1;
        }
        if count < COUNTED_MAX {
            return counted;
        }
        let end = upper.map_or(1.0, |upper| place(upper, min, max));
        let share = (end - place(lower, min, max)).max(0.0);
        ((self.bytes() as f64 * share) as u64).clamp(counted, self.bytes().max(counted))
    }
}

/// Where `key` lies on the way from `min` (0) to `max` (1), by eight bytes behind what those have in
/// common.
fn place(key: &[u8], min: &[u8], max: &[u8]) -> f64 {
    if key <= min {
        return 0.0;
    }
    if key >= max {
        return 1.0;
    }
    let common = min.iter().zip(max).take_while(|(a, b)| a == b).count();
    let head = |key: &[u8]| key_head(key.get(common..).unwrap_or_default());
    let (min, max, key) = (head(min), head(max), head(key));
    key.saturating_sub(min) as f64 / max.saturating_sub(min).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::Pool;
    use super::*;
    use crate::base::ids::MemtableId;
    use crate::base::key::{Kind, SeqNo, Tag};
    use crate::base::lsn::Lsn;
    use crate::base::sync::epoch;

    fn empty() -> Memtable {
        let pool = Pool::of_size(64 << 20);
        Memtable::new(&pool, MemtableId::FIRST, Lsn(0), SeqNo::ZERO)
    }

    fn filled(count: u32) -> Memtable {
        let memtable = empty();
        for number in 0..count {
            let key = [&b"user"[..], &number.to_be_bytes()].concat();
            memtable.insert(&key, Tag::new(SeqNo(u64::from(number) + 1), Kind::Put), &[0; 100], SeqNo::ZERO);
        }
        memtable
    }

    fn between(memtable: &Memtable, lower: &[u8], upper: Option<&[u8]>) -> u64 {
        memtable.bytes_between(lower, upper, &epoch::pin())
    }

    fn key(number: u32) -> Vec<u8> {
        [&b"user"[..], &number.to_be_bytes()].concat()
    }

    #[test]
    fn short_ranges_and_all_of_it_are_exact() {
        let memtable = filled(20_000);
        let one = memtable_bytes(1, 108);
        assert_eq!(between(&memtable, b"", None), 20_000 * one);
        assert_eq!(between(&memtable, &key(0), Some(b"userz")), 20_000 * one);
        assert_eq!(between(&memtable, &key(500), Some(&key(1499))), 999 * one);
        assert_eq!(between(&memtable, &key(19_990), None), 10 * one);
        assert_eq!(between(&memtable, b"", Some(b"user")), 0);
        assert_eq!(between(&memtable, b"v", None), 0);
        assert_eq!(between(&memtable, &key(5), Some(&key(5))), 0);
        assert_eq!(between(&empty(), b"", None), 0);
    }

    #[test]
    fn long_ranges_of_even_keys_are_close() {
        let memtable = filled(20_000);
        let one = memtable_bytes(1, 108);
        for (from, to) in [(0, 10_000), (5_000, 15_000), (1, 20_000), (18_000, 20_000)] {
            let expected = u64::from(to - from) * one;
            let found = between(&memtable, &key(from), Some(&key(to)));
            assert!(
                found.abs_diff(expected) <= expected / 50,
                "{from} to {to}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn uneven_keys_never_give_more_than_there_is_nor_less_than_was_counted() {
        let memtable = filled(5_000);
        memtable.insert(b"a", Tag::new(SeqNo(9_000), Kind::Put), b"", SeqNo::ZERO);
        memtable.insert(b"user", Tag::new(SeqNo(9_001), Kind::Put), b"", SeqNo::ZERO);
        let found = between(&memtable, b"b", Some(&key(4_000)));
        assert!((1000 * memtable_bytes(1, 108)..=memtable.bytes()).contains(&(found + 200)), "{found}");
    }
}

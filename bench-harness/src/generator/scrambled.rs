//! YCSB's scrambled Zipfian: popular records are spread over the whole key space.
//!
//! Whatever the number of records, a rank is drawn from 10^10 items (with a zeta that YCSB
//! precomputed), hashed by FNV-1a and reduced modulo the number of records. So the hottest
//! record gets 1 / 26.47 = 3.8 % of the requests for every data set. It is not a Zipf
//! distribution over the records; it is kept because results are compared with YCSB's.

use super::OpRandom;
use super::zipfian::Zipfian;

/// The largest rank drawn; YCSB counts from 0 to this, so there is one item more.
const RANK_MAX: u64 = 10_000_000_000;
const _: () = assert!(RANK_MAX < 1 << 40, "its hash is taken over five octets");
/// The sum of 1 / i^0.99 over those items, as YCSB has it.
const ZETA: f64 = 26.469_028_201_783_02;

/// Draws from `low` to `low + count - 1`.
#[derive(Debug, Clone)]
pub struct ScrambledZipfian {
    ranks: Zipfian,
    low: u64,
    count: u64,
}

impl ScrambledZipfian {
    /// Needs at least one number to draw from.
    pub fn new(low: u64, count: u64) -> ScrambledZipfian {
        assert!(count > 0);
        ScrambledZipfian { ranks: Zipfian::with_zeta(RANK_MAX + 1, ZETA), low, count }
    }

    #[inline]
    pub fn next(&self, random: &mut OpRandom) -> u64 {
        let rank = self.ranks.next(random);
        // YCSB reduces the signed hash; it is never negative for ranks up to 10^10.
        self.low + fnv_of_octets::<5>(rank).unsigned_abs() % self.count
    }
}

/// YCSB's `fnvhash64`: FNV-1a over the eight octets of the number, lowest first, and the
/// absolute value of the result as Java computes it, which leaves the smallest number negative.
#[inline]
pub fn fnv_hash_64(number: u64) -> i64 {
    if number < 1 << 24 { fnv_of_octets::<3>(number) } else { fnv_of_octets::<8>(number) }
}

/// The hash of a number whose octets above the lowest `OCTETS` are zero. Each of these only
/// multiplies, so one multiplication stands for all: every step waits for the one before it, and
/// eight of them would be a tenth of what the harness costs.
#[inline]
fn fnv_of_octets<const OCTETS: usize>(number: u64) -> i64 {
    const PRIME: u64 = 1_099_511_628_211;
    debug_assert!(OCTETS == 8 || number >> (8 * OCTETS) == 0);
    let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(PRIME);
    let hash = number.to_le_bytes()[..OCTETS].iter().fold(0xCBF2_9CE4_8422_2325, step);
    (hash.wrapping_mul(const { PRIME.wrapping_pow(8 - OCTETS as u32) }) as i64).wrapping_abs()
}

#[cfg(test)]
mod tests {
    use super::super::theory::counted;
    use super::super::zipfian::zeta;
    use super::*;
    use crate::generator::Stream;

    /// Utils.java lines 43 to 65 (YCSB d9faaac, `fnvhash64`) in Python:
    ///     h = 0xCBF29CE484222325
    ///     for i in range(8): h = ((h ^ (x & 255)) * 1099511628211) % 2**64; x >>= 8
    ///     abs(h if h < 2**63 else h - 2**64)
    #[test]
    fn hashes_are_those_of_ycsb() {
        for (number, expected) in [
            (0, 6_284_781_860_667_377_211),
            (1, 8_517_097_267_634_966_620),
            (255, 8_064_062_821_143_829_734),
            (256, 2_056_600_594_528_442_646),
            (16_777_215, 6_351_794_187_124_041_284),
            (16_777_216, 7_198_699_406_700_654_750),
            (2_147_483_647, 627_943_977_067_101_855),
            (4_294_967_296, 634_246_865_027_890_484),
        ] {
            assert_eq!(fnv_hash_64(number), expected, "of {number}");
        }
    }

    #[test]
    fn the_zeta_of_ycsb_is_the_sum_it_stands_for() {
        // YCSB summed ten billion terms one by one, which loses digits; ours is integrated.
        assert!((zeta(RANK_MAX) - ZETA).abs() < 1e-6, "{}", zeta(RANK_MAX));
    }

    #[test]
    fn the_hottest_record_has_one_part_in_zeta() {
        let count = 100_000;
        let scrambled = ScrambledZipfian::new(0, count);
        let draws = 500_000_u64;
        let cell = |random: &mut OpRandom| scrambled.next(random) as usize;
        let counts = counted(count as usize, draws, Stream::new(9, "scrambled"), cell);
        let hottest = counts.iter().max().copied().unwrap() as f64 / draws as f64;
        // Other ranks that fall on the same record add at most a few parts in 10^5.
        assert!((hottest * ZETA - 1.0).abs() < 0.03, "share {hottest}");
        let place = fnv_hash_64(0) as u64 % count;
        assert_eq!(counts[place as usize], counts.iter().max().copied().unwrap());
    }
}

//! Number generators: which operation, which record, how long.
//!
//! They are pure functions of a random source plus, where YCSB has it so, the number of
//! records inserted so far. None of them holds shared state except `acknowledged`, and none
//! allocates when drawing. Distributions are tested against theory in each file, by the chi-square
//! and Kolmogorov-Smirnov tests of `theory`.
//!
//! They are written out, and not taken from `rand` and `rand_distr`, because the values of a seed must
//! never change: see METHODOLOGY.md.

mod acknowledged;
mod exponential;
mod histogram;
mod hotspot;
mod key_ranges;
mod latest;
mod lognormal;
mod pareto;
mod random;
mod scatter;
mod scrambled;
#[cfg(test)]
mod theory;
mod uniform;
mod zipf;
mod zipfian;

pub use acknowledged::AcknowledgedCounter;
pub use exponential::Exponential;
pub use histogram::LengthHistogram;
pub use hotspot::Hotspot;
pub use key_ranges::{KeyRangeShape, KeyRanges};
pub use latest::Latest;
pub use lognormal::LogNormal;
pub use pareto::Pareto;
pub use random::OpRandom;
pub use random::Stream;
pub use scatter::Scatter;
pub use scrambled::{ScrambledZipfian, fnv_hash_64};
pub use uniform::Uniform;
pub use zipf::Zipf;
pub use zipfian::Zipfian;

//! Number generators: which operation, which record, how long.
//!
//! They are pure functions of a random source plus, where YCSB has it so, the number of
//! records inserted so far. None of them holds shared state except `acknowledged`, and none
//! allocates when drawing. Distributions are tested against theory in each file.

mod acknowledged;
mod exponential;
mod hotspot;
mod latest;
mod random;
mod scrambled;
mod uniform;
mod zipfian;

pub use acknowledged::AcknowledgedCounter;
pub use exponential::Exponential;
pub use hotspot::Hotspot;
pub use latest::Latest;
pub use random::OpRandom;
pub use random::Stream;
pub use scrambled::{ScrambledZipfian, fnv_hash_64};
pub use uniform::Uniform;
pub use zipfian::Zipfian;

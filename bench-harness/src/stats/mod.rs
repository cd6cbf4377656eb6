//! Statistics for deciding whether two sets of measurements differ.
//!
//! Pure functions of slices: no I/O, no clock, and randomness only from a seed, so that a
//! verdict can be repeated. Every expected value in the tests names its source or derivation.
//! `compare` and `ci` decide with it; nothing here knows what the numbers mean.
//! Samples must be finite; callers check what they read from files. The rank tests are exact also with
//! ties, which no library offers; the tail of the normal distribution is `libm`'s.

mod autocorrelation;
mod bootstrap;
mod holm;
mod location;
mod mann_whitney;
mod normal;
mod ranks;
mod signed_rank;
mod trend;

pub use autocorrelation::{effective_size, lag1};
pub use bootstrap::{Interval, Resampling, block_interval, paired_interval, two_sample_interval};
pub use holm::holm;
pub use location::{geometric_mean, median, quantile_sorted};
pub use mann_whitney::{mann_whitney, mann_whitney_p_min};
pub use signed_rank::{signed_rank, signed_rank_p_min};
pub use trend::trend;

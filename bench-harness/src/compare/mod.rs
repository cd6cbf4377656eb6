//! Is one build slower than another? The library behind `rabi-bench compare`.
//!
//! `source` and `run` read results, `metric` picks the numbers, `likeness` says what must be equal, `matching` brings
//! repeats and pairs together, `judge` decides (pure), `floor` knows the machine's noise, `within` looks into single
//! runs, `comparison` is the whole, and `table` prints it.

mod comparison;
mod floor;
mod judge;
mod likeness;
mod matching;
mod metric;
mod run;
mod source;
mod table;
mod within;

pub use comparison::{Comparison, Criteria, Side, judge_all, unlike};
pub use floor::Calibration;
pub use judge::{Call, REPEATS_MIN, Strictness};
pub use likeness::differences;
pub use matching::match_runs;
pub use metric::Better;
pub use run::Run;
pub use source::{parse, read};
pub use table::{percent, text};

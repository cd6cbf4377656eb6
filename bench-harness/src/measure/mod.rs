//! What is measured: latencies and outcomes per kind of operation, and the clock for it.
//!
//! Each client thread has a `Recorder` of its own, which it alone writes and the watcher reads
//! while it runs. `Totals` are the sums of all threads at a moment; the difference of two is a
//! `RowSlice` for each kind of operation, be it of an interval or of the whole phase, and a slice
//! in numbers is a `RowSummary`.

mod clock;
mod counts;
mod latencies;
mod progress;
mod recorder;
mod summary;
mod totals;

pub use clock::{Clock, Moment};
pub use counts::Counts;
pub use progress::{Done, Progress};
pub use recorder::{Latency, Outcome, Recorder, Row};
pub use summary::{CurvePoint, LatencySummary, RowSummary, summarize};
pub use totals::{RowSlice, Totals, absorb};

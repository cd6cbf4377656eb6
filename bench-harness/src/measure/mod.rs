//! What is measured: latency histograms and outcomes per kind of operation.
//!
//! Each client thread has a `Recorder` of its own and shares nothing while it runs, except a
//! counter for the live status. At the end recorders are merged into `Summary` rows.

mod progress;
mod recorder;
mod summary;

pub use progress::Progress;
pub use recorder::{Outcome, Recorder, Row};
pub use summary::{CurvePoint, RowSummary, summarize};

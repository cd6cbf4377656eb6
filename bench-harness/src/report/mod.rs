//! Results in their forms: YCSB's text, JSON, a table, a README and a page with charts.
//!
//! `PhaseReport` and `JobReport` are the data, serialised as they are; the other files only
//! print them.

mod chart;
mod html;
mod job;
mod phase;
mod readme;
mod table;
mod text;

pub use html::html;
pub use job::JobReport;
pub use phase::{PhaseInfo, PhaseReport, SCHEMA};
pub use readme::readme;
pub use table::{Style, table};
pub use text::text;

//! Results in their forms: YCSB's text, JSON, a table, a README and a page with charts.
//!
//! `PhaseReport` and `JobReport` are the data, serialised as they are; the other files only
//! print them.

mod chart;
mod csv;
mod durability;
mod export;
mod gobench;
mod grid;
mod hdrlog;
mod html;
mod job;
mod openmetrics;
mod phase;
mod readme;
mod resources;
mod table;
mod text;

pub use chart::{Bar, Curve, bars, curves};
pub use durability::{DurabilityRow, durability_matrix};
pub use export::{ExportArgs, Exports};
pub use grid::{Grid, Style};
pub use html::{STYLE, escape, html};
pub use job::JobReport;
pub use phase::{PhaseInfo, PhaseReport, SCHEMA};
pub use readme::readme;
pub use resources::{RESOURCES_NOTE, resources};
pub use table::{grouped, microseconds, table};
pub use text::text;

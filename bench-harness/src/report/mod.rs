//! Results in their forms: YCSB's text, JSON, a table, a README and a page with charts.
//!
//! `PhaseReport` and `JobReport` are the data, serialised as they are; the other files only
//! print them.

mod cliffs;
mod csv;
mod durability;
mod export;
mod gobench;
mod grid;
mod harness;
mod hdrlog;
mod html;
mod job;
mod number;
mod openmetrics;
mod over_time;
pub mod page;
mod phase;
mod readme;
mod remarks;
mod resources;
pub mod sampled;
mod series;
mod steady;
mod table;
mod text;
mod trace;

pub use cliffs::{Cliff, cliffs_csv, cliffs_table};
pub use durability::{DurabilityRow, durability_matrix};
pub use export::{ExportArgs, Exports};
pub use grid::{Grid, Style};
pub use harness::harness_table;
pub use html::html;
pub use job::JobReport;
pub use number::{grouped, microseconds};
pub use over_time::over_time;
pub use phase::{PhaseInfo, PhaseReport, SCHEMA, clients_on};
pub use readme::readme;
pub use remarks::{memory, settling};
pub use resources::{RESOURCES_NOTE, resources};
pub use series::SeriesReport;
pub use steady::Steadiness;
pub use table::{response_table, table};
pub use text::text;

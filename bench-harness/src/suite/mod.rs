//! The results of a suite: several engines, the same work, side by side.
//!
//! `sample` reads the numbers of a run back, `summary` sums them up, `behind` says where Rabi is behind, `remarks` what has
//! to be known beside a table, and `report`, `readme`, `page` and `pictures` show it all.

mod behind;
mod over_time;
mod page;
mod pictures;
mod readme;
mod remarks;
mod report;
mod sample;
mod summary;

pub use page::page;
pub use pictures::pictures;
pub use readme::readme;
pub use report::{CLIFFS_NOTE, Done, SuiteReport};
pub use sample::{Phase, read};
pub use summary::summarize;

//! The parts of a page of results: one file, no network, light and dark, wide and narrow.
//!
//! `plot` draws lines between two `axis`, `percentiles` and `timeline` make charts of it, `bars`
//! draws bars, `names` places those of the phases, `palette` gives every engine its colour, and `document` puts the whole together.
//! The pages themselves are written by `report::html` (a job) and `suite::page` (a suite).

pub mod axis;
mod bars;
mod document;
mod escape;
mod names;
pub mod palette;
mod percentiles;
mod plot;
mod timeline;

pub use bars::{Bar, bars, multiples};
pub use document::{Document, facts};
pub use escape::escape;
pub use percentiles::percentiles;
pub use plot::{Band, Line, Plot};
pub use timeline::{Panel, Unit, timeline};

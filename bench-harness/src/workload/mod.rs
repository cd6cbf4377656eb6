//! What a workload is: the data set, the mix of operations and how records are chosen.
//!
//! `spec` reads and checks the properties once; the other files turn the result into keys,
//! record bytes and choices. Nothing here knows an engine or a clock.

mod arrivals;
mod chooser;
#[cfg(test)]
mod effects_tests;
mod keys;
mod known;
mod lengths;
mod mix;
mod record;
mod request;
mod spec;

#[cfg(test)]
pub use arrivals::Rate;
pub use arrivals::{Arrivals, Spacing};
pub use chooser::KeyChooser;
pub use keys::{InsertOrder, KeyFormat};
pub use known::KnownWorkload;
pub use mix::{Lots, Mix, Operation};
pub use record::{FieldContent, Pool, RecordBuilder, RecordShape, field, version};
pub use request::RequestDistribution;
pub use spec::{Measured, Workload};

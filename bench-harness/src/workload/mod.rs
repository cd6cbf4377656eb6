//! What a workload is: the data set, the mix of operations and how records are chosen.
//!
//! `spec` reads and checks the properties once; the other files turn the result into keys,
//! record bytes and choices. Nothing here knows an engine or a clock.

mod chooser;
mod keys;
mod mix;
mod record;
mod spec;

pub use chooser::KeyChooser;
pub use keys::{InsertOrder, KeyFormat};
pub use mix::{Mix, Operation};
pub use record::{Pool, RecordBuilder, field, is_intact};
#[cfg(test)]
pub use spec::LengthDistribution;
pub use spec::{FieldLength, RequestDistribution, Workload};

//! What has happened in a world, in numbers.

/// What has happened in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Operations and calls that reached the disk.
    pub operations: u64,
    /// Faults that struck: errors, flipped bits, misdirected writes, spikes.
    pub faults: u64,
    /// Crashes of the process.
    pub process_crashes: u64,
    /// Losses of power.
    pub power_losses: u64,
}

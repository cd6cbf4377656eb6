//! What goes wrong in a run besides crashes, and how the faults of each kind are drawn.

use clap::ValueEnum;
use rabi::sim::Faults;

use crate::random::Random;

/// What goes wrong besides crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultProfile {
    /// Nothing: every error is a bug.
    Healthy,
    /// Operations fail, and syncs; all of that passes.
    Errors,
    /// The device is full at times.
    Full,
    /// Bits flip and writes go to the wrong place: nothing damaged may pass for data.
    Corruption,
    /// Errors and a full device.
    Mixed,
    /// Files are removed, cut off and overwritten while nothing is open.
    FileDamage,
}

impl FaultProfile {
    /// Whether operations fail at times.
    pub(crate) fn fails(self) -> bool {
        matches!(self, Self::Errors | Self::Mixed)
    }

    /// Whether the device is full at times.
    pub(crate) fn fills(self) -> bool {
        matches!(self, Self::Full | Self::Mixed)
    }
}

/// What goes with a full device: here overwriting takes space as well, there names cannot be removed,
/// descriptors and memory are short, or directories cannot be synced.
pub(crate) fn add_shortages(faults: &mut Faults, rng: &mut Random) {
    faults.copy_on_write = rng.chance(30);
    faults.remove_shortage = rng.pick(&[0.0, 0.0, 0.3, 1.0]);
    faults.open_shortage = rng.pick(&[0.0, 0.0, 0.3, 1.0]);
    faults.directory_sync_shortage = rng.pick(&[0.0, 0.0, 0.0, 0.3]);
}

/// Failing operations: of one kind or of many, rare or frequent, of all files or of some.
pub(crate) fn add_errors(faults: &mut Faults, rng: &mut Random) {
    let rate = rng.pick(&[0.001, 0.01, 0.1]);
    let mut errors = [
        &mut faults.read_error,
        &mut faults.write_error,
        &mut faults.sync_error,
        &mut faults.open_error,
        &mut faults.list_error,
        &mut faults.remove_error,
        &mut faults.allocate_error,
        &mut faults.stat_error,
        &mut faults.map_error,
        &mut faults.store_error,
        &mut faults.create_dir_error,
        &mut faults.lock_error,
        &mut faults.remove_shortage,
        &mut faults.open_shortage,
        &mut faults.rename_error,
        &mut faults.shorten_error,
    ];
    if rng.chance(50) {
        *errors[rng.below(errors.len())] = rate;
    } else {
        errors.iter_mut().for_each(|error| **error = if rng.chance(60) { rate } else { 0.0 });
    }
    let choices: [&[&str]; 6] = [&[], &[], &["table-"], &["wal-"], &["MANIFEST-"], &["stage-"]];
    faults.only = rng.pick(&choices).iter().map(|name| (*name).to_owned()).collect();
}

//! Faults of the disk, as the profile of the run has them: they come and go while callers work.

use rabi::sim::Faults;

use crate::fault_profile::{FaultProfile, add_errors, add_shortages};
use crate::random::Random;
use crate::simulation::Simulation;

/// Whether damage to this file is always told. Of the end of the log and of the manifest nobody knows that it was
/// there but itself: damage to it cannot be told from a torn end.
fn tells_all(name: &str) -> bool {
    !["wal-", "MANIFEST-"].iter().any(|log| name.starts_with(log))
}

impl Simulation {
    /// Draws what the disk is like from now on.
    pub(crate) fn change_faults(&self) {
        let mut rng = self.rng.borrow_mut();
        let profile = self.run.parameters.profile;
        let mut faults = Faults {
            latency_spike: rng.pick(&[0.0, 0.0, 0.002]),
            queue_full: rng.pick(&[0.0, 0.0, 0.01]),
            ..Faults::default()
        };
        let is_failing = profile.fails() && rng.chance(60);
        if is_failing {
            add_errors(&mut faults, &mut rng);
            self.run.judge.borrow_mut().errors = true;
        }
        let is_full = profile.fills() && rng.chance(60);
        let free = if is_full { Some(rng.magnitude(400 << 10) as u64) } else { None };
        if is_full {
            add_shortages(&mut faults, &mut rng);
            self.run.judge.borrow_mut().short_of_all(&faults);
        }
        if profile == FaultProfile::Corruption && rng.chance(70) {
            self.add_corruption(&mut faults, &mut rng);
        }
        drop(rng);
        self.run.note(format_args!("faults: {faults:?}, {free:?} bytes free"));
        self.run.world.set_faults(faults);
        self.run.world.set_capacity(free.map_or(u64::MAX, |free| self.run.world.used() + free));
        self.steady_since.set((!is_failing).then(|| self.run.world.now()));
        let is_healthy = !is_failing && !is_full;
        self.healthy_since.set(is_healthy.then(|| self.healthy_since.get().unwrap_or(self.run.world.now())));
    }

    /// From now on there is too little space for anything, and nothing else is wrong.
    pub(crate) fn fill_device(&self) {
        let mut faults = Faults::default();
        let free = {
            let mut rng = self.rng.borrow_mut();
            add_shortages(&mut faults, &mut rng);
            rng.magnitude(100 << 10) as u64
        };
        self.run.note(format_args!("faults: {faults:?}, {free} bytes free, for good"));
        self.run.judge.borrow_mut().short_of_all(&faults);
        self.run.world.set_faults(faults);
        self.run.world.set_capacity(self.run.world.used() + free);
        self.healthy_since.set(None);
        self.steady_since.set(Some(self.run.world.now()));
    }

    /// Ends all faults; damage stays.
    pub(crate) fn end_faults(&self) {
        self.run.note(format_args!("no faults any more"));
        self.run.world.heal();
        self.run.world.set_capacity(u64::MAX);
        self.healthy_since.set(Some(self.healthy_since.get().unwrap_or(self.run.world.now())));
    }

    /// Whether operations may fail right now, and whether the device may be full.
    pub(crate) fn active_faults(&self) -> (bool, bool) {
        let has_faults = self.healthy_since.get().is_none();
        let profile = self.run.parameters.profile;
        (has_faults && profile.fails(), has_faults && profile.fills())
    }

    fn add_corruption(&self, faults: &mut Faults, rng: &mut Random) {
        let choices: [&[&str]; 6] = [&["table-"], &["table-"], &["MANIFEST-"], &["wal-"], &["stage-"], &[]];
        let only = rng.pick(&choices);
        faults.only = only.iter().map(|name| (*name).to_owned()).collect();
        faults.bit_flip = rng.pick(&[0.0, 0.001, 0.02]);
        faults.misdirected_write = rng.pick(&[0.0, 0.0, 0.002]);
        let mut judge = self.run.judge.borrow_mut();
        judge.damaged = true;
        judge.may_lose |= faults.misdirected_write > 0.0 || only.is_empty() || !tells_all(only[0]);
        if rng.chance(30) {
            let files = self.run.world.files(self.run.dir());
            if files.is_empty() {
                return;
            }
            let (name, len) = files[rng.below(files.len())].clone();
            if len > 0 {
                judge.may_lose |= !tells_all(&name);
                let offset = rng.below(len as usize) as u64;
                self.run.note(format_args!("a bit of {name} flips at {offset}"));
                self.run.world.flip_bit(format!("{}/{name}", self.run.dir()), offset, rng.below(8) as u8);
            }
        }
    }
}

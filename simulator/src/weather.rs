//! Trouble on the disk, as the kind of the run has it: it comes and goes while callers work.

use rabi::sim::Faults;

use crate::parameters::Weather;
use crate::random::Random;
use crate::scene::Scene;

/// Whether damage to this file is always told. Of the end of the log and of the manifest nobody knows that it was
/// there but itself: damage to it cannot be told from a torn end.
fn tells_all(name: &str) -> bool {
    !["wal-", "MANIFEST-"].iter().any(|log| name.starts_with(log))
}

impl Scene {
    /// Draws what the disk is like from now on.
    pub(crate) fn change_weather(&self) {
        let mut fate = self.fate.borrow_mut();
        let weather = self.parameters.weather;
        let mut faults = Faults {
            latency_spike: fate.pick(&[0.0, 0.0, 0.002]),
            queue_full: fate.pick(&[0.0, 0.0, 0.01]),
            ..Faults::default()
        };
        let is_failing = matches!(weather, Weather::Errors | Weather::Storm) && fate.chance(60);
        if is_failing {
            add_errors(&mut faults, &mut fate);
            self.judge.borrow_mut().errors = true;
        }
        let is_full = matches!(weather, Weather::Full | Weather::Storm) && fate.chance(60);
        let free = if is_full { Some(fate.magnitude(400 << 10) as u64) } else { None };
        if is_full {
            add_shortages(&mut faults, &mut fate);
            self.judge.borrow_mut().short_of_all(&faults);
        }
        if weather == Weather::Damage && fate.chance(70) {
            self.add_damage(&mut faults, &mut fate);
        }
        drop(fate);
        self.note(format_args!("weather: {faults:?}, {free:?} bytes free"));
        self.world.set_faults(faults);
        self.world.set_capacity(free.map_or(u64::MAX, |free| self.world.used() + free));
        self.steady_since.set((!is_failing).then(|| self.world.now()));
        let is_calm = !is_failing && !is_full;
        self.calm_since.set(is_calm.then(|| self.calm_since.get().unwrap_or(self.world.now())));
    }

    /// From now on there is too little space for anything, and nothing else is wrong.
    pub(crate) fn fill_device(&self) {
        let mut faults = Faults::default();
        let free = {
            let mut fate = self.fate.borrow_mut();
            add_shortages(&mut faults, &mut fate);
            fate.magnitude(100 << 10) as u64
        };
        self.note(format_args!("weather: {faults:?}, {free} bytes free, for good"));
        self.judge.borrow_mut().short_of_all(&faults);
        self.world.set_faults(faults);
        self.world.set_capacity(self.world.used() + free);
        self.calm_since.set(None);
        self.steady_since.set(Some(self.world.now()));
    }

    /// Ends all trouble but damage.
    pub(crate) fn calm_weather(&self) {
        self.note(format_args!("weather: calm"));
        self.world.heal();
        self.world.set_capacity(u64::MAX);
        self.calm_since.set(Some(self.calm_since.get().unwrap_or(self.world.now())));
    }

    /// Whether operations may fail right now, and whether the device may be full.
    pub(crate) fn troubles(&self) -> (bool, bool) {
        let is_stormy = self.calm_since.get().is_none();
        let weather = self.parameters.weather;
        let fails = matches!(weather, Weather::Errors | Weather::Storm);
        (is_stormy && fails, is_stormy && matches!(weather, Weather::Full | Weather::Storm))
    }

    fn add_damage(&self, faults: &mut Faults, fate: &mut Random) {
        let choices: [&[&str]; 6] = [&["table-"], &["table-"], &["MANIFEST-"], &["wal-"], &["stage-"], &[]];
        let only = fate.pick(&choices);
        faults.only = only.iter().map(|name| (*name).to_owned()).collect();
        faults.rot = fate.pick(&[0.0, 0.001, 0.02]);
        faults.misdirected_write = fate.pick(&[0.0, 0.0, 0.002]);
        let mut judge = self.judge.borrow_mut();
        judge.damaged = true;
        judge.may_lose |= faults.misdirected_write > 0.0 || only.is_empty() || !tells_all(only[0]);
        if fate.chance(30) {
            let files = self.world.files(self.dir());
            if files.is_empty() {
                return;
            }
            let (name, len) = files[fate.below(files.len())].clone();
            if len > 0 {
                judge.may_lose |= !tells_all(&name);
                let offset = fate.below(len as usize) as u64;
                self.note(format_args!("a bit of {name} rots at {offset}"));
                self.world.rot(format!("{}/{name}", self.dir()), offset, fate.below(8) as u8);
            }
        }
    }
}

/// What goes with a full device: here overwriting takes space as well, there names cannot be removed,
/// descriptors and memory are short, or directories cannot be synced.
fn add_shortages(faults: &mut Faults, fate: &mut Random) {
    faults.copy_on_write = fate.chance(30);
    faults.remove_shortage = fate.pick(&[0.0, 0.0, 0.3, 1.0]);
    faults.open_shortage = fate.pick(&[0.0, 0.0, 0.3, 1.0]);
    faults.directory_sync_shortage = fate.pick(&[0.0, 0.0, 0.0, 0.3]);
}

/// Failing operations: of one kind or of many, rare or frequent, of all files or of some.
fn add_errors(faults: &mut Faults, fate: &mut Random) {
    let rate = fate.pick(&[0.001, 0.01, 0.1]);
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
    ];
    if fate.chance(50) {
        *errors[fate.below(errors.len())] = rate;
    } else {
        errors.iter_mut().for_each(|error| **error = if fate.chance(60) { rate } else { 0.0 });
    }
    let choices: [&[&str]; 6] = [&[], &[], &["table-"], &["wal-"], &["MANIFEST-"], &["stage-"]];
    faults.only = fate.pick(&choices).iter().map(|name| (*name).to_owned()).collect();
}

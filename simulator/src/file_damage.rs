//! Files removed, cut off or overwritten between the end of a process and the next opening, as hands, backups and
//! broken devices do.
//!
//! The opening must refuse and name the place, and refuse again in the same words, for it changes nothing; or
//! it serves what was written and nothing else. Which prefix of the order is left nobody can say: what only
//! the stage, the end of the log or the end of the manifest had may be gone without a trace.

use rabi::sim::{Faults, World};
use rabi::{Db, Error};

use crate::opening::Opened;
use crate::options;
use crate::random::Random;
use crate::simulation::Simulation;

/// Beginnings of the names of files that are damaged, the more often the more often they stand here.
const VICTIMS: [&str; 8] = ["wal-", "wal-", "wal-", "stage-", "stage-", "MANIFEST-", "table-", ""];

impl Simulation {
    /// Damages up to three files. Nothing may be open.
    pub(crate) fn damage_files(&self) {
        let count = self.rng.borrow_mut().magnitude(3);
        for _ in 0..count {
            self.damage_file();
        }
    }

    fn damage_file(&self) {
        let mut rng = self.rng.borrow_mut();
        // In some runs nothing else, so that nothing else explains a loss.
        let only_stages = Random::new(self.run.parameters.seed, "victims").chance(40);
        let beginning = if only_stages { "stage-" } else { rng.pick(&VICTIMS) };
        let mut files = self.run.world.files(self.run.dir());
        files.retain(|(name, _)| name.starts_with(beginning) && name != "LOCK" && !self.run.is_foreign(name));
        if files.is_empty() {
            return;
        }
        let (name, len) = files[rng.below(files.len())].clone();
        let path = format!("{}/{name}", self.run.dir());
        let is_stage = name.starts_with("stage-");
        let what = match rng.below(if is_stage { 5 } else { 3 }) {
            3 => {
                let by = rng.magnitude(8192) as u64;
                self.run.world.extend(&path, by);
                format!("gets {by} bytes more")
            }
            4 => {
                let by = self.replacement(&mut rng, &path);
                self.run.world.replace(&path, &by);
                format!("is replaced by {} other bytes", by.len())
            }
            0 => {
                self.run.world.remove(&path);
                "is removed".to_owned()
            }
            1 => {
                let left = if rng.chance(30) { 0 } else { rng.below(len as usize + 1) as u64 };
                self.run.world.shorten(&path, left);
                format!("is cut off at {left} of {len} bytes")
            }
            _ => {
                // What files say of themselves stands at their head.
                let within = if rng.chance(30) { len.min(256) } else { len };
                let offset = rng.below(within as usize + 1) as u64;
                let end = len.min(offset + rng.magnitude(8192) as u64);
                for at in offset..end {
                    self.run.world.flip_bit(&path, at, rng.below(8) as u8);
                }
                format!("has bits flipped from {offset} to {end} of {len}")
            }
        };
        drop(rng);
        self.run.note(format_args!("damage: {name} {what}"));
        self.run.figures.borrow_mut().faults += 1;
        let mut judge = self.run.judge.borrow_mut();
        judge.damaged = true;
        // Of the stage all is told, whatever becomes of it.
        judge.may_lose |= !is_stage;
        judge.damaged_files.push(name);
    }

    /// What stands in the place of a stage: zeros, its own head with zeros behind it, or the stage of
    /// another database.
    fn replacement(&self, rng: &mut Random, path: &str) -> Vec<u8> {
        let kept = rng.pick(&[Some(0), Some(4096), Some(4096), None]);
        if let (Some(kept), Some(mut bytes)) = (kept, self.run.world.contents(path)) {
            let kept = kept.min(bytes.len());
            bytes[kept..].fill(0);
            return bytes;
        }
        let dir = "db";
        let world = World::new(rng.below(1 << 30) as u64, Faults::default());
        let opened = Db::open_simulated(&world, dir, options::draw(rng, 1, false).0.create_if_missing(true));
        let (mut stepper, mut opening) = opened.expect("nothing is there and nothing is wrong");
        while opening.poll().is_none() {
            stepper.turn(0);
            world.advance(world.next_event().unwrap_or(world.now()));
        }
        let stage =
            world.files(dir).into_iter().map(|(name, _)| name).find(|name| name.starts_with("stage-"));
        stage.and_then(|name| world.contents(format!("{dir}/{name}"))).expect("it has a stage")
    }

    /// An opening of damaged files was refused. It has to say where, and has to have left all as it was.
    pub(crate) fn refused_for_damage(&self, error: &Error) {
        if matches!(error, Error::Missing { .. }) && self.nothing_is_left() {
            return;
        }
        let damaged = self.run.judge.borrow().damaged_files.clone();
        let is_a_kind_of_damage = matches!(
            error,
            Error::Corruption { .. }
                | Error::Io { .. }
                | Error::NotADatabase { .. }
                | Error::UnsupportedFormat { .. }
        );
        assert!(is_a_kind_of_damage, "opening: {error}; that is not what was done to {}", damaged.join(" "));
        let (text, dir) = (error.to_string(), self.run.path());
        // What is missing of the log, or what the manifest does not tell any more, has no file of its own.
        let only_tables = damaged.iter().all(|name| name.starts_with("table-"));
        let names_one = damaged.iter().any(|name| text.contains(&format!("{dir}/{name}")));
        let names_the_place = names_one || (!only_tables && text.contains(&dir));
        assert!(names_the_place, "opening: {text}; that names none of {}", damaged.join(" "));
        for _ in 0..2 {
            match self.try_open(None) {
                Opened::Refused(again) => assert_eq!(again.to_string(), text, "refused again in other words"),
                Opened::Ready(_) => panic!("opened after it was refused: {text}"),
                Opened::Interrupted => unreachable!("it may not crash here"),
            }
        }
    }

    /// Whether an empty manifest and nothing beside it are left, as by an opening that died while it created the
    /// database. The next one may create it, so it need not refuse in the same words.
    fn nothing_is_left(&self) -> bool {
        self.run.world.files(self.run.dir()).iter().all(|(name, len)| self.run.is_foreign(name) || *len == 0)
    }
}

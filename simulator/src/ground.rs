//! The ground on which a database stands, and which moves under it while it is open: its directory is
//! renamed, a copy takes its place, the process changes its current directory; and what is none of
//! its own lies beside its files.
//!
//! A database is its directory, not the path that once led to it: nothing may be lost, and what is
//! not its own must not be touched. The place is known here by its path from the root; the engine may
//! be given another one, which begins at the current directory.

use std::collections::BTreeMap;

use crate::random::Random;
use crate::scene::Scene;

/// Where databases lie, or are moved to. Each may be the current directory as well.
const HOMES: [&str; 2] = ["/home", "/elsewhere"];

/// Turns between two moves, on the average.
const TURNS: usize = 2000;

/// Copies that may take the place of the database in one run.
const STRANGERS_MAX: usize = 3;

/// What a directory holds: names and contents; none for a directory.
type Contents = BTreeMap<String, Option<Vec<u8>>>;

/// Where the database is, and what else there is.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    random: Random,
    /// The directory of the database, from the root on.
    dir: String,
    /// The current directory of the next process.
    current: &'static str,
    /// The path that the engine is given.
    path: String,
    /// Directories that stand where the database once was, and what was in them when they came.
    strangers: BTreeMap<String, Contents>,
    /// Names in the directory of the database that are none of its own.
    foreign: Contents,
    moves: usize,
}

impl Ground {
    /// The ground of a new run.
    pub(crate) fn new(seed: u64) -> Self {
        let dir = format!("{}/db", HOMES[0]);
        Self {
            random: Random::new(seed, "ground"),
            path: dir.clone(),
            dir,
            current: HOMES[0],
            strangers: BTreeMap::new(),
            foreign: BTreeMap::new(),
            moves: 0,
        }
    }
}

impl Scene {
    /// The directory of the database, from the root on.
    pub(crate) fn dir(&self) -> String {
        self.ground.borrow().dir.clone()
    }

    /// The path that the engine is given.
    pub(crate) fn path(&self) -> String {
        self.ground.borrow().path.clone()
    }

    /// Whether a name in the directory of the database is none of its own.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        self.ground.borrow().foreign.contains_key(name)
    }

    /// Draws by which path the database is opened next, and what lies beside its files.
    pub(crate) fn redraw_ground(&self) {
        let mut ground = self.ground.borrow_mut();
        ground.current = ground.random.pick(&HOMES);
        let below = ground.dir.strip_prefix(ground.current).and_then(|rest| rest.strip_prefix('/'));
        let below = below.map(str::to_owned);
        ground.path = match below {
            Some(below) if ground.random.chance(60) => below,
            _ => ground.dir.clone(),
        };
        if self.is_made.get() && ground.random.chance(10) {
            self.add_foreign(&mut ground);
        }
    }

    /// A directory that is called like a file of the database, or a copy of one whose name has
    /// another zero in front of its number.
    fn add_foreign(&self, ground: &mut Ground) {
        let files = self.world.files(&ground.dir);
        let numbered: Vec<&String> =
            files.iter().map(|(name, _)| name).filter(|name| name.contains('-')).collect();
        if numbered.is_empty() {
            return;
        }
        let model = ground.random.pick(&numbered);
        let Some((kind, number)) = model.split_once('-') else { return };
        let is_copy = ground.random.chance(50);
        let name = if is_copy {
            format!("{kind}-0{number}")
        } else {
            format!("{kind}-{:08}", number.parse().unwrap_or(0) + 1 + ground.random.below(5))
        };
        if files.iter().any(|(other, _)| *other == name) {
            return;
        }
        let path = format!("{}/{name}", ground.dir);
        let added = if is_copy {
            self.world.copy_file(format!("{}/{model}", ground.dir), &path)
        } else {
            self.world.make_dir(&path)
        };
        if added {
            self.note(format_args!("{name} is none of its own"));
            ground.foreign.insert(name, self.world.contents(path));
        }
    }

    /// Goes where the path leads to the database.
    pub(crate) fn enter_current_dir(&self) {
        let current = self.ground.borrow().current;
        for home in HOMES {
            self.world.make_dir(home);
        }
        self.world.change_dir(current);
    }

    /// Now and then, something moves. Not after harm: an opening is then repeated and must say the same.
    pub(crate) fn move_ground(&self) {
        let mut ground = self.ground.borrow_mut();
        if ground.random.below(TURNS) != 0 || !self.judge.borrow().harmed.is_empty() {
            return;
        }
        if ground.random.chance(40) {
            let to = ground.random.pick(&HOMES);
            self.note(format_args!("the current directory is {to}"));
            self.world.change_dir(to);
            return;
        }
        ground.moves += 1;
        let home = ground.random.pick(&HOMES);
        let name = if ground.random.chance(50) { "db".to_owned() } else { format!("db-{}", ground.moves) };
        let (from, to) = (ground.dir.clone(), format!("{home}/{name}"));
        if !self.world.rename(&from, &to) {
            return;
        }
        self.note(format_args!("{from} is now {to}"));
        ground.dir.clone_from(&to);
        if ground.strangers.len() < STRANGERS_MAX && ground.random.chance(60) {
            self.note(format_args!("a copy of it takes its place"));
            self.world.make_dir(&from);
            for (name, _) in self.world.files(&to) {
                self.world.copy_file(format!("{to}/{name}"), format!("{from}/{name}"));
            }
            let contents = self.contents_of(&from);
            ground.strangers.insert(from, contents);
        }
    }

    /// What is none of the database's own is as it was when it came.
    pub(crate) fn check_strangers(&self) {
        if self.judge.borrow().damaged {
            return;
        }
        let ground = self.ground.borrow();
        for (dir, before) in &ground.strangers {
            let now = self.contents_of(dir);
            for name in now.keys().chain(before.keys()) {
                assert!(now.get(name) == before.get(name), "{dir}/{name} is not its own, and was changed");
            }
        }
        let now = self.contents_of(&ground.dir);
        for (name, before) in &ground.foreign {
            // A directory's name was not made durable: once the power has gone it may be another's.
            let was_lost = before.is_none() && self.world.counts().power_losses > 0;
            let is_there = was_lost || now.get(name).map_or(before.is_none(), |now| now == before);
            assert!(is_there, "{name} is not its own, and was changed");
        }
    }

    fn contents_of(&self, dir: &str) -> Contents {
        let names = self.world.files(dir).into_iter().map(|(name, _)| name);
        names.map(|name| (name.clone(), self.world.contents(format!("{dir}/{name}")))).collect()
    }
}

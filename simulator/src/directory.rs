//! The directory of the database, which others rename and copy while it is open: a copy takes its place, the process
//! changes its current directory, and foreign files lie beside those of the database.
//!
//! A database is its directory, not the path that once led to it: nothing may be lost, and what is
//! not its own must not be touched. The directory is known here by its path from the root; the engine may
//! be given another path, which begins at the current directory.

use std::collections::BTreeMap;

use rabi::sim::World;

use crate::random::Random;

/// Where databases lie, or are moved to. Each may be the current directory as well.
const HOMES: [&str; 2] = ["/home", "/elsewhere"];

/// Turns between two changes, on the average.
const TURNS: usize = 2000;

/// Copies that may take the place of the database in one run.
const COPIES_MAX: usize = 3;

/// What a directory holds: names and contents; none for a directory.
type Contents = BTreeMap<String, Option<Vec<u8>>>;

/// Where the database is, and what else there is.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    random: Random,
    /// From the root on.
    dir: String,
    /// The current directory of the next process.
    current: &'static str,
    /// The path that the engine is given.
    path: String,
    /// Copies that stand where the database once was, and what was in them when they were made.
    copies: BTreeMap<String, Contents>,
    /// Names in the directory of the database that are none of its own.
    foreign: Contents,
    /// How often it was renamed.
    renamed: usize,
}

impl Directory {
    /// The directory of a new run.
    pub(crate) fn new(seed: u64) -> Self {
        let dir = format!("{}/db", HOMES[0]);
        Self {
            random: Random::new(seed, "ground"),
            path: dir.clone(),
            dir,
            current: HOMES[0],
            copies: BTreeMap::new(),
            foreign: BTreeMap::new(),
            renamed: 0,
        }
    }

    /// Where it is, from the root on.
    pub(crate) fn dir(&self) -> &str {
        &self.dir
    }

    /// The path that the engine is given.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether a name in it is none of the database's own.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        self.foreign.contains_key(name)
    }

    /// Draws by which path the database is opened next, and if there is one already, what lies beside its
    /// files.
    pub(crate) fn redraw(&mut self, world: &World, is_made: bool) {
        self.current = self.random.pick(&HOMES);
        let below = self.dir.strip_prefix(self.current).and_then(|rest| rest.strip_prefix('/'));
        let below = below.map(str::to_owned);
        self.path = match below {
            Some(below) if self.random.chance(60) => below,
            _ => self.dir.clone(),
        };
        if is_made && self.random.chance(10) {
            self.add_foreign(world);
        }
    }

    /// A directory that is called like a file of the database, or a copy of one whose name has
    /// another zero in front of its number.
    fn add_foreign(&mut self, world: &World) {
        let files = world.files(&self.dir);
        let numbered: Vec<&String> =
            files.iter().map(|(name, _)| name).filter(|name| name.contains('-')).collect();
        if numbered.is_empty() {
            return;
        }
        let model = self.random.pick(&numbered);
        let Some((kind, number)) = model.split_once('-') else { return };
        let is_copy = self.random.chance(50);
        let name = if is_copy {
            format!("{kind}-0{number}")
        } else {
            format!("{kind}-{:08}", number.parse().unwrap_or(0) + 1 + self.random.below(5))
        };
        if files.iter().any(|(other, _)| *other == name) {
            return;
        }
        let path = format!("{}/{name}", self.dir);
        let added = if is_copy {
            world.copy_file(format!("{}/{model}", self.dir), &path)
        } else {
            world.make_dir(&path)
        };
        if added {
            world.note(&format!("{name} is none of its own"));
            self.foreign.insert(name, world.contents(path));
        }
    }

    /// Goes where the path leads to the database.
    pub(crate) fn enter(&self, world: &World) {
        for home in HOMES {
            world.make_dir(home);
        }
        world.change_dir(self.current);
    }

    /// Now and then, if it is permitted, renames it or changes the current directory.
    pub(crate) fn change(&mut self, world: &World, is_permitted: bool) {
        if self.random.below(TURNS) != 0 || !is_permitted {
            return;
        }
        if self.random.chance(40) {
            let to = self.random.pick(&HOMES);
            world.note(&format!("the current directory is {to}"));
            world.change_dir(to);
            return;
        }
        self.renamed += 1;
        let home = self.random.pick(&HOMES);
        let name = if self.random.chance(50) { "db".to_owned() } else { format!("db-{}", self.renamed) };
        let (from, to) = (self.dir.clone(), format!("{home}/{name}"));
        if !world.rename(&from, &to) {
            return;
        }
        world.note(&format!("{from} is now {to}"));
        self.dir.clone_from(&to);
        if self.copies.len() < COPIES_MAX && self.random.chance(60) {
            world.note("a copy of it takes its place");
            world.make_dir(&from);
            for (name, _) in world.files(&to) {
                world.copy_file(format!("{to}/{name}"), format!("{from}/{name}"));
            }
            let contents = contents_of(world, &from);
            self.copies.insert(from, contents);
        }
    }

    /// What is none of the database's own is as it was when it came.
    pub(crate) fn check_others(&self, world: &World) {
        for (dir, before) in &self.copies {
            let now = contents_of(world, dir);
            for name in now.keys().chain(before.keys()) {
                assert!(now.get(name) == before.get(name), "{dir}/{name} is not its own, and was changed");
            }
        }
        let now = contents_of(world, &self.dir);
        for (name, before) in &self.foreign {
            // A directory's name was not made durable: once the power has gone it may be another's.
            let was_lost = before.is_none() && world.counts().power_losses > 0;
            let is_there = was_lost || now.get(name).map_or(before.is_none(), |now| now == before);
            assert!(is_there, "{name} is not its own, and was changed");
        }
    }
}

fn contents_of(world: &World, dir: &str) -> Contents {
    let names = world.files(dir).into_iter().map(|(name, _)| name);
    names.map(|name| (name.clone(), world.contents(format!("{dir}/{name}")))).collect()
}

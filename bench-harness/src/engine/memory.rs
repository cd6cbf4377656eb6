//! A `BTreeMap` under a lock: what an engine costs that has no disk, and the one the harness
//! is tested with.
//!
//! The map is read from `memory.dump` in the directory at open, if there is one, and written
//! there at close, so that a load and a run can be two commands.
//! Durability: none. It refuses `power`, and says in reports that `process` does not hold.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{
    Direction, Durability, Engine, EngineError, EngineResult, EngineStats, Keeps, Kept, ReadVisitor, Scan,
    ScanVisitor, Session, Settings, refuse_options, visit_entries, visit_found,
};

pub const NAME: &str = "memory";
pub const ABOUT: &str = "a BTreeMap under a lock, saved at close; no durability";

type Map = BTreeMap<Box<[u8]>, Box<[u8]>>;

struct Memory {
    map: RwLock<Map>,
    dump: PathBuf,
}

/// Reads the map that an earlier close left, or starts with an empty one.
pub fn open(dir: &Path, settings: &Settings) -> EngineResult<Box<dyn Engine>> {
    refuse_options(NAME, settings)?;
    if settings.durability == Durability::Power {
        return Err(EngineError::Durability {
            engine: NAME,
            durability: settings.durability.name(),
            why: "it keeps everything in memory until it is closed",
        });
    }
    let dump = dir.join("memory.dump");
    let map = match File::open(&dump) {
        Ok(file) => read_map(&mut BufReader::new(file)).map_err(|e| failed("open", &dump, &e))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(failed("open", &dump, &error)),
    };
    Ok(Box::new(Memory { map: RwLock::new(map), dump }))
}

fn failed(operation: &'static str, dump: &Path, error: &io::Error) -> EngineError {
    EngineError::Call { engine: NAME, operation, cause: format!("{}: {error}", dump.display()) }
}

impl Memory {
    // A panic of another client thread leaves the map usable: every write is one call.
    fn shared(&self) -> RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Memory {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(MemorySession { memory: self }))
    }

    fn stats(&self) -> EngineStats {
        let records = self.shared().len() as u64;
        EngineStats::of([("records", records)])
    }

    fn keeps(&self) -> Keeps {
        Keeps { kept: Kept::Nothing, how: "records are in memory until the engine is closed" }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("multi-get", "all keys under one lock".to_owned())]
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        let write = || -> io::Result<()> {
            let mut file = BufWriter::new(File::create(&self.dump)?);
            write_map(&self.shared(), &mut file)?;
            file.flush()
        };
        write().map_err(|error| failed("close", &self.dump, &error))
    }
}

struct MemorySession<'a> {
    memory: &'a Memory,
}

impl Session for MemorySession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        Ok(visit_found(self.memory.shared().get(key), visit))
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.memory.exclusive().insert(key.into(), value.into());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.memory.exclusive().remove(key);
        Ok(())
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        let map = self.memory.shared();
        let after = (Bound::Included(scan.start), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Included(scan.start));
        match scan.direction {
            Direction::Forward => visit_entries(map.range::<[u8], _>(after).map(Ok), scan.limit, visit),
            Direction::Back => visit_entries(map.range::<[u8], _>(before).rev().map(Ok), scan.limit, visit),
        }
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        let map = self.memory.shared();
        for (place, key) in keys.iter().enumerate() {
            if let Some(value) = map.get(key.as_slice()) {
                visit(place, value);
            }
        }
        Ok(())
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        let mut map = self.memory.exclusive();
        for (key, value) in records {
            map.insert(key.as_slice().into(), value.as_slice().into());
        }
        Ok(())
    }
}

/// Pairs of length-prefixed byte strings, lengths as 32-bit little-endian numbers.
fn write_map(map: &Map, file: &mut impl Write) -> io::Result<()> {
    for part in map.iter().flat_map(|(key, value)| [key, value]) {
        let length = u32::try_from(part.len()).map_err(io::Error::other)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(part)?;
    }
    Ok(())
}

fn read_map(file: &mut impl Read) -> io::Result<Map> {
    let mut map = Map::new();
    while let Some(key) = read_part(file)? {
        let value = read_part(file)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        map.insert(key, value);
    }
    Ok(map)
}

fn read_part(file: &mut impl Read) -> io::Result<Option<Box<[u8]>>> {
    let mut length = [0; 4];
    if file.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    file.read_exact(&mut length[1..])?;
    let mut part = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut part)?;
    Ok(Some(part.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_scanned_deleted_and_survive_a_close() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { durability: Durability::Process, options: Vec::new() };
        let engine = open(dir.path(), &settings).unwrap();
        {
            let mut session = engine.session().unwrap();
            for key in [b"a", b"b", b"c", b"d"] {
                session.insert(key, key).unwrap();
            }
            session.update(b"c", b"new").unwrap();
            session.delete(b"b").unwrap();
        }
        engine.close().unwrap();

        let engine = open(dir.path(), &settings).unwrap();
        let mut session = engine.session().unwrap();
        let mut seen = Vec::new();
        let count = session
            .scan(Scan::forward(b"aa", 5), &mut |key, value| seen.push((key.to_vec(), value.to_vec())));
        assert_eq!(count.unwrap(), 2);
        assert_eq!(seen, [(b"c".to_vec(), b"new".to_vec()), (b"d".to_vec(), b"d".to_vec())]);
        assert!(!session.read(b"b", &mut |_| ()).unwrap());
    }
}

//! Whose data a directory holds, so that no engine puts its files among those of another.
//!
//! Most engines take a directory without files of theirs for a new database, whatever else is in it.

use std::fs;
use std::path::Path;

use super::{EngineError, EngineResult};

/// How the name of a file begins that only this engine makes.
const SIGNS: [(&str, &str); 7] = [
    ("rabi", "stage-"),
    ("rocksdb", "IDENTITY"),
    ("lmdb", "data.mdb"),
    ("fjall", "keyspaces"),
    ("redb", "records.redb"),
    ("sled", "blobs"),
    ("memory", "memory.dump"),
];

/// Whether an engine keeps its data set in files, so that an empty directory holds none.
pub fn keeps_files(engine: &str) -> bool {
    SIGNS.iter().any(|(name, _)| *name == engine)
}

/// Refuses a directory with the data of another engine. An engine without files may be anywhere.
pub fn refuse_foreign(engine: &'static str, dir: &Path) -> EngineResult<()> {
    let Some((_, own)) = SIGNS.iter().find(|(name, _)| *name == engine) else { return Ok(()) };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let has = |sign: &str| names.iter().any(|name| name.starts_with(sign));
    match SIGNS.iter().find(|(_, sign)| has(sign)) {
        Some((owner, _)) if !has(own) => Err(EngineError::Call {
            engine,
            operation: "open",
            cause: format!(
                "{} holds the data of the engine {owner}; use --engine {owner}, or name an empty or a new directory",
                dir.display()
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_engines_data_are_refused_and_the_own_and_none_are_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refuse_foreign("memory", dir.path()).is_ok());
        fs::write(dir.path().join("data.mdb"), "").unwrap();
        let error = refuse_foreign("memory", dir.path()).unwrap_err().to_string();
        assert!(error.contains("holds the data of the engine lmdb; use --engine lmdb, or name"), "{error}");
        assert!(refuse_foreign("lmdb", dir.path()).is_ok() && refuse_foreign("null", dir.path()).is_ok());
        fs::write(dir.path().join("memory.dump"), "").unwrap();
        assert!(refuse_foreign("memory", dir.path()).is_ok());
    }
}

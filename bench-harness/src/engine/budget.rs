//! The memory every engine gets: `cache_size_bytes` and `memtable_size_bytes`.
//!
//! The defaults are Rabi's. Rabi and the LSM peers may hold one memtable in use and three that
//! wait for their flush; an engine without memtables gets the same sum as cache. What an engine
//! leaves to the OS cache is bounded by the memory limit of the whole process, if there is one.

use super::{EngineError, EngineResult, Settings};
use crate::size::parse_size;

/// A memtable in use and three frozen ones, Rabi's `max_frozen_memtables`.
pub const MEMTABLES_MAX: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub cache_size_bytes: u64,
    pub memtable_size_bytes: u64,
}

impl Budget {
    /// Reads the two options, and hands every other option to `other`, which says whether it
    /// knows it. `names` are those other options, for the error.
    pub fn from_settings(
        engine: &'static str,
        settings: &Settings,
        names: &str,
        mut other: impl FnMut(&str, &str) -> EngineResult<bool>,
    ) -> EngineResult<Budget> {
        let mut budget = Budget { cache_size_bytes: 256 << 20, memtable_size_bytes: 64 << 20 };
        for (name, value) in &settings.options {
            match name.as_str() {
                "cache_size_bytes" => budget.cache_size_bytes = bytes(engine, name, value)?,
                "memtable_size_bytes" => budget.memtable_size_bytes = bytes(engine, name, value)?,
                _ if other(name, value)? => {}
                _ => {
                    let comma = if names.is_empty() { "" } else { ", " };
                    let all = format!("cache_size_bytes, memtable_size_bytes{comma}{names}");
                    let allowed = format!("there is no such option; the options are {all}");
                    return Err(refused(engine, name, value, allowed));
                }
            }
        }
        Ok(budget)
    }

    /// Cache and memtables together, for engines that do not tell them apart.
    pub fn total_bytes(&self) -> u64 {
        self.cache_size_bytes + MEMTABLES_MAX * self.memtable_size_bytes
    }
}

/// One of the values an option may have, by its word.
pub fn choice<T: Copy>(
    engine: &'static str,
    name: &str,
    value: &str,
    choices: &[(&str, T)],
) -> EngineResult<T> {
    let chosen = choices.iter().find(|(word, _)| *word == value).map(|(_, chosen)| *chosen);
    chosen.ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        refused(engine, name, value, format!("allowed: {}", words.join(", ")))
    })
}

/// A size, at least one mebibyte as some engines panic below it.
pub fn bytes(engine: &'static str, name: &str, value: &str) -> EngineResult<u64> {
    match parse_size(value) {
        Ok(bytes) if bytes >= 1 << 20 => Ok(bytes),
        _ => {
            let allowed = "allowed: a size from 1 MiB on, such as 256MiB or 268435456".to_owned();
            Err(refused(engine, name, value, allowed))
        }
    }
}

/// The error for an option that is not as it should be.
pub fn refused(engine: &'static str, name: &str, value: &str, allowed: String) -> EngineError {
    EngineError::Option { engine, name: name.to_owned(), value: value.to_owned(), allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Durability;

    fn settings(options: &[(&str, &str)]) -> Settings {
        let options = options.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings { durability: Durability::Process, options }
    }

    #[test]
    fn an_engine_without_memtables_gets_their_sum_as_cache() {
        let given = settings(&[("cache_size_bytes", "8MiB"), ("memtable_size_bytes", "2097152")]);
        let budget = Budget::from_settings("x", &given, "", |_, _| Ok(false)).unwrap();
        assert_eq!(budget.total_bytes(), (8 << 20) + 4 * (2 << 20));
    }
}

//! Suites that answer one question each, as the arguments they stand for.
//!
//! A preset is nothing but words in front of those that were typed, which win over it. Sizes follow the number of
//! records, so that `--records` alone makes the same question small. Pure.

use std::ffi::OsString;

use clap::ValueEnum;

use super::SuiteArgs;

/// A suite by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Reads, updates and scans where a quarter of the data fits: 8 M x 1 KB in 2 GiB, 32 threads, 64 async clients
    LargerThanMemory,
    /// The load, and as many uniform overwrites, in the same memory
    OverwritesLargerThanMemory,
    /// YCSB A to F where half of the data fits: 2 M x 1 KB in 1 GB, 2 threads
    TwiceMemory,
    /// A minute of uniform overwrites with memory for everything: 2 M x 1 KB, 2 threads
    Overwrites,
    /// Writes that are on the device before they return: 64 threads, 64 async clients
    PowerWrites,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What of a limit is for the process itself, whatever the number of records.
const PROCESS_BYTES: u64 = 128 * MIB;
/// Beyond what any time allows, so that the time decides.
const UNBOUNDED: u64 = 1_000_000_000_000;

/// What a suite may use, at the number of records it is meant for.
struct Memory {
    limit_bytes: Option<u64>,
    cache_bytes: u64,
    memtable_bytes: u64,
}

impl Preset {
    /// The records it is meant for.
    fn records(self) -> u64 {
        match self {
            Preset::LargerThanMemory | Preset::OverwritesLargerThanMemory => 8_000_000,
            Preset::TwiceMemory | Preset::Overwrites => 2_000_000,
            Preset::PowerWrites => 1_000_000,
        }
    }

    fn memory(self) -> Memory {
        let memtable_bytes = 64 * MIB;
        match self {
            Preset::LargerThanMemory | Preset::OverwritesLargerThanMemory => {
                Memory { limit_bytes: Some(2 * GIB), cache_bytes: 768 * MIB, memtable_bytes }
            }
            Preset::TwiceMemory => {
                Memory { limit_bytes: Some(1_000_000_000), cache_bytes: 256 * MIB, memtable_bytes }
            }
            Preset::Overwrites => Memory { limit_bytes: None, cache_bytes: 4 * GIB, memtable_bytes },
            Preset::PowerWrites => Memory { limit_bytes: None, cache_bytes: 256 * MIB, memtable_bytes },
        }
    }

    /// What is done, with this number of records.
    fn work(self, records: u64) -> String {
        match self {
            Preset::LargerThanMemory => format!(
                "--workloads uniform-reads,c,a,e --threads 32 --clients 64 --drivers --duration 60 \
                 --operations {UNBOUNDED} --load-once"
            ),
            Preset::OverwritesLargerThanMemory => {
                format!("--workloads uniform-overwrites --threads 32 --duration 0 --operations {records}")
            }
            Preset::TwiceMemory => {
                format!("--workloads a-f --threads 2 --duration 20 --operations {UNBOUNDED}")
            }
            Preset::Overwrites => {
                format!("--workloads uniform-overwrites --threads 2 --duration 60 --operations {UNBOUNDED}")
            }
            Preset::PowerWrites => format!(
                "--workloads uniform-overwrites --durability power --threads 64 --clients 64 --duration 30 \
                 --operations {UNBOUNDED}"
            ),
        }
    }

    /// The words it stands for, scaled to a number of records if one is given.
    fn words(self, records: Option<u64>) -> String {
        let (meant, memory) = (self.records(), self.memory());
        let records = records.unwrap_or(meant);
        // In 128 bits: nothing that can be typed overflows.
        let scaled = |bytes: u64| u64::try_from(u128::from(bytes) * u128::from(records) / u128::from(meant));
        let scaled = |bytes: u64| scaled(bytes).unwrap_or(u64::MAX);
        let limit =
            memory.limit_bytes.map(|bytes| scaled(bytes - PROCESS_BYTES).saturating_add(PROCESS_BYTES));
        let limit = limit.map_or(String::new(), |bytes| format!(" --memory-limit {bytes}"));
        format!(
            "--records {records}{limit} --cache-size-bytes {} --memtable-size-bytes {} {}",
            scaled(memory.cache_bytes).max(MIB),
            scaled(memory.memtable_bytes).clamp(MIB, memory.memtable_bytes),
            self.work(records)
        )
    }
}

/// The command with what its preset stands for in front of what was typed, if it has one.
pub fn expanded(arguments: &SuiteArgs, typed: &[OsString]) -> Option<Vec<OsString>> {
    let words = arguments.preset?.words(arguments.job.records);
    let (command, rest) = typed.split_at_checked(2)?;
    let words = words.split(' ').map(OsString::from);
    Some(command.iter().cloned().chain(words).chain(rest.iter().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_records() {
        let full = Preset::LargerThanMemory.words(None);
        let sizes = "--records 8000000 --memory-limit 2147483648 --cache-size-bytes 805306368 \
                     --memtable-size-bytes 67108864 --workloads uniform-reads,c,a,e --threads 32";
        assert!(full.starts_with(sizes), "{full}");
        let quarter = Preset::LargerThanMemory.words(Some(2_000_000));
        let sizes = "--records 2000000 --memory-limit 637534208 --cache-size-bytes 201326592 \
                     --memtable-size-bytes 16777216 ";
        assert!(quarter.starts_with(sizes), "{quarter}");
        let tiny = Preset::LargerThanMemory.words(Some(1000));
        let sizes = "--records 1000 --memory-limit 134469386 --cache-size-bytes 1048576 --memtable-size-bytes 1048576 ";
        assert!(tiny.starts_with(sizes), "{tiny}");
        assert!(
            Preset::OverwritesLargerThanMemory.words(Some(1000)).ends_with("--duration 0 --operations 1000")
        );
        assert!(
            Preset::Overwrites.words(Some(u64::MAX)).starts_with("--records 18446744073709551615 --cache")
        );
    }

    #[test]
    fn what_is_typed_stands_behind_and_wins() {
        use crate::cli::{Cli, Command};
        use clap::Parser;

        let typed = "rabi-bench suite --threads 4 --preset twice-memory --records 1000000 --workloads c";
        let typed: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        let parse = |words: &[OsString]| match Cli::try_parse_from(words).unwrap().command {
            Some(Command::Suite(arguments)) => arguments,
            other => panic!("{other:?}"),
        };
        let all = expanded(&parse(&typed), &typed).unwrap();
        let arguments = parse(&all);
        assert_eq!((arguments.job.threads, arguments.workloads.as_str()), (4, "c"));
        assert_eq!((arguments.job.records, arguments.memory_limit), (Some(1_000_000), Some(567_108_864)));
        assert_eq!(arguments.job.duration, Some(20.0));
    }

    #[test]
    fn every_preset_is_a_command() {
        use crate::cli::Cli;
        use clap::Parser;

        for preset in Preset::value_variants() {
            let words = format!("rabi-bench suite {}", preset.words(None));
            assert!(Cli::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
    }
}

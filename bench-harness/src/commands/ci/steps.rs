//! `rabi-bench ci-steps`: the fixed sequence of operations that `ci` counts, in a process of its
//! own and on its first thread.
//!
//! Everything is prepared before a step begins, so that what is counted is the engine and little
//! else; every step checks what it got. The same arguments give the same calls in the same order.
//! `ci_measured_step` is the function whose instructions callgrind collects: it keeps its name,
//! is never inlined, and nothing else may call it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::allocations;
use crate::arguments::name_value;
use crate::engine::{self, Durability, Engine, EngineResult, Injection, Scan, Session, Settings};
use crate::generator::{Stream, fnv_hash_64};
use crate::verdict::Verdict;

/// Bytes of a value: small enough that an operation, not the copying, is what is counted.
const VALUE_BYTES: usize = 200;
/// Records of a scan, and how many fewer scans than reads there are.
const SCAN_RECORDS: usize = 50;
const SCANS_FEWER: usize = 20;
/// The longest wait for background work.
const SETTLE_MAX: Duration = Duration::from_secs(30);
pub const COUNTERS: [&str; 3] = ["write_bytes", "syncs", "ring_enters"];

/// The function callgrind collects in, by its whole name: a pattern would match the closures
/// inside as well, and each call of one of them would turn collecting off.
pub const MEASURED: &str = concat!(module_path!(), "::ci_measured_step");

/// The arguments of `ci-steps`.
#[derive(Debug, Args)]
pub struct StepsArgs {
    #[arg(long)]
    engine: String,
    #[arg(long = "engine-option", value_parser = name_value)]
    options: Vec<(String, String)>,
    #[arg(long, value_enum)]
    durability: Durability,
    #[arg(long)]
    operations: usize,
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    injection: Injection,
}

/// What one step took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub operations: u64,
    /// Allocations of the calling thread.
    pub allocations: u64,
    pub elapsed_ns: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sequence {
    pub steps: Vec<Step>,
    pub writes: u64,
    /// The engine's counters from after the opening to after the last background work; those
    /// it has.
    pub counters: Vec<(String, u64)>,
    /// How the engine talks to the kernel, if it says so.
    pub backend: Option<String>,
}

/// Carries out the sequence and writes what it took.
pub fn execute(arguments: StepsArgs) -> Result<Verdict> {
    let settings = Settings { durability: arguments.durability, options: arguments.options };
    let engine = engine::open(&arguments.engine, &arguments.dir, &settings)?;
    let engine = arguments.injection.around(engine);
    let sequence = run(&*engine, arguments.operations)?;
    engine.close()?;
    let text = serde_json::to_string(&sequence)?;
    std::fs::write(&arguments.out, text)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Ok(Verdict::Good)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Insert,
    Read,
    ReadAbsent,
    Scan,
    Update,
    Delete,
}

fn run(engine: &dyn Engine, operations: usize) -> Result<Sequence> {
    let keys: Vec<Vec<u8>> = (0..operations as u64).map(key).collect();
    let absent: Vec<Vec<u8>> = (0..operations as u64).map(|n| key(n + (1 << 40))).collect();
    let shuffled = shuffled(&keys);
    let mut session = engine.session()?;
    let before = engine.stats();
    let mut steps = Vec::new();
    let mut step = |name: &str, call: Call, keys: &[Vec<u8>]| -> Result<()> {
        steps.push(measure(&mut *session, name, call, keys)?);
        Ok(())
    };
    step("insert", Call::Insert, &keys)?;
    step("read-memtable", Call::Read, &shuffled)?;
    engine.settle(SETTLE_MAX)?;
    // Brings the blocks into the cache; measured like the others, reported like them.
    step("read-table-first", Call::Read, &keys)?;
    step("read-table", Call::Read, &shuffled)?;
    step("read-absent", Call::ReadAbsent, &absent)?;
    step("scan-50", Call::Scan, &shuffled[..operations.div_ceil(SCANS_FEWER)])?;
    step("update", Call::Update, &shuffled)?;
    step("delete", Call::Delete, &shuffled[..operations / 2])?;
    drop(session);
    engine.settle(SETTLE_MAX)?;
    let after = engine.stats();
    let counted = |name: &&str| Some(((*name).to_owned(), after.value(name)? - before.value(name)?));
    Ok(Sequence {
        steps,
        writes: (operations + operations + operations / 2) as u64,
        counters: COUNTERS.iter().filter_map(counted).collect(),
        backend: after.notes.iter().find(|(name, _)| name == "backend").map(|(_, text)| text.clone()),
    })
}

/// Keys as YCSB makes them, so that the engine meets the prefix it meets there.
fn key(number: u64) -> Vec<u8> {
    format!("user{}", fnv_hash_64(number)).into_bytes()
}

/// Fisher and Yates, always the same way.
fn shuffled(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut random = Stream::new(1, "ci").operation(0);
    let mut keys = keys.to_vec();
    for place in (1..keys.len()).rev() {
        keys.swap(place, random.below(place as u64 + 1) as usize);
    }
    keys
}

fn measure(session: &mut dyn Session, name: &str, call: Call, keys: &[Vec<u8>]) -> Result<Step> {
    let value = [b'v'; VALUE_BYTES];
    let mut copied = Vec::with_capacity(4 * VALUE_BYTES);
    let (start, before) = (Instant::now(), allocations::on_this_thread());
    let seen = ci_measured_step(session, call, keys, &value, &mut copied)?;
    let (elapsed, after) = (start.elapsed(), allocations::on_this_thread());
    let expected = match call {
        Call::ReadAbsent => 0..=0,
        // Scans that start near the last key see fewer records.
        Call::Scan => keys.len()..=keys.len() * SCAN_RECORDS,
        _ => keys.len()..=keys.len(),
    };
    if !expected.contains(&seen) {
        bail!("step {name}: {seen} records seen, {} to {} expected", expected.start(), expected.end());
    }
    Ok(Step {
        name: name.to_owned(),
        operations: keys.len() as u64,
        allocations: after - before,
        elapsed_ns: elapsed.as_nanos() as u64,
    })
}

/// Calls the engine once for each key; returns how many records were written or seen.
#[inline(never)]
fn ci_measured_step(
    session: &mut dyn Session,
    call: Call,
    keys: &[Vec<u8>],
    value: &[u8],
    copied: &mut Vec<u8>,
) -> EngineResult<usize> {
    let mut seen = 0;
    for key in keys {
        match call {
            Call::Insert => session.insert(key, value)?,
            Call::Update => session.update(key, value)?,
            Call::Delete => session.delete(key)?,
            Call::Read | Call::ReadAbsent => {
                let found = session.read(key, &mut |bytes| {
                    copied.clear();
                    copied.extend_from_slice(bytes);
                })?;
                seen += usize::from(found);
                continue;
            }
            Call::Scan => {
                seen += session.scan(Scan::forward(key, SCAN_RECORDS), &mut |_, bytes| {
                    copied.clear();
                    copied.extend_from_slice(bytes);
                })?;
                continue;
            }
        }
        seen += 1;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(name: &str) -> Result<Sequence> {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { durability: Durability::Process, options: Vec::new() };
        let engine = engine::open(name, dir.path(), &settings).unwrap();
        run(&*engine, 200)
    }

    #[test]
    fn the_sequence_is_checked_and_the_same_every_time() {
        let (one, two) = (sequence("memory").unwrap(), sequence("memory").unwrap());
        let counts = |s: &Sequence| s.steps.iter().map(|step| step.allocations).collect::<Vec<_>>();
        assert_eq!(counts(&one), counts(&two));
        let names: Vec<&str> = one.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names.len(), 8);
        assert_eq!(one.writes, 200 + 200 + 100);
        // The map copies key and value of each new record, and its nodes.
        assert!(one.steps[0].allocations >= 400);
        assert_eq!(one.steps[1].allocations, 0);
    }

    #[test]
    fn an_engine_that_makes_things_up_is_caught() {
        let error = sequence("null").unwrap_err().to_string();
        assert_eq!(error, "step read-absent: 200 records seen, 0 to 0 expected");
    }
}

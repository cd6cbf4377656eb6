//! Runs two builds in turn and keeps every result with the number of its pair.
//!
//! Each run is a main job of its own: a fresh data set in a temporary directory (the system's,
//! see `TMPDIR`), then the workloads. With `--load-once` the data set is a clone of one that the
//! side's own program has loaded. The order is A B, B A, A B, ..., so that a machine that
//! gets slower over time slows both sides alike.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::arguments::CompareArgs;
use super::load_once::LoadedOnce;
use super::one_run::{Build, run_once};
use crate::terminal::notice;
use crate::{interrupt, output_file};

/// The programs that are run in turn.
pub fn builds(base: &Path, new: Option<&Path>) -> Result<[Build; 2]> {
    let new = new.map_or_else(this_program, |named| program("NEW", named))?;
    Ok([Build { name: "base", program: program("BASE", base)? }, Build { name: "new", program: new }])
}

/// The program that an argument names, by a path that is not looked up elsewhere.
fn program(argument: &str, named: &Path) -> Result<PathBuf> {
    let advice = format!("with --pairs, {argument} takes the path of a rabi-bench");
    let found = fs::canonicalize(named)
        .with_context(|| format!("there is no program {}; {advice}", named.display()))?;
    if !found.is_file() {
        bail!("{} is no program; {advice}", named.display());
    }
    Ok(found)
}

pub fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of this program")
}

/// Runs both builds in turn, and returns where the results of each are.
pub fn record(
    sides: &[Build; 2],
    pairs: u64,
    arguments: &CompareArgs,
    results: &Path,
) -> Result<(PathBuf, PathBuf)> {
    check(pairs, &arguments.arguments)?;
    for side in sides {
        let dir = results.join(side.name);
        let context = || {
            format!(
                "cannot use the directory {}; name a place that can be written, with --results",
                dir.display()
            )
        };
        fs::create_dir_all(&dir).with_context(context)?;
        if fs::read_dir(&dir).with_context(context)?.next().is_some() {
            bail!(
                "{} is not empty; results of other runs would be mixed in: name another with --results",
                dir.display()
            );
        }
    }
    let mut loaded = Vec::new();
    for side in sides.iter().filter(|_| arguments.load_once) {
        notice(&format!("load: {}", side.name));
        loaded.push(LoadedOnce::load(side, &arguments.arguments)?);
    }
    for pair in 0..pairs {
        end_if_asked(pair)?;
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let side = &sides[index];
            notice(&format!("pair {} of {pairs}: {}", pair + 1, side.name));
            let mut pairing = json!({"pair": pair, "side": side.name, "order": order});
            let mut document = match loaded.get(index) {
                None => run_once(&side.program, &arguments.arguments)?,
                Some(loaded) => {
                    let run = |words: &[OsString]| run_once(&side.program, words);
                    let (document, cloned) = loaded.on_clone(&arguments.arguments, run)?;
                    notice(&cloned.sentence());
                    pairing["cloned"] = json!(cloned);
                    document
                }
            };
            document["pairing"] = pairing;
            let file = results.join(side.name).join(format!("{:02}.json", pair + 1));
            output_file::write_json(&file, &document)?;
        }
    }
    Ok((results.join("base"), results.join("new")))
}

/// What was recorded so far stands.
fn end_if_asked(pairs: u64) -> Result<()> {
    match interrupt::asked() {
        Some(signal) => bail!("cut short by {}: {pairs} whole pairs were recorded", signal.name()),
        None => Ok(()),
    }
}

fn check(pairs: u64, arguments: &[OsString]) -> Result<()> {
    let given = |name: &str| arguments.iter().any(|word| word.to_string_lossy().starts_with(name));
    if pairs == 0 {
        bail!("--pairs is 0; allowed: at least 1, and a verdict needs at least 5");
    }
    for taken in ["--results", "--dir"] {
        if given(taken) {
            bail!(
                "{taken} cannot be given to the single runs; they have directories of their own below \
                 the system's for temporary files, which TMPDIR names"
            );
        }
    }
    if given("--json") {
        bail!(
            "--json cannot be given to the single runs; --results, before the --, says where all results go"
        );
    }
    if given("--loaded") {
        bail!(
            "--loaded cannot be given to the single runs; --load-once, before the --, spares them the loads"
        );
    }
    Ok(())
}

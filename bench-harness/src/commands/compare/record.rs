//! `rabi-bench pairs`: runs two builds in turn and keeps every result with the number of its
//! pair, ready for `compare`.
//!
//! Each run is a main job of its own: a fresh data set in a temporary directory (the system's,
//! see `TMPDIR`), then the workloads. With `--load-once` the data set is a clone of one that the
//! side's own program has loaded. The order is A B, B A, A B, ..., so that a machine that
//! gets slower over time slows both sides alike.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::json_of;
use super::load_once::LoadedOnce;
use super::one_run::{Side, run_once};
use crate::arguments::count;
use crate::terminal::notice;
use crate::verdict::Verdict;
use crate::{interrupt, output_file};

/// The arguments of `pairs`.
#[derive(Debug, Args)]
pub struct PairsArgs {
    /// A rabi-bench built from the base
    #[arg(long, value_name = "PROGRAM")]
    base: PathBuf,
    /// A rabi-bench built from what is to be judged [default: this program]
    #[arg(long, value_name = "PROGRAM")]
    new: Option<PathBuf>,
    /// How often each side runs
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = count::<u64>)]
    pairs: u64,
    /// Where results go: base/01.json, new/01.json and so on
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
    /// Load once per side and run on clones, nothing of them cached; otherwise each run loads
    #[arg(long)]
    load_once: bool,
    /// Arguments of the main job for every run
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// What both sides do.
pub struct Plan<'a> {
    /// How often.
    pub pairs: u64,
    /// The arguments of every main job.
    pub arguments: &'a [OsString],
    /// Whether each side loads once only.
    pub load_once: bool,
}

/// Carries out `pairs`.
pub fn execute(arguments: PairsArgs) -> Result<Verdict> {
    let new = arguments.new.as_deref().map_or_else(this_program, |named| program("--new", named))?;
    let sides = [
        Side { name: "base", program: program("--base", &arguments.base)? },
        Side { name: "new", program: new },
    ];
    let plan =
        Plan { pairs: arguments.pairs, arguments: &arguments.arguments, load_once: arguments.load_once };
    record(&sides, &plan, &arguments.results)?;
    let dir = arguments.results.display();
    notice(&format!("judge them with: rabi-bench compare {dir}/base {dir}/new"));
    Ok(Verdict::Good)
}

/// The program that an argument names, by a path that is not looked up elsewhere.
fn program(argument: &str, named: &Path) -> Result<PathBuf> {
    let advice = format!("{argument} takes the path of a rabi-bench");
    let found = fs::canonicalize(named)
        .with_context(|| format!("there is no program {}; {advice}", named.display()))?;
    if !found.is_file() {
        bail!("{} is no program; {advice}", named.display());
    }
    Ok(found)
}

/// The program that is running.
pub fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of this program")
}

/// Runs both sides in turn.
pub fn record(sides: &[Side; 2], plan: &Plan<'_>, results: &Path) -> Result<()> {
    check(plan)?;
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
    for side in sides.iter().filter(|_| plan.load_once) {
        notice(&format!("load: {}", side.name));
        loaded.push(LoadedOnce::load(side, plan.arguments)?);
    }
    let pairs = plan.pairs;
    for pair in 0..pairs {
        end_if_asked(pair)?;
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let side = &sides[index];
            notice(&format!("pair {} of {pairs}: {}", pair + 1, side.name));
            let mut pairing = json!({"pair": pair, "side": side.name, "order": order});
            let mut document = match loaded.get(index) {
                None => run_once(&side.program, plan.arguments)?,
                Some(loaded) => {
                    let run = |words: &[OsString]| run_once(&side.program, words);
                    let (document, cloned) = loaded.on_clone(plan.arguments, run)?;
                    notice(&cloned.sentence());
                    pairing["cloned"] = json!(cloned);
                    document
                }
            };
            document["pairing"] = pairing;
            let file = results.join(side.name).join(format!("{:02}.json", pair + 1));
            output_file::write(&file, &json_of(&document)?)?;
        }
    }
    Ok(())
}

/// What was recorded so far stands.
fn end_if_asked(pairs: u64) -> Result<()> {
    match interrupt::asked() {
        Some(signal) => bail!("cut short by {}: {pairs} whole pairs were recorded", signal.name()),
        None => Ok(()),
    }
}

fn check(plan: &Plan<'_>) -> Result<()> {
    let given = |name: &str| plan.arguments.iter().any(|word| word.to_string_lossy().starts_with(name));
    if plan.pairs == 0 {
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

//! One run of one side: a main job in a process of its own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::compare::parse;
use crate::{interrupt, subprocess};

/// What to do about a missing place for temporary files.
pub const NO_TEMPORARY: &str =
    "cannot create a temporary directory; name a place that can be written by TMPDIR";

pub struct Build {
    pub name: &'static str,
    pub program: PathBuf,
}

/// One main job; its results as JSON.
pub fn run_once(program: &Path, arguments: &[OsString]) -> Result<Value> {
    let temporary = tempfile::tempdir().context(NO_TEMPORARY)?;
    let (results, errors) = (temporary.path().join("results"), temporary.path().join("errors"));
    let named = || format!("cannot run {}", program.display());
    let mut command = Command::new(program);
    command.args(arguments).arg("--results").arg(&results).stdin(Stdio::null()).stdout(Stdio::null());
    // Its own temporary directories lie in ours, and go with it, however it ends.
    command.env("TMPDIR", temporary.path()).stderr(fs::File::create(&errors).with_context(named)?);
    let status = subprocess::run(&mut command, None).with_context(named)?.with_context(named)?;
    if let Some(signal) = interrupt::asked() {
        bail!("cut short by {}: this run is not kept, those before it are", signal.name());
    }
    let said = || match String::from_utf8_lossy(&fs::read(&errors).unwrap_or_default()).trim() {
        "" => "it said nothing; is it a rabi-bench?".to_owned(),
        text => text.to_owned(),
    };
    let Some(path) = only_result(&results) else {
        bail!("{} ended with {status} and left no results: {}", program.display(), said());
    };
    let document = parse(&path)?;
    // Status 1 without an error is a level of the engine never seen filled, which for short
    // runs is as it should be.
    let phases = document["phases"].as_array().map_or(&[][..], Vec::as_slice);
    let failed: u64 = phases.iter().filter_map(|phase| phase["errors_total"].as_u64()).sum();
    if phases.is_empty() || failed > 0 {
        bail!("{}: {failed} operations failed: {}", program.display(), said());
    }
    Ok(document)
}

fn only_result(dir: &Path) -> Option<PathBuf> {
    let entry = fs::read_dir(dir).ok()?.next()?.ok()?;
    Some(entry.path().join("results.json")).filter(|path| path.exists())
}

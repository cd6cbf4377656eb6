//! `crash --full`: a device that gets full while an engine writes, and has room again.
//!
//! A filler takes a share of what is free (`--room`), an engine the rest; then the filler is removed. Engines follow one
//! another, each on an empty directory that is removed behind it, with a ledger of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::arguments::{CrashArgs, Step};
use super::full_device::EngineFull;
use super::round::{OPEN_MAX, new_ledger};
use super::victim::{Trouble, Victim};
use crate::interrupt;
use crate::terminal::notice;

/// More than this is somebody's disk, and would take long.
const FREE_MAX_BYTES: u64 = 8 << 30;
/// Less holds no memtable and log.
const FREE_MIN_BYTES: u64 = 32 << 20;
/// An engine that neither writes nor fails for so long has halted.
const FULL_MAX: Duration = Duration::from_secs(600);
/// Longer than a child tries for.
const RESUME_MAX: Duration = Duration::from_secs(60);

/// Fills the file system of `dir` with one engine; nothing if a signal ended it.
pub fn fill(arguments: &CrashArgs, engine: &str, dir: &Path) -> Result<Option<EngineFull>> {
    let free = free_bytes(dir)?;
    let filler = dir.join("filler");
    let file = File::create_new(&filler).with_context(|| format!("cannot create {}", filler.display()))?;
    let room_bytes = (free as f64 * arguments.room) as u64;
    fallocate(&file, FallocateFlags::empty(), 0, room_bytes).context("cannot reserve room in the filler")?;
    // As long as it is open, removing it gives nothing back.
    drop(file);
    let database = dir.join(engine);
    fs::create_dir(&database).with_context(|| format!("cannot create {}", database.display()))?;
    let mut full = EngineFull { engine: engine.to_owned(), room_bytes, ..EngineFull::default() };
    let ledger = new_ledger()?;
    let words = |step| arguments.child(engine, &database, step, false, arguments.seed);
    full.trouble = Trouble::in_words(write_and_wait(&words(Step::Fill), &ledger, &filler, &mut full))?.err();
    // Also for an engine that did not live to see it.
    let _ = fs::remove_file(&filler);
    match Victim::start(&words(Step::Recover), &ledger)?.recovered(OPEN_MAX) {
        Ok(recovered) => {
            (full.durability_kept, full.open_s) = (Some(recovered.kept), Some(recovered.found.open_s));
            (full.lost, full.wrong) = (Some(recovered.found.lost), Some(recovered.found.wrong));
            full.first_bad = recovered.texts;
        }
        Err(trouble) => {
            let before = full.trouble.take().map_or(String::new(), |before| format!("{before}; then "));
            full.trouble = Some(format!("{before}opening with room: {trouble}"));
        }
    }
    fs::remove_dir_all(&database).with_context(|| format!("cannot remove {}", database.display()))?;
    if interrupt::asked().is_some() {
        return Ok(None);
    }
    notice(&format!("{engine}: {}", full.trouble.as_deref().unwrap_or("writes again, and all was checked")));
    Ok(Some(full))
}

fn write_and_wait(words: &[OsString], ledger: &File, filler: &Path, full: &mut EngineFull) -> Result<()> {
    let mut writer = Victim::start(words, ledger)?;
    let said = writer.wait_for_word("full", FULL_MAX)?;
    let (count, error) = said.split_once(' ').unwrap_or((&said, ""));
    (full.acknowledged, full.error) = (count.parse().ok(), Some(error.to_owned()));
    let said = writer.wait_for_word("reads", FULL_MAX)?;
    let (good, bad) = said.split_once(' ').unwrap_or((&said, ""));
    (full.reads_good, full.reads_bad) = (good.parse().ok(), bad.parse().ok());
    fs::remove_file(filler).with_context(|| format!("cannot remove {}", filler.display()))?;
    let said = writer.wait_for_word("room", RESUME_MAX)?;
    match (said.strip_prefix("stuck "), said.parse()) {
        (None, Ok(seconds)) => full.resumed_s = Some(seconds),
        (error, _) => bail!(Trouble(format!("does not write again: {}", error.unwrap_or(&said)))),
    }
    writer.kill_after(Duration::ZERO)?;
    Ok(())
}

/// The room there is to be filled; an error if somebody else could miss it.
fn free_bytes(dir: &Path) -> Result<u64> {
    let context = || format!("cannot ask how much room {} has", dir.display());
    let device = |dir: &Path| fs::metadata(dir).map(|metadata| metadata.dev()).with_context(context);
    let advice = "mount a small one and name its mount point with --dir, such as: mount -t tmpfs -o size=256m none DIR";
    if device(dir)? == device(&dir.join(".."))? {
        bail!("--full fills a whole file system, and {} is not the root of one; {advice}", dir.display());
    }
    let space = statvfs(dir).with_context(context)?;
    let free = space.f_bavail * space.f_frsize;
    if !(FREE_MIN_BYTES..=FREE_MAX_BYTES).contains(&free) {
        bail!(
            "--full would fill the file system of {}, which has {} MiB free, and takes {} to {} MiB; {advice}",
            dir.display(),
            free >> 20,
            FREE_MIN_BYTES >> 20,
            FREE_MAX_BYTES >> 20
        );
    }
    Ok(free)
}

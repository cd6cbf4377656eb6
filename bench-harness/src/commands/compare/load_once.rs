//! The data set of one side under `--load-once`: loaded once, settled, and kept until the last
//! run; each run gets a clone of its own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::one_run::{Build, run_once};
use crate::dataset::{self, Cloned};

/// A loaded data set and the place of its clones.
pub struct LoadedOnce {
    /// Holds `loaded` and `clone`: on one file system, for blocks are shared only within one.
    place: TempDir,
}

impl LoadedOnce {
    pub fn load(side: &Build, arguments: &[OsString]) -> Result<Self> {
        let place = tempfile::tempdir().context("cannot create a temporary directory")?;
        let loaded = place.path().join("loaded");
        let mut words = of_load(arguments);
        words.extend([OsString::from("--dir"), loaded.clone().into()]);
        run_once(&side.program, &words).with_context(|| format!("cannot load for {}", side.name))?;
        let has_files = fs::read_dir(&loaded).is_ok_and(|mut entries| entries.next().is_some());
        if !has_files {
            bail!("the engine of {} keeps nothing in its directory; leave --load-once out", side.name);
        }
        Ok(Self { place })
    }

    /// Clones the data set, hands `run` the arguments of a run on the clone, and removes it.
    pub fn on_clone<T>(
        &self,
        arguments: &[OsString],
        run: impl FnOnce(&[OsString]) -> Result<T>,
    ) -> Result<(T, Cloned)> {
        let clone = self.place.path().join("clone");
        let cloned = dataset::clone(&self.place.path().join("loaded"), &clone)?;
        let mut words = arguments.to_vec();
        words.extend([OsString::from("--loaded"), OsString::from("--dir"), clone.clone().into()]);
        let done = run(&words)?;
        remove(&clone)?;
        Ok((done, cloned))
    }
}

fn remove(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))
}

/// The arguments of a main job without its workloads, and such that it settles.
fn of_load(arguments: &[OsString]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if word == "--workloads" {
            rest.next();
        } else if word != "--settle" && !is_workloads(word) {
            words.push(word.clone());
        }
    }
    words.extend(["--workloads=", "--settle"].map(OsString::from));
    words
}

fn is_workloads(word: &OsStr) -> bool {
    word.to_string_lossy().starts_with("--workloads=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_no_workloads_and_settles() {
        for given in ["--records 9 --workloads c --settle", "--workloads=a,b --records 9", "--records 9"] {
            let given: Vec<OsString> = given.split(' ').map(OsString::from).collect();
            assert_eq!(of_load(&given), ["--records", "9", "--workloads=", "--settle"], "{given:?}");
        }
    }
}

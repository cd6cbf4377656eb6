//! Reads the runs of one side: a result file, or a directory of them.
//!
//! In a directory every `.json` below it is looked at, in the order of names; files that are
//! not results are passed over, for there may be calibrations and raw data beside them. A file
//! that was named must be one. The same measurement found twice, such as a summary of runs that
//! are also there one by one, counts once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::run::{Run, is_result, runs_of};

pub fn read(path: &Path) -> Result<Vec<Run>> {
    let metadata = fs::metadata(path).with_context(|| {
        format!("cannot read {}; give a file written by --json, or a directory of them", path.display())
    })?;
    let mut runs = if metadata.is_dir() { read_dir(path)? } else { runs_of(&parse(path)?, path)? };
    drop_repeated(&mut runs);
    if runs.is_empty() {
        bail!(
            "{}: there is no result of rabi-bench in it; give files written by --json, or a \
             directory of them",
            path.display()
        );
    }
    Ok(runs)
}

fn read_dir(dir: &Path) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for file in json_files(dir)? {
        let document = parse(&file)?;
        if is_result(&document) {
            runs.extend(runs_of(&document, &file)?);
        }
    }
    Ok(runs)
}

fn json_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read the directory {}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).with_context(context)? {
        paths.push(entry.with_context(context)?.path());
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(json_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(files)
}

pub fn parse(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: this is not JSON; was the run that wrote it cut off?", path.display()))
}

/// No two measurements agree in every number to the last bit.
fn drop_repeated(runs: &mut Vec<Run>) {
    let mut seen: Vec<Run> = Vec::new();
    for run in runs.drain(..) {
        let same =
            |other: &Run| other.key == run.key && other.metrics == run.metrics && run.metrics.len() > 1;
        if !seen.iter().any(same) {
            seen.push(run);
        }
    }
    *runs = seen;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rate: f64) -> String {
        format!(
            r#"{{"schema": 2, "engine": "null", "phase": "run", "workload": "a", "operations": {{}},
                 "throughput_ops_s": {rate}, "resources": {{"cpu_us_per_operation": 1}}}}"#
        )
    }

    #[test]
    fn a_directory_gives_its_results_once_each_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("raw")).unwrap();
        write("raw/2.json", &result(2.0));
        write("1.json", &result(1.0));
        write("summary.json", &result(2.0));
        write("calibration.json", r#"{"kind": "calibration"}"#);
        write("notes.txt", "not looked at");
        let rates: Vec<f64> =
            read(dir.path()).unwrap().iter().map(|run| run.metrics["throughput_ops_s"]).collect();
        assert_eq!(rates, [1.0, 2.0]);
    }
}

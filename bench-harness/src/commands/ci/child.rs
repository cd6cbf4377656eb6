//! Starts `ci-steps` in a process of its own, within a time limit.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::steps::Sequence;
use crate::{interrupt, subprocess};

pub struct Children {
    pub program: PathBuf,
    /// Arguments for every child: engine, options, injection.
    pub arguments: Vec<OsString>,
    /// When all must have ended.
    pub deadline: Instant,
}

impl Children {
    /// Runs the steps once in `scratch`, behind the words of `wrapper`, such as valgrind's.
    pub fn run(&self, scratch: &Path, wrapper: &[OsString], more: &[&str]) -> Result<Sequence> {
        let database = tempfile::tempdir_in(scratch).context("cannot create a temporary directory")?;
        let out = database.path().join("steps.json");
        let dir = database.path().join("db");
        std::fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let mut words = wrapper.to_vec();
        words.push(self.program.clone().into_os_string());
        words.push("ci-steps".into());
        words.extend(self.arguments.iter().cloned());
        words.extend(more.iter().map(OsString::from));
        words.extend(["--dir".into(), dir.into_os_string(), "--out".into(), out.clone().into_os_string()]);
        self.run_words(&words, &database.path().join("errors.txt"))?;
        let text = std::fs::read_to_string(&out)
            .with_context(|| format!("the steps left no result in {}", out.display()))?;
        serde_json::from_str(&text).context("the result of the steps cannot be read")
    }

    fn run_words(&self, words: &[OsString], errors: &Path) -> Result<()> {
        let (program, arguments) = words.split_first().expect("there is at least the program");
        let named = || format!("cannot run {}", program.to_string_lossy());
        let file = File::create(errors).with_context(named)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let ended = subprocess::run(&mut command, Some(self.deadline)).with_context(named)?;
        if let Some(signal) = interrupt::asked() {
            bail!("cut short by {}: counters that were not all taken are not judged", signal.name());
        }
        let Some(status) = ended else {
            bail!("the time limit has passed; raise --time-limit or lower --operations");
        };
        if !status.success() {
            let said = std::fs::read_to_string(errors).unwrap_or_default();
            bail!("{} ended with {status}: {}", program.to_string_lossy(), said.trim());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_takes_too_long_is_ended_and_what_fails_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let run = |limit: Duration, script: &str| {
            let children =
                Children { program: PathBuf::new(), arguments: Vec::new(), deadline: Instant::now() + limit };
            let words: Vec<OsString> = ["sh", "-c", script].map(OsString::from).to_vec();
            children.run_words(&words, &dir.path().join("errors.txt")).map_err(|e| e.to_string())
        };
        assert_eq!(run(Duration::from_secs(20), "true"), Ok(()));
        let error = run(Duration::from_secs(20), "echo no room >&2; exit 4").unwrap_err();
        assert_eq!(error, "sh ended with exit status: 4: no room");
        let start = Instant::now();
        assert!(run(Duration::from_millis(50), "exec sleep 30").unwrap_err().contains("--time-limit"));
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

//! One run of one engine: a process of this same program that does the main job.
//!
//! A process of its own gives each run its own heap, its own peak of memory and its own control
//! group, and a command that anybody can repeat alone.

use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use super::arguments::SuiteArgs;
use super::plan;
use crate::control_group::{Group, JOIN_GROUP, MemoryLimit};
use crate::engine;
use crate::interrupt::{self, Interrupt};
use crate::subprocess;

/// The words of a command after the program's name.
pub type Words = Vec<String>;

/// What the runs of one engine have in common.
#[derive(Debug)]
pub struct Recipe<'a> {
    pub arguments: &'a SuiteArgs,
    pub workloads: &'a [String],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Well,
    WithFailures,
    /// A signal to this process ended it; the numbers so far are there, unless it came too early.
    CutShort(Interrupt),
    /// It could not be carried out; there are no numbers.
    Refused,
    /// The system ended it, as when memory or the device was full; there are no numbers. With why, if that is known.
    BySystem(ExitStatus, Option<String>),
}

impl Recipe<'_> {
    /// A run that loads `dir` and does all workloads.
    pub fn whole(&self, engine: &str, dir: &Path, json: &Path) -> Words {
        self.words(engine, dir, json, &self.workloads.join(","), false)
    }

    pub fn load(&self, engine: &str, dir: &Path, json: &Path) -> Words {
        self.words(engine, dir, json, "", false)
    }

    /// A run on a data set that is there.
    pub fn on_loaded(&self, engine: &str, dir: &Path, json: &Path) -> Words {
        self.words(engine, dir, json, &self.workloads.join(","), true)
    }

    /// The patterns of `cliffs`, on databases of their own below `dir`.
    pub fn cliffs(&self, engine: &str, dir: &Path, json: &Path) -> Words {
        let (arguments, mut words) = (self.arguments, vec!["cliffs".to_owned()]);
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        flag("--engines", engine.to_owned());
        flag("--dir", dir.display().to_string());
        flag("--json", json.display().to_string());
        flag("--durability", arguments.common.durability.name().to_owned());
        flag("--seed", arguments.data.seed.to_string());
        flag("--cache-size-bytes", arguments.common.cache_size_bytes.to_string());
        flag("--memtable-size-bytes", arguments.memtable_size_bytes().to_string());
        for setting in arguments.common.options_of(engine) {
            flag("--engine-option", format!("{engine}.{setting}"));
        }
        if let Some(seconds) = arguments.job.duration {
            flag("--duration", seconds.to_string());
        }
        if let Some(bytes) = arguments.memory_limit {
            flag("--memory-limit", bytes.to_string());
        }
        words.extend(arguments.job.smoke.then(|| "--smoke".to_owned()));
        words
    }

    fn words(&self, name: &str, dir: &Path, json: &Path, workloads: &str, loaded: bool) -> Words {
        let (arguments, engine) = (self.arguments, plan::engine_of(name));
        let mut words = Words::new();
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        flag("--engine", engine.to_owned());
        flag("--dir", dir.display().to_string());
        flag("--json", json.display().to_string());
        flag("--workloads", workloads.to_owned());
        flag("--durability", arguments.common.durability.name().to_owned());
        flag("--threads", arguments.job.threads.to_string());
        flag("--seed", arguments.data.seed.to_string());
        if engine::is_budgeted(engine) {
            flag("--engine-option", format!("cache_size_bytes={}", arguments.common.cache_size_bytes));
            flag("--memtable-size-bytes", arguments.memtable_size_bytes().to_string());
        }
        for setting in arguments.common.options_of(engine) {
            flag("--engine-option", setting.to_owned());
        }
        for (name, value) in
            [("--records", arguments.job.records), ("--operations", arguments.job.operations)]
        {
            if let Some(value) = value {
                flag(name, value.to_string());
            }
        }
        if let Some(seconds) = arguments.job.duration {
            flag("--duration", seconds.to_string());
        }
        let clients = &arguments.job.clients;
        for (argument, value) in [("--clients", clients.clients), ("--cores", clients.cores)] {
            if let Some(value) = value.filter(|_| plan::has_futures(name)) {
                flag(argument, value.to_string());
            }
        }
        if let Some(bytes) = arguments.memory_limit {
            flag("--memory-limit", bytes.to_string());
        }
        for property in &arguments.job.properties {
            flag("-p", property.clone());
        }
        let switches = [
            ("--verify", arguments.data.verify),
            ("--settle", arguments.data.settle && !loaded),
            ("--smoke", arguments.job.smoke),
            ("--loaded", loaded),
        ];
        words.extend(switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
        words
    }
}

/// Runs a command in a group of its own, if there is a limit. Its output is dropped, what it says
/// to the user is passed on.
pub fn run(words: &Words, limit: Option<&MemoryLimit>, name: &str) -> Result<Ended> {
    let program = std::env::current_exe().context("cannot find the program that runs")?;
    let mut command = Command::new(program);
    command.args(words).stdout(std::process::Stdio::null());
    let group = match limit {
        Some(limit) => Some(limit.group(name).map_err(anyhow::Error::msg)?),
        None => None,
    };
    if let Some(group) = &group {
        command.arg(JOIN_GROUP).arg(group.dir());
    }
    let context = || format!("cannot start {}", shown(words));
    let status = subprocess::run(&mut command, None).with_context(context)?.with_context(context)?;
    if let Some(interrupt) = interrupt::asked() {
        return Ok(Ended::CutShort(interrupt));
    }
    match status.code() {
        Some(0) => Ok(Ended::Well),
        Some(1) => Ok(Ended::WithFailures),
        Some(2) => Ok(Ended::Refused),
        _ => Ok(Ended::BySystem(status, group.as_ref().and_then(Group::explain_kill))),
    }
}

/// A command as it would be typed.
pub fn shown(words: &Words) -> String {
    let quoted = words.iter().map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    format!("rabi-bench {}", quoted.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = ["--workloads", "", "-p", "a=b c", "it's"].map(str::to_owned).to_vec();
        assert_eq!(shown(&words), "rabi-bench --workloads '' -p 'a=b c' 'it'\\''s'");
    }
}

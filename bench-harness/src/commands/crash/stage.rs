//! How far a child process has come, by what it says.

use anyhow::{Context, Result};

use crate::terminal::output;

/// How far a child has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has said nothing yet.
    Starting,
    Opening,
    Opened,
    Loading,
    Running,
}

impl Stage {
    /// What is under way, for reports.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Starting => "start",
            Stage::Opening => "open",
            Stage::Opened => "opened",
            Stage::Loading => "load",
            Stage::Running => "run",
        }
    }
}

pub fn say(line: &str) -> Result<()> {
    output(&format!("{line}\n")).context("cannot tell the parent")
}

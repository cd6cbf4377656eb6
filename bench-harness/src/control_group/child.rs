//! A command carried out once more, as a child within a group.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use super::limit::join;
use super::{Hierarchy, MemoryLimit};
use crate::subprocess;

/// The argument by which a process is told the group it is to run in.
pub const JOIN_GROUP: &str = "--join-group";

/// Joins the group that is named, or carries this same command out as a child in a group of its own: then there is the
/// status to end with. Nothing of either if memory is not to be bounded.
pub fn carry_out_within(group: Option<&Path>, limit_bytes: Option<u64>) -> Result<Option<ExitCode>> {
    match (group, limit_bytes) {
        (Some(group), _) => join_named(group).map(|()| None),
        (None, Some(bytes)) => as_child(bytes).map(Some),
        (None, None) => Ok(None),
    }
}

fn join_named(group: &Path) -> Result<()> {
    join(group).with_context(|| {
        let advice = "--join-group takes the directory of one, below /sys/fs/cgroup";
        format!("cannot join the control group {}; {advice}", group.display())
    })
}

fn as_child(bytes: u64) -> Result<ExitCode> {
    let limit = MemoryLimit::new(Hierarchy::of_this_process(), bytes).map_err(anyhow::Error::msg)?;
    let group = limit.group("run").map_err(anyhow::Error::msg)?;
    let mut command = Command::new(std::env::current_exe().context("cannot find the program that runs")?);
    command.args(std::env::args_os().skip(1)).arg(JOIN_GROUP).arg(group.dir());
    let context = "cannot start the process that is to have its memory bounded";
    let status = subprocess::run(&mut command, None).context(context)?.context(context)?;
    match (status.code(), group.explain_kill()) {
        (Some(code), _) => Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)),
        (None, Some(why)) => bail!("the system ended the run ({status}): {why}"),
        (None, None) => bail!("the system ended the run ({status})"),
    }
}

//! The arguments that bound the memory of a command.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::control_group::carry_out_within;
use crate::size::parse_size;

/// What bounds the memory of a command.
#[derive(Debug, Clone, Default, Args)]
pub struct MemoryArgs {
    /// The most memory, such as 2GiB, the OS cache it fills included, by a control group made for it
    #[arg(long, value_name = "SIZE", help_heading = "Engine", value_parser = parse_size)]
    memory_limit: Option<u64>,
    /// The control group to run in, an existing directory, instead of one made for it
    #[arg(long, value_name = "DIR", help_heading = "Engine")]
    join_group: Option<PathBuf>,
}

impl MemoryArgs {
    /// Bounds this process, or carries the command out in one that is bounded: then there is the status to end with.
    pub fn bound(&self) -> Result<Option<ExitCode>> {
        carry_out_within(self.join_group.as_deref(), self.memory_limit)
    }
}

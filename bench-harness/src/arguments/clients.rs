//! The arguments that make clients futures, and what that demands.

use anyhow::{Result, bail};
use clap::Args;

use super::count;
use crate::engine;
use crate::properties::{Origin, Properties};
use crate::runner::PhaseKind;
use crate::workload::Workload;

/// Clients that are futures, in place of threads.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientsArgs {
    /// Clients that are futures, each with one operation at a time, in place of threads; for engines whose calls
    /// can be awaited (property rabi.clients)
    #[arg(long, value_name = "N", help_heading = "Workload")]
    #[arg(value_parser = count::<u64>)]
    pub clients: Option<u64>,
    /// Threads that the clients of --clients share [default: one for each processor] (property rabi.cores)
    #[arg(long, value_name = "N", help_heading = "Workload", requires = "clients")]
    #[arg(value_parser = count::<u64>)]
    pub cores: Option<u64>,
    /// The threads of --clients read on rings of their own, by a `Driver` each, instead of asking the engine's
    /// threads to (property rabi.drivers)
    #[arg(long, help_heading = "Workload", requires = "clients")]
    pub drivers: bool,
}

impl ClientsArgs {
    /// Sets the properties that were given as arguments.
    pub fn set(&self, properties: &mut Properties) {
        for (name, flag, value) in
            [("rabi.clients", "--clients", self.clients), ("rabi.cores", "--cores", self.cores)]
        {
            if let Some(value) = value {
                properties.set(name, value.to_string(), Origin::Flag(flag));
            }
        }
        if self.drivers {
            properties.set("rabi.drivers", "true".to_owned(), Origin::Flag("--drivers"));
        }
    }
}

/// Refuses futures for engines that block, and tickets without futures.
pub fn check_clients(kind: PhaseKind, workload: &Workload, engine: &str) -> Result<()> {
    if workload.clients > 0 && !engine::awaits(engine) {
        bail!(
            "--clients (rabi.clients): the engine {engine} has no calls that can be awaited; leave it out, and use \
             --threads"
        );
    }
    if workload.drivers && workload.clients == 0 {
        bail!("rabi.drivers: threads of clients that are futures have them; add --clients N (rabi.clients)");
    }
    if kind == PhaseKind::Run && workload.mix.ticket > 0.0 && workload.clients == 0 {
        bail!(
            "rabi.ticketproportion: tickets are awaited, and threads cannot; add --clients N (rabi.clients)"
        );
    }
    Ok(())
}

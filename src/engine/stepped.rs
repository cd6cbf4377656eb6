//! Opening a database on cores that the caller steps, on real files or in a simulated world. Feature
//! `sim`.

use std::path::Path;

use super::environment::Environment;
use super::open::{Handle, on_cores, prepare, probe_for, start};
use crate::base::error::Result;
use crate::base::options::Options;
use crate::base::sync::Arc;
use crate::exec::{Cores, Reply, Stepped};
use crate::io::Io;

/// Opens a database on cores that the caller steps; the reply comes as they are.
pub(crate) fn open_stepped(dir: &Path, options: Options) -> Result<(Stepped, Reply<Result<Handle>>)> {
    step_in(&probe_for(&options)?, dir, options, Environment::HOST)
}

/// Opens a database in a simulated world, on cores that the caller steps.
pub(crate) fn open_simulated(
    world: &crate::io::sim::World,
    dir: &Path,
    options: Options,
) -> Result<(Stepped, Reply<Result<Handle>>)> {
    let io: Arc<dyn Io> = Arc::new(crate::io::sim::Machine::new(world));
    let (mut stepped, opening) = step_in(&io, dir, options, Environment::SIMULATED)?;
    stepped.tell_deadlines();
    Ok((stepped, opening))
}

fn step_in(
    io: &Arc<dyn Io>,
    dir: &Path,
    options: Options,
    environment: Environment,
) -> Result<(Stepped, Reply<Result<Handle>>)> {
    let (dir, lock, count) = prepare(io, dir, &options)?;
    let (cores, stepped) = on_cores(io, &options, |io| Cores::stepped(io, count, &lock))?;
    drop(lock);
    let opening = start(&Arc::new(cores), dir, options, environment);
    Ok((stepped, opening))
}

//! A database whose cores are stepped by the caller instead of running on threads. Feature `sim`.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::Db;
use crate::base::error::Result;
use crate::base::options::Options;
use crate::base::sync::Arc;
use crate::engine::Handle;
use crate::exec::{Reply, Stepped};

/// The cores of a database opened with [`Db::open_stepped`] or in a simulated world. Nothing happens in the background
/// unless a core is stepped. Blocking calls that need a core (a `Power` write, a flush) would wait
/// forever on the stepping thread.
#[must_use = "nothing happens unless cores are stepped"]
pub struct Stepper {
    cores: Stepped,
}

impl Stepper {
    /// Number of cores.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores.count()
    }

    /// Takes one turn of a core, without waiting; returns whether it found anything to do. In a child of
    /// the process that opened the database there is nothing to do.
    pub fn turn(&mut self, core: usize) -> bool {
        self.cores.turn(core)
    }
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stepper({} cores)", self.cores())
    }
}

/// A database being opened: ready after enough steps.
#[must_use = "a database that is not asked for is closed"]
pub struct OpeningDb(Reply<Result<Handle>>);

impl fmt::Debug for OpeningDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningDb")
    }
}

impl OpeningDb {
    /// The database, if opening has ended.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn poll(&mut self) -> Option<Result<Db>> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.0).poll(&mut context) {
            Poll::Pending => None,
            Poll::Ready(opened) => Some(opened.flatten().map(|handle| Db { handle: Arc::new(handle) })),
        }
    }
}

pub(super) fn open(dir: &Path, options: Options) -> Result<(Stepper, OpeningDb)> {
    let (cores, opening) = crate::engine::open_stepped(dir, options)?;
    Ok((Stepper { cores }, OpeningDb(opening)))
}

pub(super) fn open_simulated(
    world: &crate::engine::World,
    dir: &Path,
    options: Options,
) -> Result<(Stepper, OpeningDb)> {
    let (cores, opening) = crate::engine::open_simulated(world, dir, options)?;
    Ok((Stepper { cores }, OpeningDb(opening)))
}

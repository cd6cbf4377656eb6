//! Cores without threads: whoever holds them takes their turns, in any order. Feature `sim`.

use super::core::{Core, Turn};
use super::cores::Cores;
use crate::base::error::Result;
use crate::base::sync::{Arc, Mutex};
use crate::io::{Io, Lock, Process};

/// The cores of one database, on the thread that made them.
pub(crate) struct Stepped {
    cores: Vec<Core>,
    /// Whether an idle core tells its queue until when it would sleep. A simulated queue notes that and does
    /// not sleep; a real one would.
    tells: bool,
    /// Its children may not touch the cores' queues.
    process: Process,
}

impl Cores {
    /// Makes `count` cores on the calling thread, to be stepped by it.
    pub(crate) fn stepped(io: &Arc<dyn Io>, count: usize, held: &Lock) -> Result<(Self, Stepped)> {
        let cores = (0..count).map(|number| Core::new(io, number, held)).collect::<Result<Vec<_>>>()?;
        let mailboxes = cores.iter().map(|core| Arc::clone(core.mailbox())).collect();
        let stepped = Stepped { cores, tells: false, process: Process::current() };
        Ok((Self { mailboxes, threads: Mutex::default() }, stepped))
    }
}

impl Stepped {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.cores.len()
    }

    /// Takes one turn of one core without waiting; returns whether it found work.
    pub(crate) fn turn(&mut self, core: usize) -> bool {
        self.process.is_current() && self.cores[core].turn(self.tells) == Turn::Worked
    }

    /// For cores of a simulated world: idle ones tell it when they would wake up.
    pub(crate) fn tell_deadlines(&mut self) {
        self.tells = true;
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        if !self.process.is_current() {
            std::mem::forget(std::mem::take(&mut self.cores));
        }
    }
}

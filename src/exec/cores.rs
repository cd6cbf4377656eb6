//! All cores of one database: started on threads of their own, or stepped by a test.

use std::future::Future;

use super::core::{Core, Turn, start_of};
use super::local::Local;
use super::mailbox::Mailbox;
use super::reply::{Reply, reply};
use crate::base::error::{Error, Result};
use crate::base::sync::{Arc, Mutex, lock};
use crate::io::{Io, Lock, Process, Thread};

/// Handle to the running cores. Shared by all that start tasks.
pub(crate) struct Cores {
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Mutex<Vec<Box<dyn Thread>>>,
}

impl Cores {
    /// Starts `count` cores, each on a thread of its own.
    pub(crate) fn start(io: &Arc<dyn Io>, count: usize, held: &Lock) -> Result<Self> {
        let mut cores = Self { mailboxes: Vec::new(), threads: Mutex::default() };
        for number in 0..count {
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            let (thread_io, thread_lock) = (Arc::clone(io), held.clone());
            let body = move || match Core::new(&thread_io, number, &thread_lock) {
                Ok(mut core) => {
                    drop(thread_lock);
                    let started = sender.send(Ok(Arc::clone(core.mailbox())));
                    while started.is_ok() && core.turn(true) != Turn::Stopped {}
                }
                Err(error) => drop(sender.send(Err(error))),
            };
            let thread = io.start_thread(format!("rabi-core-{number}"), Box::new(body))?;
            lock(&cores.threads).push(thread);
            // A core that died before it answered has dropped its sender.
            cores.mailboxes.push(receiver.recv().map_err(|_| Error::Closed)??);
        }
        Ok(cores)
    }

    /// Makes `count` cores on the calling thread, to be stepped by it.
    pub(crate) fn stepped(io: &Arc<dyn Io>, count: usize, held: &Lock) -> Result<(Self, Stepped)> {
        let cores = (0..count).map(|number| Core::new(io, number, held)).collect::<Result<Vec<_>>>()?;
        let mailboxes = cores.iter().map(|core| Arc::clone(core.mailbox())).collect();
        Ok((
            Self { mailboxes, threads: Mutex::default() },
            Stepped { cores, tells: false, process: Process::current() },
        ))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.mailboxes.len()
    }

    /// Starts a task on one core.
    pub(crate) fn spawn<F, T>(&self, core: usize, make: F)
    where
        F: FnOnce(Local) -> T + Send + 'static,
        T: Future<Output = ()> + 'static,
    {
        self.mailboxes[core].start(start_of(make));
    }

    /// Runs a task on one core and returns its result to whoever waits.
    pub(crate) fn run<F, T, R>(&self, core: usize, make: F) -> Reply<R>
    where
        F: FnOnce(Local) -> T + Send + 'static,
        T: Future<Output = R> + 'static,
        R: Send + 'static,
    {
        let (promise, answer) = reply();
        self.spawn(core, move |local| {
            let work = make(local);
            async move { promise.fulfil(work.await) }
        });
        answer
    }

    /// Stops all cores and waits for their threads; tasks not finished are dropped.
    pub(crate) fn stop(&self) {
        self.mailboxes.iter().for_each(|mailbox| mailbox.stop());
        let threads = std::mem::take(&mut *lock(&self.threads));
        threads.into_iter().for_each(Thread::join);
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Cores without threads: whoever holds this takes their turns, in any order.
pub(crate) struct Stepped {
    cores: Vec<Core>,
    /// Whether an idle core tells its queue until when it would sleep. Only a simulated queue takes
    /// that as news and does not sleep.
    tells: bool,
    /// Its children may not touch the cores' queues.
    process: Process,
}

impl Stepped {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.cores.len()
    }

    /// Takes one turn of one core without waiting; returns whether it found work.
    pub(crate) fn step(&mut self, core: usize) -> bool {
        self.process.is_current() && self.cores[core].turn(self.tells) == Turn::Worked
    }

    /// For cores of a simulated world: idle ones tell it when they would wake up.
    #[cfg(feature = "sim")]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::options::IoBackend;
    use crate::exec::block_on;
    use crate::io::probe;

    fn start(root: &tempfile::TempDir) -> Cores {
        let io = probe::choose(IoBackend::Auto).unwrap();
        let dir = io.open_dir(root.path()).unwrap().unwrap();
        let lock = io.lock(&dir, "LOCK").unwrap();
        Cores::start(&io, 1, &lock).unwrap()
    }

    #[test]
    fn who_asks_a_core_that_has_stopped_is_told_so() {
        let root = tempfile::tempdir().unwrap();
        let cores = start(&root);
        assert_eq!(block_on(cores.run(0, |_| async { 7 })).unwrap(), 7);
        cores.stop();
        assert!(matches!(block_on(cores.run(0, |_| async { 7 })), Err(Error::Closed)));
    }

    #[test]
    fn who_waits_for_a_core_that_panics_is_told_so() {
        let root = tempfile::tempdir().unwrap();
        let cores = start(&root);
        let other = cores.run(0, |_| std::future::pending::<()>());
        let panicked = cores.run(0, |_| async { panic!("as the test wants") });
        assert!(matches!(block_on(panicked), Err(Error::Closed)));
        assert!(matches!(block_on(other), Err(Error::Closed)));
        assert!(matches!(block_on(cores.run(0, |_| async { 7 })), Err(Error::Closed)));
    }
}

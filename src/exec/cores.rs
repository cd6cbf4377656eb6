//! All cores of one database, started on threads of their own.

use std::future::Future;

use super::core::{Core, Turn};
use super::guest::Outcome;
use super::local::Local;
use super::mailbox::Mailbox;
use super::reply::{Reply, reply};
use crate::base::error::{Error, Result};
use crate::base::sync::{Arc, Mutex, lock};
use crate::io::{Io, Lock, Thread};

/// Handle to the running cores. Shared by all that start tasks.
pub(crate) struct Cores {
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) threads: Mutex<Vec<Box<dyn Thread>>>,
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
        self.mailboxes[core].start(Box::new(move |local| local.spawn(make(local.clone()))));
    }

    /// Starts a guest on one core; tells what it comes to. `prepare` is the engine's, what it returns the guest's.
    pub(crate) fn spawn_guest<T, P>(&self, core: usize, prepare: P) -> Reply<Outcome<T::Output>>
    where
        P: FnOnce(Local) -> T + Send + 'static,
        T: Future<Output: Send> + 'static,
    {
        let (promise, answer) = reply();
        self.mailboxes[core].start(Box::new(move |local| {
            local.promise_guest(prepare(local.clone()), promise);
        }));
        answer
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

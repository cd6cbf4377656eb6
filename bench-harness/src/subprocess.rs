//! Child processes that are waited for: none outlives this process, and a signal that asks this process
//! to end reaches them once.
//!
//! Each is the leader of a process group of its own, so that Ctrl-C, which the terminal sends to a whole group, does not
//! reach it a second time beside the signal that is passed on. It finds the number of its parent in its environment,
//! and asks the kernel for SIGTERM when that is gone (`die_with_parent`).

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process_group, set_parent_process_death_signal};

use crate::interrupt;

/// Names the parent to a child that is to die with it.
const PARENT: &str = "RABI_BENCH_PARENT";
/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Runs a command to its end, or to the deadline, by which it is killed: then there is no status.
pub fn run(command: &mut Command, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
    command.process_group(0).env(PARENT, std::process::id().to_string());
    let mut child = Guard(command.spawn()?);
    let mut passed_on = false;
    loop {
        if let Some(status) = child.0.try_wait()? {
            return Ok(Some(status));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
        if let Some(interrupt) = interrupt::asked().filter(|_| !passed_on) {
            child.signal(interrupt.signal());
            passed_on = true;
        }
        std::thread::sleep(POLL);
    }
}

/// In a child that was started by `run`: the end of the parent ends it too.
pub fn die_with_parent() -> io::Result<()> {
    let parent = std::env::var(PARENT).ok().and_then(|text| Pid::from_raw(text.parse().ok()?));
    if parent.is_none() {
        return Ok(());
    }
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid() != parent {
        return Err(io::Error::other("the process that started this one is gone"));
    }
    Ok(())
}

/// Kills a child that has not ended, with all that it has started.
struct Guard(Child);

impl Guard {
    fn signal(&self, signal: Signal) {
        // If it ends in this moment there is nobody to be told.
        let _ = kill_process_group(Pid::from_child(&self.0), signal);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

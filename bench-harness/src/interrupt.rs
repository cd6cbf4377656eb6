//! SIGINT and SIGTERM: the first one asks the command to end early and to report what it has, the second one
//! ends the process at once.
//!
//! Whoever works for long asks `asked` between two steps. Commands that have nothing to report before their end
//! do not listen, and die of the first signal. A call of the engine that has begun is waited for.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once, OnceLock};

use rustix::process::Signal;
use signal_hook::flag;

use crate::terminal::notice;

/// A signal that asks for the end: SIGINT, as Ctrl-C sends it, or SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupt(Signal);

const ALL: [Interrupt; 2] = [Interrupt(Signal::INT), Interrupt(Signal::TERM)];

/// The number of the signal that came first; 0 if none did.
static ASKED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

impl Interrupt {
    /// As reports have it.
    pub fn name(self) -> &'static str {
        if self.0 == Signal::INT { "SIGINT" } else { "SIGTERM" }
    }

    pub fn signal(self) -> Signal {
        self.0
    }

    /// The exit status of a command that ended because of it: what shells give one that died of it.
    pub fn status(self) -> u8 {
        128 + self.0.as_raw() as u8
    }
}

pub fn listen() -> io::Result<()> {
    let (came, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for interrupt in ALL {
        let number = interrupt.signal().as_raw();
        // Actions are carried out in this order, so that the first signal finds the flag not set.
        flag::register_conditional_shutdown(number, i32::from(interrupt.status()), Arc::clone(&came))?;
        flag::register(number, Arc::clone(&came))?;
        flag::register_usize(number, Arc::clone(&asked), number as usize)?;
    }
    // Called once, at the start of the process.
    let _ = ASKED.set(asked);
    Ok(())
}

/// The signal that asked for the end, if one did. Who asks first tells the user.
pub fn asked() -> Option<Interrupt> {
    static TOLD: Once = Once::new();
    // The handler stores one number, and nothing else is read because of it.
    let number = ASKED.get()?.load(Ordering::Relaxed);
    let interrupt = ALL.into_iter().find(|each| each.signal().as_raw() as usize == number)?;
    TOLD.call_once(|| {
        notice(&format!(
            "{}: ending early, to report what there is; a second signal ends at once and leaves temporary directories",
            interrupt.name()
        ));
    });
    Some(interrupt)
}

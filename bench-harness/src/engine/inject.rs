//! Makes reads of any engine slower by a known amount, or spoils one of its writes, to try out what
//! watches for that.
//!
//! `compare` and `ci` claim to catch a regression of a given size, and `--verify` to catch a lost or
//! damaged record; with this the claims are tested on the real programs. Hidden in the help: it has no other use. Without an injection the
//! engine is handed through as it is, so that measurements pay nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Engine, EngineResult, EngineStats, Keeps, ReadVisitor, Scan, ScanVisitor, Session};

/// How much slower each read becomes, and which writes are spoilt. Writes are counted from 1 over all
/// threads; a batch is one.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Injection {
    /// Instructions burnt by each read
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    inject_instructions: u64,
    /// Nanoseconds added to each read
    #[arg(long, value_name = "NS", default_value_t = 0, hide = true)]
    inject_delay_ns: u64,
    /// The write that is acknowledged and not done; 0 for none
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    inject_lost_write: u64,
    /// The write whose value is stored with one bit changed; 0 for none
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    inject_rotten_write: u64,
}

enum Fate {
    Done,
    Lost,
    Rotten,
}

impl Injection {
    /// Each argument with its value.
    fn fields(self) -> [(&'static str, u64); 4] {
        [
            ("--inject-instructions", self.inject_instructions),
            ("--inject-delay-ns", self.inject_delay_ns),
            ("--inject-lost-write", self.inject_lost_write),
            ("--inject-rotten-write", self.inject_rotten_write),
        ]
    }

    /// The arguments that hand this injection to a child process.
    pub fn arguments(self) -> impl Iterator<Item = String> {
        self.fields().into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()])
    }

    /// The engine with slower reads or spoilt writes, if there are to be any.
    pub fn around(self, engine: Box<dyn Engine>) -> Box<dyn Engine> {
        if self.fields().iter().all(|(_, value)| *value == 0) {
            return engine;
        }
        Box::new(Injected { engine, injection: self, writes: AtomicU64::new(0) })
    }

    fn inject(self) {
        burn_instructions(self.inject_instructions);
        if self.inject_delay_ns > 0 {
            // Sleeping would add the scheduler's granularity, far more than a read takes.
            let end = Instant::now() + Duration::from_nanos(self.inject_delay_ns);
            while Instant::now() < end {}
        }
    }
}

/// Executes `count` instructions, give or take the handful around the loop.
#[inline(never)]
pub fn burn_instructions(count: u64) {
    let rounds = count / 2;
    if rounds == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: two instructions a round, on one register that is declared as changed, with no
    // memory touched and no stack used; the loop ends because the register starts above zero.
    unsafe {
        std::arch::asm!("2:", "dec {0}", "jnz 2b", inout(reg) rounds => _, options(nomem, nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for round in 0..rounds {
        std::hint::black_box(round);
    }
}

struct Injected {
    engine: Box<dyn Engine>,
    injection: Injection,
    /// Writes so far.
    writes: AtomicU64,
}

impl Injected {
    fn fate_of_next_write(&self) -> Fate {
        // Only the count matters; it orders nothing.
        match self.writes.fetch_add(1, Ordering::Relaxed) + 1 {
            number if number == self.injection.inject_lost_write => Fate::Lost,
            number if number == self.injection.inject_rotten_write => Fate::Rotten,
            _ => Fate::Done,
        }
    }
}

impl Engine for Injected {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(InjectedSession { session: self.engine.session()?, engine: self }))
    }

    fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    fn keeps(&self) -> Keeps {
        self.engine.keeps()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.engine.settings()
    }

    fn settle(&self, limit: Duration) -> EngineResult<()> {
        self.engine.settle(limit)
    }

    fn close(self: Box<Self>) -> EngineResult<()> {
        self.engine.close()
    }
}

struct InjectedSession<'a> {
    session: Box<dyn Session + 'a>,
    engine: &'a Injected,
}

/// A value with one bit changed.
fn rotten(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if let Some(byte) = value.last_mut() {
        *byte ^= 1;
    }
    value
}

impl Session for InjectedSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        self.engine.injection.inject();
        self.session.read(key, visit)
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        match self.engine.fate_of_next_write() {
            Fate::Done => self.session.insert(key, value),
            Fate::Lost => Ok(()),
            Fate::Rotten => self.session.insert(key, &rotten(value)),
        }
    }

    fn update(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        match self.engine.fate_of_next_write() {
            Fate::Done => self.session.update(key, value),
            Fate::Lost => Ok(()),
            Fate::Rotten => self.session.update(key, &rotten(value)),
        }
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        match self.engine.fate_of_next_write() {
            Fate::Done | Fate::Rotten => self.session.delete(key),
            Fate::Lost => Ok(()),
        }
    }

    fn scan(&mut self, scan: Scan<'_>, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        self.session.scan(scan, visit)
    }

    fn multi_read(&mut self, keys: &[Vec<u8>], visit: ReadVisitor<'_>) -> EngineResult<()> {
        keys.iter().for_each(|_| self.engine.injection.inject());
        self.session.multi_read(keys, visit)
    }

    fn write_batch(&mut self, records: &[(Vec<u8>, Vec<u8>)]) -> EngineResult<()> {
        match self.engine.fate_of_next_write() {
            Fate::Done | Fate::Rotten => self.session.write_batch(records),
            Fate::Lost => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Durability, Settings, null};
    use std::path::Path;

    fn null_engine() -> Box<dyn Engine> {
        let settings = Settings { durability: Durability::Process, options: Vec::new() };
        null::open(Path::new("."), &settings).unwrap()
    }

    #[test]
    fn a_read_takes_at_least_the_delay_and_other_calls_do_not() {
        let injection = Injection { inject_delay_ns: 20_000_000, ..Injection::default() };
        let engine = injection.around(null_engine());
        let mut session = engine.session().unwrap();
        let start = Instant::now();
        assert!(session.read(b"k", &mut |_| {}).unwrap());
        assert!(start.elapsed() >= Duration::from_millis(20));
        let start = Instant::now();
        session.update(b"k", b"v").unwrap();
        session.scan(Scan::forward(b"k", 2), &mut |_, _| {}).unwrap();
        assert!(start.elapsed() < Duration::from_millis(20));
    }

    #[test]
    fn burning_ends_for_any_count() {
        for count in [0, 1, 2, 3, 1_000_001] {
            burn_instructions(count);
        }
    }
}

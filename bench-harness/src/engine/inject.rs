//! Makes reads of any engine slower by a known amount, to try out what watches for slowdowns.
//!
//! `compare` and `ci` claim to catch a regression of a given size; with this the claim is tested
//! on the real programs. Hidden in the help: it has no other use. Without an injection the
//! engine is handed through as it is, so that measurements pay nothing.

use std::time::{Duration, Instant};

use super::{Engine, EngineResult, EngineStats, Keeps, ScanVisitor, Session};

/// How much slower each read becomes.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Injection {
    /// Instructions burnt by each read
    #[arg(long, value_name = "N", default_value_t = 0, hide = true)]
    inject_instructions: u64,
    /// Nanoseconds added to each read
    #[arg(long, value_name = "NS", default_value_t = 0, hide = true)]
    inject_delay_ns: u64,
}

impl Injection {
    /// The arguments that hand this injection to a child process.
    pub fn arguments(self) -> [String; 4] {
        [
            "--inject-instructions".to_owned(),
            self.inject_instructions.to_string(),
            "--inject-delay-ns".to_owned(),
            self.inject_delay_ns.to_string(),
        ]
    }

    /// The engine with slower reads, if they are to be slower.
    pub fn around(self, engine: Box<dyn Engine>) -> Box<dyn Engine> {
        if self.inject_instructions == 0 && self.inject_delay_ns == 0 {
            return engine;
        }
        Box::new(Injected { engine, injection: self })
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
}

impl Engine for Injected {
    fn session(&self) -> EngineResult<Box<dyn Session + '_>> {
        Ok(Box::new(InjectedSession { session: self.engine.session()?, injection: self.injection }))
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
    injection: Injection,
}

impl Session for InjectedSession<'_> {
    fn read(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> EngineResult<bool> {
        self.injection.inject();
        self.session.read(key, visit)
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.session.insert(key, value)
    }

    fn update(&mut self, key: &[u8], value: &[u8]) -> EngineResult<()> {
        self.session.update(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> EngineResult<()> {
        self.session.delete(key)
    }

    fn scan(&mut self, start: &[u8], limit: usize, visit: ScanVisitor<'_>) -> EngineResult<usize> {
        self.session.scan(start, limit, visit)
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
        session.scan(b"k", 2, &mut |_, _| {}).unwrap();
        assert!(start.elapsed() < Duration::from_millis(20));
    }

    #[test]
    fn burning_ends_for_any_count() {
        for count in [0, 1, 2, 3, 1_000_001] {
            burn_instructions(count);
        }
    }
}

//! What is printed: progress, failures, figures, coverage.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::attempt::Verdict;
use crate::figures::Figures;

/// How often progress is printed: often where it replaces itself, seldom where it adds lines.
const INTERVALS: [Duration; 2] = [Duration::from_secs(30), Duration::from_millis(500)];

/// Sums up verdicts and tells about them.
pub(crate) struct Report {
    start: Instant,
    told: Instant,
    pub(crate) figures: Figures,
    failures: u64,
    coverage: BTreeMap<&'static str, u64>,
    /// A number that differs if any digest did, whatever the order the runs ended in.
    digest: u64,
}

impl Report {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (figures, coverage) = (Figures::default(), BTreeMap::new());
        Self { start: now, told: now, figures, failures: 0, coverage, digest: 0 }
    }

    /// Takes a verdict in.
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        self.figures += &verdict.figures;
        self.digest = self.digest.wrapping_add(verdict.digest);
        for (mark, count) in &verdict.coverage {
            *self.coverage.entry(mark).or_default() += count;
        }
        self.failures += u64::from(verdict.failure.is_some());
    }

    /// Takes a verdict in, and prints it if it is a failure.
    pub(crate) fn see(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.count(verdict);
        print_failure(verdict)?;
        self.progress()
    }

    fn progress(&mut self) -> io::Result<()> {
        let is_terminal = io::stderr().is_terminal();
        if self.told.elapsed() < INTERVALS[usize::from(is_terminal)] {
            return Ok(());
        }
        self.told = Instant::now();
        let minutes = self.start.elapsed().as_secs_f64() / 60.0;
        let figures = &self.figures;
        let line = format!(
            "{} seeds, {:.0} a minute, {:.1} simulated hours, {} crashes, {} faults, {} failed",
            figures.runs,
            figures.runs as f64 / minutes,
            figures.simulated.as_secs_f64() / 3600.0,
            figures.process_crashes + figures.power_losses,
            figures.faults,
            self.failures
        );
        let mut out = io::stderr().lock();
        if is_terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") }
    }

    /// Prints the sum of it all; returns whether every run passed.
    pub(crate) fn finish(&self, shows_coverage: bool) -> io::Result<bool> {
        if io::stderr().is_terminal() {
            write!(io::stderr(), "\r\x1b[K")?;
        }
        let mut out = io::stdout().lock();
        if shows_coverage {
            self.print_coverage(&mut out)?;
        }
        writeln!(out, "{}", self.figures.show(self.start.elapsed()))?;
        writeln!(out, "digest {:016x}; {} failed", self.digest, self.failures)?;
        Ok(self.failures == 0)
    }

    fn print_coverage(&self, out: &mut impl Write) -> io::Result<()> {
        let (mut never, mut reached) = (Vec::new(), 0);
        for mark in rabi::sim::marks() {
            match self.coverage.get(mark) {
                Some(count) => {
                    reached += 1;
                    writeln!(out, "{count:>12}  {mark}")?;
                }
                None => never.push(*mark),
            }
        }
        for mark in &never {
            writeln!(out, "{:>12}  {mark}", "never")?;
        }
        writeln!(out, "{reached} of {} marks reached", reached + never.len())
    }
}

fn print_failure(verdict: &Verdict) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Some(failure) = &verdict.failure {
        writeln!(out, "FAILED {}: {failure}", verdict.parameters)?;
        writeln!(out, "  repeat: cargo run --release -p rabi-sim -- {}", verdict.parameters)?;
    }
    Ok(())
}

/// Prints one run in full.
pub(crate) fn print_run(verdict: &Verdict, shows_events: bool) -> io::Result<()> {
    if shows_events {
        let mut out = io::stdout().lock();
        for event in &verdict.events {
            writeln!(out, "{event}")?;
        }
    }
    print_failure(verdict)?;
    writeln!(io::stdout(), "digest {:016x}", verdict.digest)
}

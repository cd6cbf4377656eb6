//! The live status: a bar on a terminal, one line every few seconds elsewhere. Both go to
//! standard error, so that standard output holds results only.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal;

use super::{Interval, Job, Tick};

/// The resolution of the bar: it follows whichever of operations and time is nearer its end.
const STEPS: u64 = 1000;

/// How far the phase was when its rate was last taken.
#[derive(Debug, Default)]
struct Shown {
    elapsed: Duration,
    operations: u64,
    warming_up: bool,
}

/// Shows how far one phase is.
#[derive(Debug)]
pub struct LiveStatus {
    bar: Option<ProgressBar>,
    label: String,
    operations: Option<u64>,
    duration_s: f64,
    line_interval_s: f64,
    line_due_s: f64,
    shown: Shown,
    rate_ops_s: f64,
}

impl LiveStatus {
    /// A status for a phase. `line_interval_s` applies where there is no terminal.
    pub fn new(job: &Job, label: &str, line_interval_s: f64) -> LiveStatus {
        let bar = terminal::moves_cursor().then(|| {
            let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{prefix:>10} [{bar:24}] {percent:>3}%  {msg}";
            let style = ProgressStyle::with_template(template)
                .expect("the template is a constant that parses")
                .progress_chars("=> ");
            bar.set_style(style);
            bar.set_prefix(label.to_owned());
            bar
        });
        LiveStatus {
            bar,
            label: label.to_owned(),
            operations: job.operations(),
            duration_s: job.workload.duration_s,
            line_interval_s,
            line_due_s: line_interval_s,
            shown: Shown::default(),
            rate_ops_s: 0.0,
        }
    }

    /// Shows a tick, if it is time to show something. `more` adds to the text.
    pub fn show(&mut self, tick: &Tick<'_>, more: impl FnOnce() -> String) {
        let elapsed_s = tick.elapsed.as_secs_f64();
        // The current rate needs a window that is long against the scheduler's slices.
        if self.shown.warming_up != tick.warming_up {
            // Everything is counted anew from here on.
            self.shown = Shown { warming_up: tick.warming_up, ..Shown::default() };
            self.line_due_s = self.line_interval_s;
        }
        let window_s = elapsed_s - self.shown.elapsed.as_secs_f64();
        let due = elapsed_s >= self.line_due_s;
        if (self.bar.is_some() && window_s >= 0.25) || due {
            let operations = tick.operations.saturating_sub(self.shown.operations);
            self.rate_ops_s = operations as f64 / window_s.max(1e-9);
            self.shown.elapsed = tick.elapsed;
            self.shown.operations = tick.operations;
        }
        if let Some(bar) = &self.bar {
            bar.set_position((self.fraction(tick) * STEPS as f64) as u64);
            bar.set_message(self.text(tick, &more()));
        } else if due {
            self.line_due_s = elapsed_s + self.line_interval_s;
            let text = self.text(tick, &more());
            // A status nobody can read is no reason to end the benchmark.
            let _ = writeln!(std::io::stderr(), "{:>10} {elapsed_s:6.1} s  {text}", self.label);
        }
    }

    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn fraction(&self, tick: &Tick<'_>) -> f64 {
        let by_count = self.operations.map_or(0.0, |total| tick.operations as f64 / total.max(1) as f64);
        let by_time = if self.duration_s > 0.0 { tick.elapsed.as_secs_f64() / self.duration_s } else { 0.0 };
        by_count.max(by_time).min(1.0)
    }

    fn text(&self, tick: &Tick<'_>, more: &str) -> String {
        let failed = match tick.failures {
            0 => String::new(),
            failures => format!("  {failures} FAILED"),
        };
        let warming = if tick.warming_up { "warming up  " } else { "" };
        let rate = format!("{warming}{} ops  {:.0} ops/s", tick.operations, self.rate_ops_s);
        let latency = tick.interval.map(latency_text).unwrap_or_default();
        let left = self.left_text(tick);
        format!("{rate}{latency}{failed}{more}{left}")
    }

    /// The time left, from what has been done so far.
    fn left_text(&self, tick: &Tick<'_>) -> String {
        let (fraction, elapsed_s) = (self.fraction(tick), tick.elapsed.as_secs_f64());
        if tick.warming_up || !(0.01..1.0).contains(&fraction) {
            return String::new();
        }
        format!("  {:.0} s left", elapsed_s * (1.0 - fraction) / fraction)
    }
}

/// The latencies of an interval, and its stalls if it had any.
fn latency_text(interval: &Interval) -> String {
    let (name, counts) = match interval.response() {
        Some(response) => ("response ", response),
        None => ("", interval.service()),
    };
    let us = |quantile| counts.quantile_ns(quantile) as f64 / 1e3;
    let stalled = match interval.stall_us {
        Some(us) if us > 0 => format!("  stalled {:.0} ms", us as f64 / 1e3),
        _ => String::new(),
    };
    format!("  {name}p50 {:.1} us p99 {:.1} us{stalled}", us(0.5), us(0.99))
}

//! The live status: a bar on a terminal, one line every few seconds elsewhere. Both go to
//! standard error, so that standard output holds results only.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Job, Tick};

/// The resolution of the bar: it follows whichever of operations and time is nearer its end.
const STEPS: u64 = 1000;

/// Shows how far one phase is.
#[derive(Debug)]
pub struct LiveStatus {
    bar: Option<ProgressBar>,
    label: String,
    operations: Option<u64>,
    duration_s: f64,
    line_interval_s: f64,
    line_due_s: f64,
    last: Tick,
    rate_ops_s: f64,
}

impl LiveStatus {
    /// A status for a phase. `line_interval_s` applies where there is no terminal.
    pub fn new(job: &Job, label: &str, line_interval_s: f64) -> LiveStatus {
        let bar = std::io::stderr().is_terminal().then(|| {
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
            last: Tick { elapsed: Duration::ZERO, operations: 0, failures: 0 },
            rate_ops_s: 0.0,
        }
    }

    /// Shows a tick, if it is time to show something. `more` adds to the text.
    pub fn show(&mut self, tick: Tick, more: impl FnOnce() -> String) {
        let elapsed_s = tick.elapsed.as_secs_f64();
        // The current rate needs a window that is long against the scheduler's slices.
        let window_s = elapsed_s - self.last.elapsed.as_secs_f64();
        let due = elapsed_s >= self.line_due_s;
        if (self.bar.is_some() && window_s >= 0.25) || due {
            let operations = tick.operations - self.last.operations;
            self.rate_ops_s = operations as f64 / window_s.max(1e-9);
            self.last = tick;
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

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn fraction(&self, tick: Tick) -> f64 {
        let by_count = self.operations.map_or(0.0, |total| tick.operations as f64 / total.max(1) as f64);
        let by_time = if self.duration_s > 0.0 { tick.elapsed.as_secs_f64() / self.duration_s } else { 0.0 };
        by_count.max(by_time).min(1.0)
    }

    fn text(&self, tick: Tick, more: &str) -> String {
        let failed = match tick.failures {
            0 => String::new(),
            failures => format!("  {failures} FAILED"),
        };
        format!("{} ops  {:.0} ops/s{failed}{more}", tick.operations, self.rate_ops_s)
    }
}

//! The arguments of `load` and `run` that have to do with traces.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;

use super::number;
use crate::outputs::Outputs;
use crate::runner::{Job, PhaseKind};
use crate::terminal::notice;
use crate::trace::{Format, Recording, Replay, recognise};

/// Which trace is replayed, and which is written.
#[derive(Debug, Clone, Default, Args)]
pub struct TraceArgs {
    /// run: replay the operations of this trace, instead of a mix, until it ends. load: write every key
    /// once that this trace reads before it writes it
    #[arg(long, value_name = "FILE", help_heading = "Traces")]
    pub trace: Option<PathBuf>,
    /// What the trace is written in [default: recognised by its content]
    #[arg(long, value_name = "FORMAT", help_heading = "Traces", requires = "trace")]
    trace_format: Option<Format>,
    /// Replay a share of the keys, chosen by hash, each with its whole history
    #[arg(long, value_name = "SHARE", help_heading = "Traces", requires = "trace", value_parser = share)]
    trace_sample: Option<f64>,
    /// Open loop: operations are due at their recorded times, 2 being twice as fast [default: closed loop]
    #[arg(long, value_name = "FACTOR", help_heading = "Traces", requires = "trace", value_parser = factor)]
    #[arg(conflicts_with_all = ["target", "arrivals"])]
    trace_speed: Option<f64>,
    /// Write what the clients do as a trace
    #[arg(long, value_name = "FILE", help_heading = "Traces")]
    record_trace: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = number(text)?;
    let share = Some(share).filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "expected a number above 0 and at most 1, for example 0.01".to_owned())
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = number(text)?;
    let factor = Some(factor).filter(|factor| *factor > 0.0 && factor.is_finite());
    factor.ok_or_else(|| "expected a number above 0; 1 is as fast as recorded".to_owned())
}

impl TraceArgs {
    /// Whether any trace is involved.
    pub fn is_used(&self) -> bool {
        self.trace.is_some() || self.record_trace.is_some()
    }

    /// Adds its files to those of the command.
    pub fn name_files(&self, outputs: &mut Outputs) -> Result<()> {
        outputs.reads("--trace", self.trace.as_deref());
        outputs.writes("--record-trace", self.record_trace.as_deref())
    }

    /// Adds what was asked for to a job. The beginning of the trace is read and the file for the recording made
    /// now, so that a wrong one does not cost a run.
    pub fn add_to(&self, job: &mut Job) -> Result<()> {
        if self.is_used() && job.has_futures() {
            bail!("--clients: traces are replayed and recorded by threads; leave it out");
        }
        job.replay = self.replay(job)?;
        if job.replay.is_some() {
            if job.workload.verify {
                notice(
                    "note: with --trace, --verify checks that each value read was written under its key, and not \
                     which of them it is: no database is audited",
                );
            }
            // Fields are of YCSB's records; what a trace's records hold is read as a whole.
            job.workload.read_all_fields = true;
        }
        job.recording = self.recording(job.workload.threads)?;
        Ok(())
    }

    fn replay(&self, job: &Job) -> Result<Option<Replay>> {
        let Some(file) = &self.trace else { return Ok(None) };
        let (kind, workload) = (job.kind, &job.workload);
        if workload.integrity {
            bail!("dataintegrity=true decides keys and values, and so does --trace; leave one of them out");
        }
        if self.trace_speed.is_some() && kind == PhaseKind::Load {
            bail!("--trace-speed is of run: a load writes records before the trace, at no time of it");
        }
        if self.trace_speed.is_some() && (workload.target_ops_s > 0.0 || workload.arrivals.is_some()) {
            bail!(
                "--trace-speed sets the times of operations, and so does target or rabi.arrivals; leave one out"
            );
        }
        let recognised = recognise(file);
        let format = match self.trace_format {
            Some(format) => format,
            None => recognised?,
        };
        let prefill_bytes = (kind == PhaseKind::Load).then(|| job.value_bytes_mean());
        let sample = self.trace_sample.unwrap_or(1.0);
        let file_bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        let replay =
            Replay { file: file.clone(), file_bytes, format, sample, speed: self.trace_speed, prefill_bytes };
        replay.source(&Arc::default())?;
        Ok(Some(replay))
    }

    fn recording(&self, threads: usize) -> Result<Option<Arc<Recording>>> {
        let Some(path) = &self.record_trace else { return Ok(None) };
        Ok(Some(Arc::new(Recording::create(path, threads)?)))
    }
}

//! Results for other programs: which files were asked for, and who writes them.
//!
//! Paths are checked before the measurement, so that a wrong one does not cost a run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::output_file::OutputFile;
use crate::outputs::Outputs;

use super::{PhaseReport, csv, gobench, hdrlog, openmetrics};

/// The files asked for.
#[derive(Debug, Clone, Default, Args)]
pub struct ExportArgs {
    /// Write one line per kind of operation as CSV
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    csv: Option<PathBuf>,
    /// Write lines as Go's benchmarks do, for benchstat
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    go_bench: Option<PathBuf>,
    /// Write OpenMetrics text, as Prometheus reads it
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    openmetrics: Option<PathBuf>,
    /// Write the latency histograms as an HdrHistogram log (version 1.3)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    hdr_log: Option<PathBuf>,
}

type Format = fn(&PhaseReport) -> Result<Vec<u8>>;

impl ExportArgs {
    /// Each argument with its file and who writes it.
    fn files(&self) -> [(&'static str, Option<&Path>, Format); 4] {
        [
            ("--csv", self.csv.as_deref(), |report| Ok(csv::csv(report).into_bytes())),
            ("--go-bench", self.go_bench.as_deref(), |report| Ok(gobench::go_bench(report).into_bytes())),
            ("--openmetrics", self.openmetrics.as_deref(), |report| {
                Ok(openmetrics::openmetrics(report).into_bytes())
            }),
            ("--hdr-log", self.hdr_log.as_deref(), hdrlog::hdr_log),
        ]
    }

    /// Adds its files to those of the command.
    pub fn add_to(&self, outputs: &mut Outputs) -> Result<()> {
        self.files().into_iter().try_for_each(|(argument, path, _)| outputs.writes(argument, path))
    }

    /// Whether any file was asked for.
    pub fn is_given(&self) -> bool {
        self.files().iter().any(|(_, path, _)| path.is_some())
    }
}

/// Files that can be written and wait for their content.
#[derive(Debug)]
pub struct Exports {
    files: Vec<(OutputFile, Format)>,
}

impl Exports {
    pub fn check(arguments: &ExportArgs) -> Result<Exports> {
        let asked = arguments.files().into_iter().filter_map(|(argument, path, format)| {
            Some(OutputFile::check(argument, path?).map(|file| (file, format)))
        });
        Ok(Exports { files: asked.collect::<Result<_>>()? })
    }

    /// Writes all of them that can be written; the first failure is returned.
    pub fn write(&self, report: &PhaseReport) -> Result<()> {
        let written = self.files.iter().map(|(file, format)| file.write(&format(report)?));
        // Each is tried before one is judged.
        written.collect::<Vec<Result<()>>>().into_iter().collect()
    }
}

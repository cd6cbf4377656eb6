//! Results for other programs: which files were asked for, and who writes them.
//!
//! Paths are checked before the measurement, so that a wrong one does not cost a run.

use std::path::PathBuf;

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

impl ExportArgs {
    /// Adds its files to those of the command.
    pub fn add_to(&self, outputs: &mut Outputs) -> Result<()> {
        outputs.writes("--csv", self.csv.as_deref())?;
        outputs.writes("--go-bench", self.go_bench.as_deref())?;
        outputs.writes("--openmetrics", self.openmetrics.as_deref())?;
        outputs.writes("--hdr-log", self.hdr_log.as_deref())
    }

    /// Whether any file was asked for.
    pub fn is_given(&self) -> bool {
        [&self.csv, &self.go_bench, &self.openmetrics, &self.hdr_log].into_iter().any(Option::is_some)
    }
}

type Format = fn(&PhaseReport) -> Result<Vec<u8>>;

/// Files that can be written and wait for their content.
#[derive(Debug)]
pub struct Exports {
    files: Vec<(OutputFile, Format)>,
}

impl Exports {
    pub fn check(arguments: &ExportArgs) -> Result<Exports> {
        let wanted: [(&str, &Option<PathBuf>, Format); 4] = [
            ("--csv", &arguments.csv, |report| Ok(csv::csv(report).into_bytes())),
            ("--go-bench", &arguments.go_bench, |report| Ok(gobench::go_bench(report).into_bytes())),
            ("--openmetrics", &arguments.openmetrics, |report| {
                Ok(openmetrics::openmetrics(report).into_bytes())
            }),
            ("--hdr-log", &arguments.hdr_log, hdrlog::hdr_log),
        ];
        let mut files = Vec::new();
        for (argument, path, format) in wanted {
            if let Some(path) = path {
                files.push((OutputFile::check(argument, path)?, format));
            }
        }
        Ok(Exports { files })
    }

    /// Writes all of them that can be written; the first failure is returned.
    pub fn write(&self, report: &PhaseReport) -> Result<()> {
        let written = self.files.iter().map(|(file, format)| file.write(&format(report)?));
        // Each is tried before one is judged.
        written.collect::<Vec<Result<()>>>().into_iter().collect()
    }
}

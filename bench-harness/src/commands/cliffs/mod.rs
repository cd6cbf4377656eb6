//! `rabi-bench cliffs`: patterns that some designs are bad at, one by one, for each engine.
//!
//! `patterns` says what is done and what must be seen, `client` makes the calls and times them. An engine that fails a
//! pattern goes on with the next one.

mod arguments;
mod client;
mod patterns;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;

use crate::engine::{self, Settings};
use crate::environment::Environment;
use crate::interrupt;
use crate::output_file::OutputFile;
use crate::outputs::Outputs;
use crate::report::{
    Cliff, DurabilityRow, SCHEMA, Style, cliffs_csv, cliffs_table, durability_matrix, grouped,
};
use crate::terminal::{notice, output, warn};
use crate::verdict::Verdict;

pub use arguments::{ABOUT_CLIFFS, CliffsArgs};

use client::{Measured, Values};
use patterns::{Bench, Pattern, Sizes};

/// The result of `cliffs`, as it is written to JSON.
#[derive(Debug, Serialize)]
struct CliffsReport {
    schema: u32,
    environment: Environment,
    records: u64,
    duration_s: f64,
    seed: u64,
    durability: &'static str,
    /// The signal that ended it before its time, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_short: Option<&'static str>,
    /// What failed, in words.
    failures: Vec<String>,
    cliffs: Vec<Cliff>,
}

/// Carries out the command.
pub fn execute(arguments: CliffsArgs) -> Result<Verdict> {
    let engines = match arguments.engines.is_empty() {
        true => engine::on_disk(),
        false => arguments.engines.clone(),
    };
    arguments.common.check(&engines, "--duration to measure it longer", "that are measured")?;
    let Some(duration) = arguments.duration() else {
        bail!("--duration is no time that can be waited for; allowed: seconds above 0")
    };
    let mut outputs = Outputs::of_reading(&[]);
    outputs.writes("--json", arguments.json.as_deref())?;
    outputs.writes("--csv", arguments.csv.as_deref())?;
    let json = OutputFile::check_if_given("--json", arguments.json.as_deref())?;
    let csv = OutputFile::check_if_given("--csv", arguments.csv.as_deref())?;
    let parent = parent_directory(arguments.dir.as_deref())?;
    let environment = Environment::gather(parent.path());
    environment.doubts().iter().for_each(warn);
    let sizes = Sizes {
        records: arguments.records(),
        duration,
        threads: arguments.threads,
        writers: arguments.writers,
        seed: arguments.seed,
        values: Values::new(arguments.seed),
    };
    let mut course =
        Course { arguments: &arguments, sizes, cliffs: Vec::new(), failures: Vec::new(), kept: Vec::new() };
    course.run(&engines, parent.path())?;
    let report = CliffsReport {
        schema: SCHEMA,
        environment,
        records: course.sizes.records,
        duration_s: duration.as_secs_f64(),
        seed: arguments.seed,
        durability: arguments.common.durability.name(),
        cut_short: interrupt::asked().map(interrupt::Interrupt::name),
        failures: course.failures,
        cliffs: course.cliffs,
    };
    let table = cliffs_table(&engines, &report.cliffs).text(Style::Plain);
    output(&format!("{table}\n{}", durability_matrix(&course.kept).text(Style::Plain)))?;
    if let Some(json) = json {
        json.write_json(&report)?;
    }
    if let Some(csv) = csv {
        csv.write(cliffs_csv(&report.cliffs).as_bytes())?;
    }
    report.failures.iter().for_each(|failure| notice(&format!("FAILED: {failure}")));
    Ok(if report.failures.is_empty() { Verdict::Good } else { Verdict::Bad })
}

/// A directory for the databases, removed with all of them at the end.
fn parent_directory(named: Option<&Path>) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("rabi-bench-cliffs-");
    let made = match named {
        Some(dir) => fs::create_dir_all(dir).and_then(|()| builder.tempdir_in(dir)),
        None => builder.tempdir(),
    };
    made.context("cannot make a directory for the databases; name a place that can be written, with --dir")
}

/// All patterns of all engines.
struct Course<'a> {
    arguments: &'a CliffsArgs,
    sizes: Sizes,
    cliffs: Vec<Cliff>,
    failures: Vec<String>,
    kept: Vec<DurabilityRow>,
}

impl Course<'_> {
    /// Engines take turns, so that a drift of the machine meets all alike.
    fn run(&mut self, engines: &[String], parent: &Path) -> Result<()> {
        let all = Pattern::value_variants();
        let asked = &self.arguments.patterns;
        for pattern in all.iter().filter(|pattern| asked.is_empty() || asked.contains(pattern)) {
            for engine in engines {
                let dir = parent.join("database");
                fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
                let done = self.measure(*pattern, engine, &dir);
                if interrupt::asked().is_some() {
                    return Ok(());
                }
                if let Err(error) = done {
                    self.failures.push(format!("{engine}: {error:#}"));
                }
                fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
            }
        }
        Ok(())
    }

    fn measure(&mut self, pattern: Pattern, engine: &str, dir: &Path) -> Result<()> {
        let open = engine::open(engine, dir, &self.settings(engine)?)?;
        if !self.kept.iter().any(|row| row.engine == engine) {
            let (keeps, asked) = (open.keeps(), self.arguments.common.durability.name().to_owned());
            self.kept.push(DurabilityRow {
                engine: engine.to_owned(),
                asked,
                kept: keeps.kept,
                how: keeps.how.to_owned(),
            });
        }
        let (cliffs, sizes) = (&mut self.cliffs, &self.sizes);
        let threads = if pattern == Pattern::Writers { sizes.writers } else { sizes.threads };
        let tell = &mut |name: &str, title: String, Measured { calls: operations, elapsed_s }| {
            let throughput_ops_s = operations as f64 / elapsed_s;
            notice(&format!("{engine:>8}  {title}: {} a second", grouped(throughput_ops_s.round() as u64)));
            let (engine, name) = (engine.to_owned(), name.to_owned());
            cliffs.push(Cliff { engine, name, title, threads, operations, elapsed_s, throughput_ops_s });
        };
        let measured = Bench { engine: &*open, sizes, tell }.measure(pattern);
        let closed = open.close();
        measured?;
        Ok(closed?)
    }

    fn settings(&self, engine: &str) -> Result<Settings> {
        let common = &self.arguments.common;
        let mut options = Vec::new();
        if engine::is_budgeted(engine) {
            options.push(("cache_size_bytes".to_owned(), common.cache_size_bytes.to_string()));
            options
                .push(("memtable_size_bytes".to_owned(), self.arguments.memtable_size_bytes().to_string()));
        }
        for setting in common.options_of(engine) {
            options.push(crate::arguments::name_value(setting).map_err(anyhow::Error::msg)?);
        }
        Ok(Settings { durability: common.durability, options })
    }
}

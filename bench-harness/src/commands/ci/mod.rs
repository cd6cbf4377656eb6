//! `rabi-bench ci`: a short gate on counters that hardly vary, against a committed baseline.
//!
//! `steps` is what is run, `child` runs it in processes with a time limit, `instructions` counts
//! under callgrind or perf, `gate` judges (pure), `conditions` says under what, `baseline` is the file. Wall time is shown and
//! never judged: on a shared machine it says more about the neighbours than about the change.

mod baseline;
mod child;
mod conditions;
mod gate;
mod instructions;
mod steps;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::arguments::{count, name_value};
use crate::compare::differences;
use crate::engine::{self, Injection};
use crate::report::{Grid, Style};
use crate::terminal::{notice, output};
use crate::verdict::Verdict;

pub use steps::{StepsArgs, execute as steps};

use baseline::Baseline;
use child::Children;
use gate::{Call, Counters, Gated, gate};
use instructions::Counter;
use steps::Sequence;

/// Runs for the counters of the device and for wall time; instructions are counted once.
const REPEATS: usize = 3;
/// Synced writes take a device flush each, so there are fewer of them.
const POWER_FEWER: usize = 8;

/// The arguments of `ci`.
#[derive(Debug, Args)]
pub struct CiArgs {
    /// The engine
    #[arg(long, value_name = "NAME", default_value = "rabi")]
    engine: String,
    /// An option of the engine by its name; may be repeated
    #[arg(long = "engine-option", value_name = "NAME=VALUE", value_parser = name_value)]
    options: Vec<(String, String)>,
    /// The baseline to hold against
    #[arg(long, value_name = "FILE", default_value = "results/ci-baseline.json")]
    baseline: PathBuf,
    /// Record a new baseline in place of judging
    #[arg(long)]
    update_baseline: bool,
    /// Operations of most steps
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    #[arg(value_parser = count::<usize>)]
    operations: usize,
    /// Seconds after which the gate gives up
    #[arg(long, value_name = "S", default_value_t = 120)]
    #[arg(value_parser = count::<u64>)]
    time_limit: u64,
    /// Where the databases are put, on a disk [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Judge also against a baseline recorded under unlike conditions
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    injection: Injection,
}

/// Carries out `ci`.
pub fn execute(arguments: CiArgs) -> Result<Verdict> {
    engine::check(&arguments.engine)?;
    if arguments.operations < 100 {
        bail!("--operations is {}; allowed: at least 100", arguments.operations);
    }
    // Before the work, so that a wrong path does not cost it.
    let baseline = (!arguments.update_baseline).then(|| Baseline::read(&arguments.baseline)).transpose()?;
    let counter = Counter::probe();
    let (counters, backend) = count_all(&arguments, &counter)?;
    let conditions = conditions::of(&arguments, &counter, backend);
    let Some(baseline) = baseline else {
        Baseline::of(conditions, &counters).write(&arguments.baseline)?;
        output(&format!(
            "{} counters recorded in {}; instructions by {}\n",
            counters.len(),
            arguments.baseline.display(),
            counter.name()
        ))?;
        return Ok(Verdict::Good);
    };
    let unlike = differences(&baseline.conditions, &conditions);
    let mut gated = gate(&baseline.counters, &counters);
    if arguments.force && !unlike.is_empty() {
        notice(&format!("warning: judged by --force under unlike conditions:\n  {}", unlike.join("\n  ")));
    } else {
        gated
            .iter_mut()
            .filter(|line| conditions::are_unlike_for(&line.metric, &unlike))
            .for_each(Gated::excuse);
    }
    output(&table(&gated, &counter))?;
    conclude(&gated, &unlike)
}

fn count_all(arguments: &CiArgs, counter: &Counter) -> Result<(Counters, Option<String>)> {
    let children = children(arguments)?;
    let parent = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let scratch =
        tempfile::Builder::new().prefix("rabi-bench-ci-").tempdir_in(&parent).with_context(|| {
            format!(
                "cannot create a directory in {}; name a place that can be written, with --dir",
                parent.display()
            )
        })?;
    let operations = arguments.operations.to_string();
    let process = ["--durability", "process", "--operations", operations.as_str()];
    let mut counters = Counters::new();
    let mut backend = None;
    for _ in 0..REPEATS {
        let sequence = children.run(scratch.path(), &[], &process)?;
        add_steps(&mut counters, &sequence);
        add_device(&mut counters, "process", &sequence);
        backend = sequence.backend;
    }
    let fewer = arguments.operations.div_ceil(POWER_FEWER).to_string();
    let power = ["--durability", "power", "--operations", fewer.as_str()];
    // An engine without counters of the device has none to hold against a baseline here either.
    if counters.keys().any(|name| name.starts_with("process ")) {
        for _ in 0..REPEATS {
            add_device(&mut counters, "power", &children.run(scratch.path(), &[], &power)?);
        }
    }
    let mut counted = process.to_vec();
    if arguments.engine == "rabi" && matches!(counter, Counter::Callgrind(_)) {
        counted.extend(["--engine-option", "io_backend=blocking"]);
    }
    for (step, instructions) in counter.count(&children, scratch.path(), &counted)? {
        counters.insert(format!("{step} instructions_per_op"), vec![instructions]);
    }
    Ok((counters, backend))
}

fn children(arguments: &CiArgs) -> Result<Children> {
    let mut words: Vec<OsString> = vec!["--engine".into(), arguments.engine.clone().into()];
    let mut option = |name: &str, value: &str| {
        words.push("--engine-option".into());
        words.push(format!("{name}={value}").into());
    };
    if arguments.engine == "rabi" {
        // One core has one ring and one order of background work.
        option("cores", "1");
    }
    for (name, value) in &arguments.options {
        option(name, value);
    }
    words.extend(arguments.injection.arguments().map(OsString::from));
    Ok(Children {
        program: std::env::current_exe().context("cannot find the path of this program")?,
        arguments: words,
        deadline: Instant::now() + Duration::from_secs(arguments.time_limit),
    })
}

fn add_steps(counters: &mut Counters, sequence: &Sequence) {
    for step in &sequence.steps {
        let mut add = |metric: &str, total: u64| {
            let value = total as f64 / step.operations as f64;
            counters.entry(format!("{} {metric}", step.name)).or_default().push(value);
        };
        add("allocations_per_op", step.allocations);
        add("ns_per_op", step.elapsed_ns);
    }
}

fn add_device(counters: &mut Counters, durability: &str, sequence: &Sequence) {
    for (name, count) in &sequence.counters {
        let value = *count as f64 / sequence.writes as f64;
        counters.entry(format!("{durability} {name}_per_write")).or_default().push(value);
    }
}

fn table(gated: &[Gated], counter: &Counter) -> String {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let mut grid = Grid::new(&["counter", "baseline", "now", "change", "limit", "verdict"], &[0, 5]);
    for line in gated {
        let change = line.baseline.zip(line.low).filter(|(base, _)| *base != 0.0);
        let change =
            change.map_or("-".to_owned(), |(base, now)| format!("{:+.2}%", 100.0 * (now / base - 1.0)));
        let verdict = match line.call {
            Call::Regression => "REGRESSION",
            Call::Improvement => "improvement: renew the baseline",
            Call::Same => "within the limit",
            Call::Inconclusive => "inconclusive: repeats on both sides of the limit",
            Call::Missing => "no verdict: not counted in this run",
            Call::Unlike => "no verdict: the baseline is of unlike conditions",
            Call::New => "not in the baseline",
            Call::Information => "information",
        };
        let (baseline, now, limit) = (number(line.baseline), number(line.low), number(line.limit));
        grid.lines.push(vec![line.metric.clone(), baseline, now, change, limit, verdict.to_owned()]);
    }
    format!("instructions counted by {}\n{}", counter.name(), grid.text(Style::Plain))
}

fn conclude(gated: &[Gated], unlike: &[String]) -> Result<Verdict> {
    let count = |call| gated.iter().filter(|line| line.call == call).count();
    let (worse, unsteady) = (count(Call::Regression), count(Call::Inconclusive));
    let (excused, missing) = (count(Call::Unlike), count(Call::Missing));
    if excused > 0 {
        output(&format!(
            "{excused} counters are not judged: the baseline was recorded under unlike conditions (baseline / \
             now):\n  {}\nrecord one here with --update-baseline, or judge all the same with --force\n",
            unlike.join("\n  ")
        ))?;
    }
    let (text, verdict) = match (worse, excused + missing, unsteady) {
        (0, 0, 0) => ("NO REGRESSION of the counters".to_owned(), Verdict::Good),
        (0, 0, open) => (format!("INCONCLUSIVE: {open} counters cannot be told"), Verdict::Inconclusive),
        (0, open, _) => (format!("NO VERDICT on {open} of {} counters", gated.len()), Verdict::None),
        (worse, ..) => (format!("REGRESSION in {worse} counters"), Verdict::Bad),
    };
    output(&format!("{text}\n"))?;
    Ok(verdict)
}

/// The limits as lines for the help text.
pub fn limits_help() -> String {
    let lines = gate::LIMITS
        .iter()
        .map(|limit| format!("  {:<28} +{:.1} % and {}", limit.kind, 100.0 * limit.relative, limit.absolute));
    let lines: Vec<String> = lines.collect();
    format!("Limits over the baseline:\n{}", lines.join("\n"))
}

//! `rabi-bench search`: the highest rate at which a latency objective is met.
//!
//! `bracket` says which rate to try, `probe` tries it, `objective` says what is asked. The rate that
//! was found is tried again several times, and lowered until all repeats meet the objective: of many
//! noisy probes near the limit, the best one is too good. Where the client's threads are the limit,
//! the result says so instead of a rate of the engine.

mod bracket;
mod objective;
mod probe;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use crate::arguments::{PhaseArgs, count, number};
use crate::engine;
use crate::environment::Environment;
use crate::harness_cost::null_ns_per_operation;
use crate::output_file::OutputFile;
use crate::report::{Grid, PhaseInfo, SCHEMA, Style, grouped, microseconds};
use crate::runner::PhaseKind;
use crate::terminal::{notice, output};
use crate::verdict::Verdict;

use bracket::Bracket;
use objective::Objective;
use probe::{Judged, Probe, Prober};

/// More often than this a found rate is not lowered.
const LOWERED_MAX: usize = 10;

/// The arguments of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The objective, for example p99=2ms or p99.9=500us
    #[arg(long, value_name = "pP=TIME", help_heading = "Search")]
    slo: Objective,
    /// The objective is of response times, from when an operation was due [the default]
    #[arg(long, help_heading = "Search", conflicts_with = "service")]
    response: bool,
    /// The objective is of service times, from when an operation began
    #[arg(long, help_heading = "Search")]
    service: bool,
    /// Seconds of each probe
    #[arg(long, value_name = "S", default_value_t = 5.0, help_heading = "Search")]
    #[arg(value_parser = number)]
    probe_seconds: f64,
    /// The rate of the first probe
    #[arg(long, value_name = "OPS", default_value_t = 1000.0, help_heading = "Search")]
    #[arg(value_parser = number)]
    start_rate: f64,
    /// How near to the limit the search ends, as a share
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, help_heading = "Search")]
    #[arg(value_parser = number)]
    precision: f64,
    /// Repeats that must all meet the objective at the rate found
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Search")]
    #[arg(value_parser = count::<usize>)]
    confirm: usize,
    /// Workload, engine and output.
    #[command(flatten)]
    phase: PhaseArgs,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Limit {
    /// Above the rate the engine misses the objective.
    Engine,
    /// Above the rate the client has no time left: the engine may be able to do more.
    Client,
    /// No rate meets the objective, or none did so in all repeats.
    NotFound,
}

/// The result of a search, as it is written to JSON.
#[derive(Debug, Serialize)]
struct SearchReport {
    schema: u32,
    #[serde(flatten)]
    info: PhaseInfo,
    workload: String,
    threads: usize,
    seed: u64,
    objective: Objective,
    judged: Judged,
    probe_seconds: f64,
    /// The highest rate that met the objective in all repeats.
    found_ops_s: Option<f64>,
    limit: Limit,
    /// Why it ended before its time, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_short: Option<String>,
    harness_ns_per_operation: f64,
    probes: Vec<Probe>,
    environment: Environment,
}

pub fn execute(mut arguments: SearchArgs) -> Result<Verdict> {
    check(&arguments)?;
    arguments.phase.duration = Some(arguments.probe_seconds);
    let mut job = arguments.phase.job(PhaseKind::Run)?;
    // A probe ends by its time; its operations are those its rate brings.
    job.workload.operation_count = 0;
    let json = OutputFile::check_if_given("--json", arguments.phase.json.as_deref())?;
    let environment = Environment::gather(&arguments.phase.dir);
    let engine_args = &arguments.phase.engine;
    let engine = engine::open(&engine_args.engine, &arguments.phase.dir, &engine_args.settings())?;
    let engine = engine_args.injection.around(engine);
    let harness_ns = null_ns_per_operation(&job)?;
    let (workload, threads, seed) = (job.workload_name.clone(), job.workload.threads, job.seed);
    let judged = if arguments.service { Judged::Service } else { Judged::Response };
    let pool = job.pool();
    let objective = arguments.slo.clone();
    let mut prober = Prober { engine: &*engine, job, pool, objective, judged, harness_ns, cut_short: None };
    let (found_ops_s, probes) = search(&mut prober, &arguments)?;
    let cut_short = prober.cut_short.take();
    let report = SearchReport {
        schema: SCHEMA,
        info: engine_args.info(&*engine),
        workload,
        threads,
        seed,
        objective: arguments.slo.clone(),
        judged,
        probe_seconds: arguments.probe_seconds,
        found_ops_s,
        limit: limit(found_ops_s, &probes),
        cut_short,
        harness_ns_per_operation: harness_ns,
        probes,
        environment,
    };
    let closed = engine.close();
    output(&format!("{}\n{}\n", table(&report).text(Style::Plain), sentence(&report)))?;
    if let Some(json) = json {
        json.write_json(&report)?;
    }
    if report.cut_short.is_some() {
        return Ok(Verdict::Bad);
    }
    closed?;
    Ok(if report.limit == Limit::Engine { Verdict::Good } else { Verdict::Inconclusive })
}

fn check(arguments: &SearchArgs) -> Result<()> {
    for (name, value) in [
        ("--probe-seconds", arguments.probe_seconds),
        ("--start-rate", arguments.start_rate),
        ("--precision", arguments.precision),
    ] {
        if !(value.is_finite() && value > 0.0) {
            bail!("{name} is {value}; allowed: a number above 0");
        }
    }
    if arguments.confirm == 0 {
        bail!("--confirm is 0; allowed: at least 1");
    }
    let phase = &arguments.phase;
    let without_effect = [
        ("--duration", phase.duration.is_some()),
        ("--target", phase.target.is_some()),
        ("--arrivals", phase.traffic.chosen().is_some()),
        ("--csv, --go-bench, --openmetrics and --hdr-log", phase.export.is_given()),
    ];
    if let Some((name, _)) = without_effect.into_iter().find(|(_, given)| *given) {
        bail!(
            "{name} cannot be given to a search: each probe is an open loop of Poisson arrivals for \
             --probe-seconds, and --json has all of them"
        );
    }
    if arguments.phase.trace.is_used() {
        bail!("search has rates of its own, and neither replays nor records traces; use run for them");
    }
    Ok(())
}

/// The rate that was found and confirmed, and all probes in order.
fn search(prober: &mut Prober<'_>, arguments: &SearchArgs) -> Result<(Option<f64>, Vec<Probe>)> {
    let mut bracket = Bracket::new(arguments.start_rate, arguments.precision);
    let mut probes = Vec::new();
    while let Some(rate) = bracket.next() {
        let Some(probe) = prober.probe(rate, false)?.map(tell) else { return Ok((None, probes)) };
        bracket.note(rate, probe.met);
        probes.push(probe);
    }
    let mut candidate = bracket.met();
    for _ in 0..LOWERED_MAX {
        let Some(rate) = candidate else {
            break;
        };
        let mut held = true;
        for _ in 0..arguments.confirm {
            let Some(probe) = prober.probe(rate, true)?.map(tell) else { return Ok((None, probes)) };
            held &= probe.met;
            probes.push(probe);
            if !held {
                break;
            }
        }
        if held {
            return Ok((Some(rate), probes));
        }
        candidate = Some(bracket.below(rate)).filter(|rate| *rate >= 1.0);
    }
    Ok((None, probes))
}

fn tell(probe: Probe) -> Probe {
    notice(&format!(
        "{:>12} ops/s: {}",
        grouped(probe.rate_ops_s.round() as u64),
        match (probe.met, probe.client_bound) {
            (true, _) => "met".to_owned(),
            (false, true) => "missed, for want of client threads".to_owned(),
            (false, false) if probe.errors > 0 =>
                format!("missed, {} operations failed", grouped(probe.errors)),
            (false, false) => "missed".to_owned(),
        }
    ));
    probe
}

/// Whose limit the lowest rate that missed above the found one shows.
fn limit(found_ops_s: Option<f64>, probes: &[Probe]) -> Limit {
    let Some(found) = found_ops_s else {
        return Limit::NotFound;
    };
    let above = probes.iter().filter(|probe| !probe.met && probe.rate_ops_s >= found);
    let nearest = above.min_by(|a, b| a.rate_ops_s.total_cmp(&b.rate_ops_s));
    if nearest.is_some_and(|probe| probe.client_bound) { Limit::Client } else { Limit::Engine }
}

fn table(report: &SearchReport) -> Grid {
    let percentile = report.objective.percentile;
    let mut grid = Grid::new(
        &[
            "rate",
            "ops/s",
            &format!("response p{percentile} us"),
            &format!("service p{percentile} us"),
            "unstarted",
            "failed",
            "clients busy",
            "harness",
            "objective",
        ],
        &[8],
    );
    for probe in &report.probes {
        let met = match (probe.met, probe.client_bound) {
            (true, _) => "met",
            (false, true) => "missed (client)",
            (false, false) => "missed",
        };
        let repeat = if probe.confirms { ", repeat" } else { "" };
        grid.lines.push(vec![
            grouped(probe.rate_ops_s.round() as u64),
            grouped(probe.throughput_ops_s.round() as u64),
            microseconds(probe.response_us),
            microseconds(probe.service_us),
            grouped(probe.unstarted),
            grouped(probe.errors),
            format!("{:.0} %", 100.0 * probe.busy_share),
            format!("{:.0} %", 100.0 * probe.harness_share),
            format!("{met}{repeat}"),
        ]);
    }
    grid
}

fn sentence(report: &SearchReport) -> String {
    let asked = format!(
        "{} ({} times)",
        report.objective,
        match report.judged {
            Judged::Response => "response",
            Judged::Service => "service",
        }
    );
    if let Some(why) = &report.cut_short {
        let best =
            report.probes.iter().filter(|probe| probe.met).map(|probe| probe.rate_ops_s).reduce(f64::max);
        let best = best.map_or("no rate had met".to_owned(), |rate| {
            format!("{} operations a second had met", grouped(rate.round() as u64))
        });
        return format!(
            "CUT SHORT by {why}: after {} whole probes {best} {asked}, and nothing is confirmed",
            report.probes.len()
        );
    }
    let rate = grouped(report.found_ops_s.unwrap_or(0.0).round() as u64);
    let failed = report.probes.iter().filter(|probe| probe.errors > 0).count();
    match report.limit {
        Limit::Engine => format!("{rate} operations a second meet {asked}"),
        Limit::Client => format!(
            "{rate} operations a second meet {asked}, and THE CLIENT IS THE LIMIT above: its {} threads have \
             no time left while calls are fast enough; try more --threads, or more cores for them",
            report.threads
        ),
        Limit::NotFound if report.probes.iter().all(|probe| !probe.met) && failed > 0 => format!(
            "no rate met {asked}: operations failed in {failed} of {} probes; was the data set loaded by the same \
             engine, with the same recordcount?",
            report.probes.len()
        ),
        Limit::NotFound => format!(
            "no rate met {asked} in all repeats; the machine may be noisy: try longer probes \
             (--probe-seconds), or a higher limit"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(rate_ops_s: f64, met: bool, client_bound: bool) -> Probe {
        Probe {
            rate_ops_s,
            throughput_ops_s: rate_ops_s,
            service_us: 1.0,
            response_us: 1.0,
            unstarted: 0,
            errors: 0,
            busy_share: 0.0,
            harness_share: 0.0,
            met,
            client_bound,
            confirms: false,
        }
    }

    #[test]
    fn the_lowest_rate_that_missed_above_the_found_one_says_whose_limit_it_is() {
        let met = probe(100.0, true, false);
        let by_client = [met.clone(), probe(400.0, false, false), probe(110.0, false, true)];
        assert_eq!(limit(Some(100.0), &by_client), Limit::Client);
        let by_engine = [met, probe(400.0, false, true), probe(110.0, false, false)];
        assert_eq!(limit(Some(100.0), &by_engine), Limit::Engine);
        assert_eq!(limit(None, &by_engine), Limit::NotFound);
    }
}

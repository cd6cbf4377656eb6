//! The command line. What is said here is the help text; what it does is elsewhere.

use clap::{Parser, Subcommand};

use crate::arguments::PhaseArgs;
use crate::commands::ci::{CiArgs, StepsArgs, limits_help};
use crate::commands::cliffs::{ABOUT_CLIFFS, CliffsArgs};
use crate::commands::compare::{ABOUT_COMPARISONS, CompareArgs};
use crate::commands::crash::{ABOUT_CRASHES, ChildArgs, CrashArgs};
use crate::commands::main_job::MainJobArgs;
use crate::commands::search::SearchArgs;
use crate::commands::suite::{ABOUT_THE_SUITE, SuiteArgs};
use crate::engine;

const ABOUT_THE_MAIN_JOB: &str = "\
Without a command, rabi-bench runs its main job: it loads a data set into a temporary directory, \
runs YCSB's workloads A, B, C, D, F and E on it, prints a table and writes the results to \
results/<date>-<machine>/ as results.json, README.md and report.html.

Examples:
  rabi-bench                                       the main job, under two minutes
  rabi-bench --smoke                               the same, tiny, in seconds
  rabi-bench --dir /mnt/disk/db --records 2000000 --threads 4 --duration 30
  rabi-bench load -P workloads/workloada -p recordcount=100000 --dir db
  rabi-bench run  -P workloads/workloada -p recordcount=100000 -p operationcount=0 \\
                  --dir db --threads 4 --duration 10 --json a.json -s

Exit status: 0 all well; 1 an operation failed, or a level of the engine was never seen filled; \
2 the command, a file, a property or the engine's directory is wrong; 130 or 143 ended early by SIGINT or SIGTERM, \
with a report of what there was (a second signal ends at once).";

const SEARCH_STATUS: &str = "\
Each probe is an open loop of Poisson arrivals. The rate is doubled until one misses the objective, then \
the distance is halved, and the rate found must hold in all of --confirm repeats.

Example:
  rabi-bench search --slo p99=2ms -P workloads/workloadb -p recordcount=100000 --dir db --threads 16

Exit status: 0 found; 2 the command, a file or the engine's directory is wrong; 3 the client was the \
limit, or no rate held; 130 or 143 ended early by SIGINT or SIGTERM.";

const CI_STATUS: &str = "\
Exit status: 0 no regression; 1 a regression; 2 the command, the engine or the baseline is wrong, or \
the time limit has passed; 3 inconclusive: counters are unsteady; 4 no verdict on some counters, which \
were not counted here, or depend on what is unlike (the compiler; for instructions also the C library); \
130 or 143 ended by SIGINT or SIGTERM, without a verdict.";

/// YCSB-style workload runner.
#[derive(Debug, Parser)]
#[command(version, about, after_help = after_help(), args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, allow_negative_numbers = true)]
pub struct Cli {
    /// Load or run alone; none for the main job.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The arguments of the main job.
    #[command(flatten)]
    pub main_job: MainJobArgs,
}

/// The commands besides the main job.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Insert the data set of a workload
    #[command(after_help = engines_help(), allow_negative_numbers = true)]
    Load(PhaseArgs),
    /// Run the operations of a workload on a loaded data set
    #[command(after_help = engines_help(), allow_negative_numbers = true)]
    Run(PhaseArgs),
    /// List the properties of workload files: default, values and what each does
    Properties,
    /// Find the highest rate at which a latency objective is met, on a loaded data set
    #[command(after_help = SEARCH_STATUS, allow_negative_numbers = true)]
    Search(Box<SearchArgs>),
    /// Judge one build against another by their results, or run both in turn first
    #[command(after_help = ABOUT_COMPARISONS, allow_negative_numbers = true)]
    Compare(Box<CompareArgs>),
    /// Hold the counters of a short fixed run against a baseline
    #[command(after_help = ci_help(), allow_negative_numbers = true)]
    Ci(CiArgs),
    /// The run whose counters ci takes
    #[command(hide = true)]
    CiSteps(StepsArgs),
    /// Compare several engines: the same work, the same memory, side by side
    #[command(after_help = suite_help(), allow_negative_numbers = true, args_override_self = true)]
    Suite(Box<SuiteArgs>),
    /// Measure patterns that some designs are bad at: hot keys, queues, deleted ranges, large values
    #[command(after_help = cliffs_help(), allow_negative_numbers = true)]
    Cliffs(Box<CliffsArgs>),
    /// Kill engines while they write: how long they take to open again, and whether anything is lost
    #[command(after_help = crash_help())]
    Crash(Box<CrashArgs>),
    /// The processes that crash starts and kills
    #[command(hide = true)]
    CrashChild(Box<ChildArgs>),
}

fn after_help() -> String {
    format!("{}\n\n{ABOUT_THE_MAIN_JOB}", engines_help())
}

fn ci_help() -> String {
    format!("{}\n\n{CI_STATUS}", limits_help())
}

fn suite_help() -> String {
    format!("{}\n\n{ABOUT_THE_SUITE}", engines_help())
}

fn cliffs_help() -> String {
    format!("{}\n\n{ABOUT_CLIFFS}", engines_help())
}

fn crash_help() -> String {
    format!("{}\n\n{ABOUT_CRASHES}", engines_help())
}

fn engines_help() -> String {
    format!("Engines:\n{}", engine::list())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_arguments_are_those_of_the_main_job() {
        let cli = Cli::try_parse_from(["rabi-bench", "--records", "5", "--workloads", "a,c"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.main_job.job.records, Some(5));
        assert_eq!(cli.main_job.workloads, ["a", "c"]);
    }

    #[test]
    fn load_and_run_take_files_and_properties() {
        let cli =
            Cli::try_parse_from(["rabi-bench", "run", "-P", "x", "-P", "y", "-p", "a=b", "--dir", "d", "-s"]);
        let Some(Command::Run(arguments)) = cli.unwrap().command else { panic!("not a run") };
        assert_eq!(arguments.workload.files, [PathBuf::from("x"), PathBuf::from("y")]);
        assert_eq!(arguments.workload.properties, ["a=b"]);
        assert!(arguments.status);
    }
}

//! What both the README and the page of a suite say: the data and its tables.

use std::path::PathBuf;

use crate::engine::Kept;
use crate::environment::Environment;
use crate::report::{
    Cliff, DurabilityRow, Grid, clients_on, cliffs_table, durability_matrix, grouped, microseconds,
};
use crate::resources::OTHERS_CORES_MAX;
use crate::size::with_sizes;
use crate::stats::median;

use super::behind::{Behind, behind, summary};
use super::sample::Phase;
use super::summary::{Class, EngineRow, Measure, REPEATS_MIN, WorkloadSummary, class_order};

/// A run that was carried out, or could not be.
#[derive(Debug)]
pub struct Done {
    /// The engine as the suite names it.
    pub engine: String,
    /// The command without the program.
    pub command: String,
    /// Its numbers, below the directory of results; nothing if there are none.
    pub file: Option<PathBuf>,
    /// What went wrong, if anything did.
    pub trouble: Option<String>,
}

#[derive(Debug)]
pub struct SuiteReport {
    pub environment: Environment,
    /// The engines in the order they were named.
    pub engines: Vec<String>,
    pub repeats: u32,
    /// How memory was bounded, or why not.
    pub memory: String,
    /// The signal that ended it before its time, if one did.
    pub cut_short: Option<&'static str>,
    pub done: Vec<Done>,
    /// All whole phases of all runs.
    pub phases: Vec<Phase>,
    /// The phases that ended before their time.
    pub cut: Vec<Phase>,
    pub workloads: Vec<WorkloadSummary>,
    /// What `cliffs` measured, if it was asked to.
    pub cliffs: Vec<Cliff>,
}

/// What the marks and numbers mean.
pub const READING: &str = "\
Each number is the median over the repeats; spread is from the smallest to the largest throughput, as \
a share of the median. Engines are compared only with those that keep the same durability. A star marks \
the best of its class where its worst repeat is better than every other engine's best one, with at least \
three repeats; whatever is closer is not a difference that was shown here. Latencies count from the call; \
under a schedule these are named service, and response, from when an operation was due, stands before them. They rest on each repeat's own percentile. CPU is of all threads, the harness's included. \
w-amp is bytes written (directly, or as pages made dirty) for each byte the user wrote, r-amp bytes fetched from storage for each byte the \
user read, s-amp space allocated over the data set; what was still to be compacted is not in them. RSS \
is the peak of the resident set, file pages of memory maps included.";

pub const SUMMARY_NOTE: &str = "\
Median of the repeats; in brackets its share of the largest median of the same line. A star marks the best \
only where its worst repeat beats every other engine's best one, with at least three repeats: without a \
star, no engine was shown to be the fastest. Engines that keep a different durability do different work, \
and stand in tables of their own.";

/// What the table of `cliffs` is.
pub const CLIFFS_NOTE: &str = "Patterns one by one, operations a second: medians over the repeats.";

impl SuiteReport {
    pub fn headline(&self) -> String {
        let first = self.phases.first();
        let asked = first.map_or("unknown", |phase| phase.durability.as_str());
        format!(
            "{} repeats of each engine, {}, durability asked: {asked}. Memory: {}.",
            self.repeats,
            self.clients(),
            self.memory
        )
    }

    /// Who called the engines: threads, or async clients where an engine has calls that can be awaited.
    pub fn clients(&self) -> String {
        let of = |phase: &Phase| clients_on(phase.clients, phase.threads);
        let Some(first) = self.phases.first().map(of) else { return "no clients".to_owned() };
        if self.phases.iter().all(|phase| of(phase) == first) {
            return format!("called by {first}");
        }
        let called = self.engines.iter().filter_map(|engine| {
            let phase = self.phases.iter().find(|phase| phase.engine == *engine)?;
            Some(format!("{engine} called by {}", of(phase)))
        });
        format!(
            "{} (engines without calls that can be awaited get threads)",
            called.collect::<Vec<_>>().join(", ")
        )
    }

    /// For each class of durability, the one with most engines first: workloads down, engines across, each with
    /// its share of the best.
    pub fn summary(&self) -> Vec<(Kept, Grid)> {
        let order = class_order(&self.engines, &self.phases);
        order.into_iter().map(|kept| (kept, self.summary_of(kept))).collect()
    }

    fn summary_of(&self, kept: Kept) -> Grid {
        let classes = || {
            let of =
                |workload: &WorkloadSummary| workload.classes.iter().position(|class| class.kept == kept);
            self.workloads.iter().filter_map(move |w| Some((&w.title, &w.classes[of(w)?])))
        };
        let has = |engine: &&String| {
            classes().any(|(_, class)| class.rows.iter().any(|row| row.engine == **engine))
        };
        let engines: Vec<&str> = self.engines.iter().filter(has).map(String::as_str).collect();
        let mut grid = Grid::new(&[&["workload"], &engines[..]].concat(), &[0]);
        for (title, class) in classes() {
            let mut line = vec![title.clone()];
            line.extend(engines.iter().map(|engine| summary_cell(class, engine)));
            grid.lines.push(line);
        }
        grid
    }

    /// What `cliffs` measured: patterns down, engines across.
    pub fn cliffs(&self) -> Option<Grid> {
        (!self.cliffs.is_empty()).then(|| cliffs_table(&self.engines, &self.cliffs))
    }

    /// Where Rabi is behind, workload by workload, and a summary: that it is nowhere, or why that cannot be said.
    /// Nothing without Rabi.
    pub fn behind(&self) -> Option<(String, Vec<Behind>)> {
        let ran = |class: &&Class| class.rows.iter().any(|row| row.engine == "rabi");
        let mut classes = self.workloads.iter().flat_map(|workload| &workload.classes).filter(ran).peekable();
        classes.peek()?;
        if classes.all(|class| class.rows.len() == 1) {
            let why = "No other engine kept the durability that rabi kept: there is nothing to rank.";
            return Some((why.to_owned(), Vec::new()));
        }
        if (self.repeats as usize) < REPEATS_MIN {
            let why = format!("Where rabi is behind cannot be told from {} repeats.", self.repeats);
            return Some((why, Vec::new()));
        }
        let found = behind(&self.workloads);
        Some((summary(&found), found))
    }

    /// One row per engine that ran.
    pub fn durability(&self) -> Grid {
        let row = |engine: &String| {
            let phase = self.phases.iter().find(|phase| phase.engine == *engine)?;
            Some(DurabilityRow {
                engine: engine.clone(),
                asked: phase.durability.clone(),
                kept: phase.durability_kept,
                how: phase.durability_how.clone(),
            })
        };
        durability_matrix(&self.engines.iter().filter_map(row).collect::<Vec<_>>())
    }

    pub fn settings(&self) -> Grid {
        let mut grid = Grid::new(&["engine", "setting", "value"], &[0, 1, 2]);
        for engine in &self.engines {
            let first = self.phases.iter().find(|phase| phase.engine == *engine);
            let mut name = engine.as_str();
            for (setting, value) in first.map(|phase| &phase.engine_settings).into_iter().flatten() {
                grid.lines.push(vec![name.to_owned(), setting.clone(), with_sizes(value)]);
                name = "";
            }
        }
        grid
    }

    pub fn class(&self, class: &Class) -> Grid {
        let names = class.rows.first().map(|row| row.measures.iter().map(|measure| measure.name.as_str()));
        let mut columns = vec!["engine"];
        for name in names.into_iter().flatten() {
            columns.push(name);
            if name == "ops/s" {
                columns.push("spread");
            }
        }
        let mut grid = Grid::new(&columns, &[0]);
        for row in &class.rows {
            let mut line = vec![row.engine.clone()];
            for measure in &row.measures {
                line.push(cell(measure));
                if measure.name == "ops/s" {
                    line.push(
                        measure.spread().map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share)),
                    );
                }
            }
            grid.lines.push(line);
        }
        grid
    }

    /// The null engine's cost by workload, and the runs whose client was the bottleneck.
    pub fn harness(&self) -> Grid {
        let mut grid = Grid::new(&["workload", "harness ns/op", "client-bound runs of"], &[0, 2]);
        for workload in &self.workloads {
            let rows = || workload.classes.iter().flat_map(|class| &class.rows);
            let cost = |phase: &Phase| phase.harness.null_ns_per_operation;
            let costs: Vec<f64> = rows().flat_map(|row| row.phases.iter().map(cost)).collect();
            let bound = |phase: &Phase| phase.harness.client_was_bottleneck;
            let names: Vec<&str> =
                rows().filter(|row| row.phases.iter().any(bound)).map(|row| row.engine.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let cost = if costs.is_empty() { "-".to_owned() } else { format!("{:.0}", median(&costs)) };
            grid.lines.push(vec![workload.title.clone(), cost, names]);
        }
        grid
    }

    /// Phases during which the machine was not quiet.
    fn unquiet(&self) -> Option<String> {
        let others =
            |phase: &Phase| phase.resources.cpu_others_cores.filter(|cores| *cores > OTHERS_CORES_MAX);
        let all: Vec<f64> = self.phases.iter().filter_map(others).collect();
        let most = all.iter().copied().max_by(f64::total_cmp)?;
        Some(format!(
            "the machine was not quiet: in {} of {} phases other processes used more than {OTHERS_CORES_MAX} \
             cores, at most {most:.2}; repeat it on an idle one",
            all.len(),
            self.phases.len()
        ))
    }

    /// One sentence, if it ended before its time.
    pub fn cut_short(&self) -> Option<String> {
        let why = self.cut_short?;
        Some(format!(
            "cut short by {why}: engines have fewer repeats than were asked for, and maybe not equally many"
        ))
    }

    pub fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> = self.cut_short().into_iter().collect();
        doubts.extend(self.environment.doubts());
        doubts.extend(self.cut.iter().map(|phase| {
            format!(
                "{} {} was cut short by {}, and is in no table",
                phase.engine,
                phase.title(),
                phase.cut_short.as_deref().unwrap_or_default()
            )
        }));
        if (self.repeats as usize) < REPEATS_MIN {
            doubts.push(format!("with {} repeats no best is marked; use --repeat 3 or more", self.repeats));
        }
        doubts.extend(self.unquiet());
        let bound: Vec<String> = self
            .phases
            .iter()
            .filter(|phase| phase.harness.client_was_bottleneck)
            .map(|phase| format!("{} {}", phase.engine, phase.title()))
            .collect();
        if !bound.is_empty() {
            let mut names = bound;
            names.sort();
            names.dedup();
            doubts.push(format!(
                "the client was the bottleneck, and the engine is faster than the numbers, in: {}",
                names.join(", ")
            ));
        }
        doubts.extend(self.done.iter().filter_map(|run| run.trouble.clone()));
        doubts
    }
}

/// Throughput of one engine, and what part of the largest of its class that is.
fn summary_cell(class: &Class, engine: &str) -> String {
    let throughput = |row: &EngineRow| row.measures.first().and_then(Measure::median);
    let most = class.rows.iter().filter_map(throughput).fold(0.0, f64::max);
    let Some(row) = class.rows.iter().find(|row| row.engine == engine) else { return "-".to_owned() };
    let (Some(median), Some(measure)) = (throughput(row), row.measures.first()) else {
        return "-".to_owned();
    };
    let share = match class.rows.len() {
        1 => String::new(),
        _ => format!(" ({:.2}x)", median / most.max(1e-9)),
    };
    format!("{}{share}{}", grouped(median.round() as u64), if measure.best { " *" } else { "" })
}

fn cell(measure: &Measure) -> String {
    let Some(median) = measure.median() else {
        return "-".to_owned();
    };
    let number = match measure.name.as_str() {
        "ops/s" | "worst second" | "RSS MiB" => grouped(median.round() as u64),
        name if name.ends_with("amp") => format!("{median:.2}"),
        _ => microseconds(median),
    };
    if measure.best { format!("{number} *") } else { number }
}

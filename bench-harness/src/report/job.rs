//! The result of the main job: all phases, the levels and the environment. `docs/results-schema.md` says what its
//! fields are.

use serde::Serialize;

use crate::environment::Environment;
use crate::levels::{self, LevelSeen};

use super::{DurabilityRow, PhaseReport, clients_on};

/// The result of a whole job, as it is written to `results.json`.
#[derive(Debug, Serialize)]
pub struct JobReport {
    pub schema: u32,
    pub environment: Environment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
    pub levels: Option<Vec<LevelSeen>>,
    pub phases: Vec<PhaseReport>,
    pub elapsed_s: f64,
}

impl JobReport {
    /// Calls that failed in any phase.
    pub fn errors(&self) -> u64 {
        self.phases.iter().map(|phase| phase.errors_total).sum()
    }

    /// The sentences about the levels, from L0 to L3.
    pub fn level_sentences(&self) -> Vec<String> {
        match &self.levels {
            Some(levels) => levels.iter().map(LevelSeen::sentence).collect(),
            None => vec!["This engine reports no levels.".to_owned()],
        }
    }

    /// Everything that makes the numbers doubtful, for the reader to see first.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.cut_short().into_iter().collect();
        warnings.extend(self.environment.doubts());
        for phase in &self.phases {
            let title = phase.title();
            if phase.errors_total > 0 {
                warnings.push(format!("{title}: {} operations failed", phase.errors_total));
            }
            if let Some(doubt) = phase.resources.doubt() {
                warnings.push(format!("{title}: {doubt}"));
            }
            if phase.harness.client_was_bottleneck {
                warnings.push(format!(
                    "{title}: the client was the bottleneck ({:.0} % of its time went into the harness); the \
                     engine is faster than these numbers",
                    100.0 * phase.harness.client_share
                ));
            }
        }
        let missing = levels::missing(self.levels.as_deref().unwrap_or_default());
        if !missing.is_empty() {
            warnings
                .push(format!("never seen filled: {}; these numbers do not cover it", missing.join(", ")));
        }
        warnings
    }

    /// One sentence, if it ended before its time.
    pub fn cut_short(&self) -> Option<String> {
        let (why, last) = (self.cut_short.as_ref()?, self.phases.last()?);
        let when = if last.cut_short.is_some() { "in" } else { "after" };
        Some(format!("cut short by {why} {when} {}, and what would have followed is missing", last.title()))
    }

    pub fn durability_rows(&self) -> Vec<DurabilityRow> {
        self.phases.first().map(|phase| DurabilityRow::of(&phase.info)).into_iter().collect()
    }

    /// One line on what was measured: engine, durability, threads, records.
    pub fn headline(&self) -> String {
        let Some(first) = self.phases.first() else {
            return String::new();
        };
        format!(
            "engine {}, durability {}, {}, {} records, seed {}",
            first.info.engine,
            first.info.durability_statement,
            clients_on(first.clients.map(|clients| clients as u64), first.threads as u64),
            first.records,
            first.seed
        )
    }
}

//! The result of the main job: all phases, the levels and the environment.

use serde::Serialize;

use crate::environment::Environment;
use crate::levels::LevelSeen;

use super::{DurabilityRow, PhaseReport};

/// The result of a whole job, as it is written to `results.json`.
#[derive(Debug, Serialize)]
pub struct JobReport {
    /// The version of this format.
    pub schema: u32,
    /// Where it was measured.
    pub environment: Environment,
    /// What was seen of the levels; nothing if the engine has none.
    pub levels: Option<Vec<LevelSeen>>,
    /// All phases in order.
    pub phases: Vec<PhaseReport>,
    /// From the first phase's start to the engine's end.
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

    /// The rows of the durability matrix: one, as a job has one engine.
    pub fn durability_rows(&self) -> Vec<DurabilityRow> {
        self.phases.first().map(|phase| DurabilityRow::of(&phase.info)).into_iter().collect()
    }

    /// One line on what was measured: engine, durability, threads, records.
    pub fn headline(&self) -> String {
        let Some(first) = self.phases.first() else {
            return String::new();
        };
        format!(
            "engine {}, durability {}, {} threads, {} records, seed {}",
            first.info.engine, first.info.durability_statement, first.threads, first.records, first.seed
        )
    }
}

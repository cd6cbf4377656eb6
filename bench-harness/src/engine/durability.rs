//! What a write has survived once it is acknowledged: what is asked for, and what is kept.
//!
//! The two differ: an engine without a class between "gone" and "on the device" keeps `power`
//! where `process` was asked for, and pays for it. Results are compared by what was kept.

use serde::{Deserialize, Serialize};

/// What is asked of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The death of the process.
    Process,
    /// Loss of power.
    Power,
}

impl Durability {
    /// The word used on the command line and in reports.
    pub fn name(self) -> &'static str {
        Kept::from(self).name()
    }
}

/// What an acknowledged write has survived, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// Nothing: the death of the process may take acknowledged writes with it.
    Nothing,
    /// The death of the process.
    Process,
    /// Loss of power, and so the death of the process.
    Power,
}

impl Kept {
    /// The word used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kept::Nothing => "nothing",
            Kept::Process => "process",
            Kept::Power => "power",
        }
    }
}

impl From<Durability> for Kept {
    fn from(asked: Durability) -> Kept {
        match asked {
            Durability::Process => Kept::Process,
            Durability::Power => Kept::Power,
        }
    }
}

/// What an open engine keeps, and by which means.
#[derive(Debug, Clone)]
pub struct Keeps {
    /// The class.
    pub kept: Kept,
    /// How, in the engine's own terms.
    pub how: &'static str,
}

impl Keeps {
    /// What was asked for, and how an engine keeps either class.
    pub fn asked(durability: Durability, process: &'static str, power: &'static str) -> Keeps {
        let how = if durability == Durability::Power { power } else { process };
        Keeps { kept: durability.into(), how }
    }

    /// The class and how it is kept, as one phrase.
    pub fn statement(&self) -> String {
        format!("{}: {}", self.kept.name(), self.how)
    }
}

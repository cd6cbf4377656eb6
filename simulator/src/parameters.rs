//! What a run is: a seed, and what may be taken away from the run that the seed draws.

use std::fmt;

use clap::{Args, ValueEnum};

use crate::bugs::Planted;
use crate::fault_profile::FaultProfile;
use crate::random::Random;

/// Everything that defines a run. The same parameters are the same run, to the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) seed: u64,
    /// Operations of all callers together, over all rounds.
    pub(crate) operations: usize,
    /// Openings that are followed by work.
    pub(crate) rounds: usize,
    pub(crate) callers: usize,
    pub(crate) cores: usize,
    /// Size of the key space.
    pub(crate) keys: usize,
    pub(crate) profile: FaultProfile,
    /// Whether rounds end in crashes, and openings are interrupted by them.
    pub(crate) crashes: bool,
    /// The bug that this run has.
    pub(crate) plant: Option<Planted>,
}

/// What of a seed's parameters is replaced.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// Operations of all callers together [default: as the seed says, 200 to 2000]
    #[arg(long, value_name = "N")]
    pub(crate) operations: Option<usize>,
    /// Openings that are followed by work [default: as the seed says, 1 to 8]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Simulated callers [default: as the seed says, 3 to 6]
    #[arg(long, value_name = "N")]
    pub(crate) callers: Option<usize>,
    /// Engine cores [default: as the seed says, 1 to 4]
    #[arg(long, value_name = "N")]
    pub(crate) cores: Option<usize>,
    /// Size of the key space [default: as the seed says, 2 to 2000]
    #[arg(long, value_name = "N")]
    pub(crate) keys: Option<usize>,
    /// What goes wrong besides crashes [default: as the seed says]
    #[arg(long)]
    pub(crate) profile: Option<FaultProfile>,
    /// No crashes: rounds end in an orderly way
    #[arg(long)]
    pub(crate) no_crashes: bool,
    /// Give the run a bug that is to be found; a wrong name prints all there are
    #[arg(long, value_name = "BUG", value_parser = Planted::parse)]
    pub(crate) plant: Option<Planted>,
}

impl Parameters {
    /// What the seed says.
    pub(crate) fn draw(seed: u64) -> Self {
        use FaultProfile::{Corruption, Errors, FileDamage, Full, Healthy, Mixed};
        let mut random = Random::new(seed, "parameters");
        let profiles = [Healthy, Errors, Full, Corruption, Mixed, FileDamage];
        Self {
            seed,
            operations: random.between(200, 2000),
            rounds: random.between(1, 8),
            callers: random.between(3, 6),
            cores: random.pick(&[1, 2, 2, 3, 4]),
            keys: random.pick(&[2, 30, 300, 300, 2000]),
            profile: profiles[random.weighted(&[45, 25, 10, 10, 5, 5])],
            crashes: random.chance(90),
            plant: None,
        }
    }

    /// What the seed says, but for the overrides.
    pub(crate) fn with(seed: u64, overrides: &Overrides) -> Self {
        let drawn = Self::draw(seed);
        Self {
            seed,
            operations: overrides.operations.unwrap_or(drawn.operations),
            rounds: overrides.rounds.unwrap_or(drawn.rounds).max(1),
            callers: overrides.callers.unwrap_or(drawn.callers).max(1),
            cores: overrides.cores.unwrap_or(drawn.cores).clamp(1, 64),
            keys: overrides.keys.unwrap_or(drawn.keys).max(1),
            profile: overrides.profile.unwrap_or(drawn.profile),
            crashes: drawn.crashes && !overrides.no_crashes,
            plant: overrides.plant,
        }
    }
}

/// The command line that repeats the run: the seed, and what differs from what it draws.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = Self::draw(self.seed);
        write!(f, "--seed {}", self.seed)?;
        let numbers = [
            ("operations", self.operations, drawn.operations),
            ("rounds", self.rounds, drawn.rounds),
            ("callers", self.callers, drawn.callers),
            ("cores", self.cores, drawn.cores),
            ("keys", self.keys, drawn.keys),
        ];
        for (name, value, otherwise) in numbers {
            if value != otherwise {
                write!(f, " --{name} {value}")?;
            }
        }
        if self.profile != drawn.profile {
            let name = self.profile.to_possible_value().expect("no profile is hidden");
            write!(f, " --profile {}", name.get_name())?;
        }
        if self.crashes != drawn.crashes {
            write!(f, " --no-crashes")?;
        }
        if let Some(bug) = self.plant {
            write!(f, " --plant {}", bug.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_names_only_what_differs_from_the_seed() {
        let drawn = Parameters::draw(5);
        assert_eq!(drawn.to_string(), "--seed 5");
        let overrides = Overrides {
            operations: Some(7),
            profile: Some(FaultProfile::Full),
            cores: Some(drawn.cores),
            ..Overrides::default()
        };
        let text = Parameters::with(5, &overrides).to_string();
        assert!(text.starts_with("--seed 5 --operations 7"), "{text}");
        assert!(!text.contains("cores"), "{text}");
    }
}

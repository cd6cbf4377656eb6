//! A latency objective such as `p99=2ms`.

use std::str::FromStr;

use serde::Serialize;

/// A share of the operations and how long each of them may take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    /// From 0 to 100.
    pub percentile: f64,
    /// The longest latency allowed at that percentile.
    pub limit_us: f64,
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Objective, String> {
        let allowed =
            || format!("'{text}' is no objective; expected for example p99=2ms, p99.9=500us or p50=1s");
        let (percentile, limit) =
            text.strip_prefix('p').and_then(|rest| rest.split_once('=')).ok_or_else(allowed)?;
        let percentile: f64 = percentile.parse().map_err(|_| allowed())?;
        let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
        let (number, us) = units
            .into_iter()
            .find_map(|(unit, us)| Some((limit.strip_suffix(unit)?, us)))
            .ok_or_else(allowed)?;
        let limit_us = number.trim().parse::<f64>().map_err(|_| allowed())? * us;
        if !((0.0..=100.0).contains(&percentile) && limit_us.is_finite() && limit_us > 0.0) {
            return Err(allowed());
        }
        Ok(Objective { percentile, limit_us })
    }
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{} of at most {} us", self.percentile, self.limit_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_a_percentile_and_a_time_with_its_unit() {
        let objective = |text: &str| text.parse::<Objective>();
        assert_eq!(objective("p99=2ms"), Ok(Objective { percentile: 99.0, limit_us: 2_000.0 }));
        assert_eq!(objective("p99.9=500us"), Ok(Objective { percentile: 99.9, limit_us: 500.0 }));
        assert_eq!(objective("p50=1.5s"), Ok(Objective { percentile: 50.0, limit_us: 1_500_000.0 }));
    }
}

//! Which rate to try next: up until one misses the objective, then between the last that met it
//! and the first that did not. Pure: no clock, no engine.

/// A rate is doubled until one misses.
const FACTOR: f64 = 2.0;

/// What is known of the highest rate that meets the objective.
#[derive(Debug, Clone, Copy)]
pub struct Bracket {
    met: Option<f64>,
    missed: Option<f64>,
    start: f64,
    precision: f64,
}

impl Bracket {
    /// Nothing is known. The search begins at `start` and ends when the two sides are apart by no
    /// more than the share `precision`.
    pub fn new(start: f64, precision: f64) -> Bracket {
        Bracket { met: None, missed: None, start, precision }
    }

    /// The rate to try; none when the search is over.
    pub fn next(&self) -> Option<f64> {
        match (self.met, self.missed) {
            (None, None) => Some(self.start),
            (Some(met), None) => Some(met * FACTOR),
            // Below one operation a second nothing is left to find.
            (None, Some(missed)) => Some(missed / FACTOR).filter(|rate| *rate >= 1.0),
            (Some(met), Some(missed)) if missed <= met * (1.0 + self.precision) => None,
            // Rates are compared by their ratio.
            (Some(met), Some(missed)) => Some((met * missed).sqrt()),
        }
    }

    /// Learns how a rate did. A later answer about a rate outweighs an earlier one.
    pub fn note(&mut self, rate: f64, met: bool) {
        if met {
            self.met = Some(self.met.map_or(rate, |known| known.max(rate)));
            self.missed = self.missed.filter(|missed| *missed > rate);
        } else {
            self.missed = Some(self.missed.map_or(rate, |known| known.min(rate)));
            self.met = self.met.filter(|met| *met < rate);
        }
    }

    /// The highest rate that met the objective.
    pub fn met(&self) -> Option<f64> {
        self.met
    }

    /// A little below a rate that turned out not to hold.
    pub fn below(&self, rate: f64) -> f64 {
        rate / (1.0 + self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates tried if all up to `limit` meet the objective.
    fn search(start: f64, limit: f64) -> (Vec<f64>, Option<f64>) {
        let mut bracket = Bracket::new(start, 0.02);
        let mut tried = Vec::new();
        while let Some(rate) = bracket.next() {
            tried.push(rate);
            bracket.note(rate, rate <= limit);
        }
        (tried, bracket.met())
    }

    #[test]
    fn the_rate_is_found_within_the_precision_from_below_and_from_above() {
        for start in [10.0, 1_000.0, 700_000.0] {
            let (tried, found) = search(start, 54_321.0);
            let found = found.unwrap();
            assert!(found <= 54_321.0 && found * 1.02 >= 54_321.0, "{start}: {found}");
            assert!(tried.len() < 25, "{start}: {} tries", tried.len());
        }
    }

    #[test]
    fn where_no_rate_meets_the_objective_the_search_ends_without_one() {
        let (tried, found) = search(1_000.0, 0.0);
        assert_eq!(found, None);
        assert!(tried.len() <= 11 && tried.iter().all(|rate| *rate >= 1.0));
    }

    #[test]
    fn a_later_answer_outweighs_an_earlier_one() {
        let mut bracket = Bracket::new(100.0, 0.02);
        bracket.note(100.0, true);
        bracket.note(100.0, false);
        assert_eq!(bracket.met(), None);
        assert_eq!(bracket.next(), Some(50.0));
    }
}

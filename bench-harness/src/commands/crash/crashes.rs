//! What the kills of one engine have shown, round by round. The fields are explained in `docs/results-schema.md`.

use serde::{Deserialize, Serialize};

use crate::engine::Kept;
use crate::report::{grouped, microseconds as three_digits};
use crate::stats::{median, quantile_sorted};

pub const COLUMNS: [&str; 13] = [
    "engine",
    "keeps",
    "rounds",
    "killed in load/run/open",
    "acknowledged",
    "MB p50",
    "open ms p50",
    "max",
    "max after killed open",
    "first read ms p50",
    "max",
    "lost",
    "wrong",
];

#[derive(Debug, Serialize)]
pub struct EngineCrashes {
    pub engine: String,
    pub durability_kept: Option<Kept>,
    pub durability_how: Option<String>,
    pub out: Option<String>,
    pub first_bad: Vec<String>,
    pub rounds: Vec<Round>,
}

/// One kill of one engine, and what was there afterwards.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    pub round: u32,
    pub kill_after_s: f64,
    pub killed_in: &'static str,
    pub killed_again_in: Option<&'static str>,
    pub acknowledged: u64,
    pub failures: u64,
    pub size_bytes: u64,
    #[serde(flatten)]
    pub found: Found,
}

/// What was there when an engine was opened again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// From the call of open to its return.
    pub open_s: f64,
    /// From the call of open to the end of the first read; nothing if no record is known to be there.
    pub first_read_s: Option<f64>,
    /// Records that are as they should be.
    pub good: u64,
    /// Records without an acknowledged write.
    pub lost: u64,
    /// Records that nobody wrote so.
    pub wrong: u64,
}

impl EngineCrashes {
    const BAD_MAX: usize = 5;

    pub fn new(engine: &str) -> EngineCrashes {
        EngineCrashes {
            engine: engine.to_owned(),
            durability_kept: None,
            durability_how: None,
            out: None,
            first_bad: Vec::new(),
            rounds: Vec::new(),
        }
    }

    /// Keeps a record that was lost or wrong in words, if it is one of the first.
    pub fn note(&mut self, text: String) {
        if self.first_bad.len() < EngineCrashes::BAD_MAX {
            self.first_bad.push(text);
        }
    }

    /// Whether it has kept what it promises.
    pub fn is_good(&self) -> bool {
        let may_lose = self.durability_kept == Some(Kept::Nothing);
        let fine = |round: &Round| {
            (may_lose || round.found.lost == 0) && round.found.wrong == 0 && round.failures == 0
        };
        self.out.is_none() && self.rounds.iter().all(fine)
    }

    fn sum(&self, of: impl Fn(&Round) -> u64) -> u64 {
        self.rounds.iter().map(of).sum()
    }

    /// Its line in the table below `COLUMNS`.
    pub fn line(&self) -> Vec<String> {
        let killed_in = |stage| self.sum(|round| u64::from(round.killed_in == stage));
        let opening = self.sum(|round| u64::from(round.killed_again_in == Some("open")));
        // An opening that was killed may have done a part of the work for the next one.
        let whole = || self.rounds.iter().filter(|round| round.killed_again_in.is_none());
        let again = self.rounds.iter().filter(|round| round.killed_again_in.is_some());
        let open: Vec<f64> = whole().map(|round| round.found.open_s).collect();
        let read: Vec<f64> = whole().filter_map(|round| round.found.first_read_s).collect();
        let again: Vec<f64> = again.map(|round| round.found.open_s).collect();
        let sizes: Vec<f64> = self.rounds.iter().map(|round| round.size_bytes as f64 / 1e6).collect();
        vec![
            self.engine.clone(),
            self.durability_kept.map_or("", Kept::name).to_owned(),
            grouped(self.rounds.len() as u64),
            format!("{}/{}/{opening}", killed_in("load"), killed_in("run")),
            grouped(self.sum(|round| round.acknowledged)),
            if sizes.is_empty() { "-".to_owned() } else { grouped(median(&sizes) as u64) },
            milliseconds(&open, 0.5),
            milliseconds(&open, 1.0),
            milliseconds(&again, 1.0),
            milliseconds(&read, 0.5),
            milliseconds(&read, 1.0),
            grouped(self.sum(|round| round.found.lost)),
            grouped(self.sum(|round| round.found.wrong)),
        ]
    }

    /// What it promises, and what went wrong.
    pub fn sentences(&self) -> String {
        let how = self.durability_how.as_deref().unwrap_or_default();
        let mut text = match self.durability_kept {
            Some(Kept::Nothing) => format!(
                "{}: promises nothing for kill -9 ({how}): what it loses is counted, not held against it\n",
                self.engine
            ),
            Some(kept) => format!(
                "{}: promises {}: {how}; so every acknowledged write has to be there after kill -9\n",
                self.engine,
                kept.name()
            ),
            None => {
                format!("{}: was never open again, so it has said nothing of what it keeps\n", self.engine)
            }
        };
        let failures = self.sum(|round| round.failures);
        if failures > 0 {
            text += &format!("{}: {failures} operations failed before the kills\n", self.engine);
        }
        if let Some(out) = &self.out {
            text += &format!("{}: given up in {out}\n", self.engine);
        }
        for bad in &self.first_bad {
            text += &format!("{}: {bad}\n", self.engine);
        }
        text
    }
}

fn milliseconds(sample: &[f64], quantile: f64) -> String {
    if sample.is_empty() {
        return "-".to_owned();
    }
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    three_digits(1e3 * quantile_sorted(&sorted, quantile))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(lost: u64, wrong: u64, failures: u64) -> Round {
        Round {
            round: 1,
            kill_after_s: 0.5,
            killed_in: "run",
            killed_again_in: None,
            acknowledged: 1000,
            failures,
            size_bytes: 5_000_000,
            found: Found { open_s: 0.25, first_read_s: Some(0.5), good: 10, lost, wrong },
        }
    }

    fn engine(kept: Kept, rounds: Vec<Round>) -> EngineCrashes {
        EngineCrashes { durability_kept: Some(kept), rounds, ..EngineCrashes::new("x") }
    }

    #[test]
    fn a_loss_counts_against_those_that_promised_and_what_nobody_wrote_against_all() {
        for (kept, lost, wrong, failures, good) in [
            (Kept::Process, 0, 0, 0, true),
            (Kept::Process, 1, 0, 0, false),
            (Kept::Power, 1, 0, 0, false),
            (Kept::Nothing, 1, 0, 0, true),
            (Kept::Nothing, 0, 1, 0, false),
            (Kept::Process, 0, 0, 1, false),
        ] {
            let engine = engine(kept, vec![round(0, 0, 0), round(lost, wrong, failures)]);
            assert_eq!(engine.is_good(), good, "{kept:?} {lost} {wrong} {failures}");
        }
        let out = EngineCrashes { out: Some("round 2: no".to_owned()), ..engine(Kept::Process, Vec::new()) };
        assert!(!out.is_good());
    }

    #[test]
    fn an_opening_that_was_killed_first_is_not_mixed_with_the_others() {
        let after_killed = |stage, open_s| {
            let mut round = Round { killed_again_in: Some(stage), ..round(0, 0, 0) };
            round.found.open_s = open_s;
            round
        };
        let (again, late) = (after_killed("open", 9.0), after_killed("opened", 7.0));
        let line = engine(Kept::Process, vec![round(0, 0, 0), again, late, round(2, 0, 0)]).line();
        let expected =
            ["x", "process", "4", "0/4/1", "4,000", "5", "250", "250", "9,000", "500", "500", "2", "0"];
        assert_eq!(line, expected);
    }
}

//! What engines made of a full device, as JSON and as text. The fields are explained in `docs/results-schema.md`.

use serde::Serialize;

use crate::engine::Kept;
use crate::report::{Grid, Style, grouped, microseconds};

const COLUMNS: [&str; 10] = [
    "engine",
    "keeps",
    "acknowledged",
    "reads good",
    "bad",
    "MB of room",
    "writes again after s",
    "open ms",
    "lost",
    "wrong",
];

/// What an engine made of a full device. What is missing, it did not live to show.
#[derive(Debug, Default, Serialize)]
pub struct EngineFull {
    pub engine: String,
    pub room_bytes: u64,
    pub acknowledged: Option<u64>,
    pub error: Option<String>,
    pub reads_good: Option<u64>,
    pub reads_bad: Option<u64>,
    pub resumed_s: Option<f64>,
    pub trouble: Option<String>,
    pub durability_kept: Option<Kept>,
    pub open_s: Option<f64>,
    pub lost: Option<u64>,
    pub wrong: Option<u64>,
    pub first_bad: Vec<String>,
}

impl EngineFull {
    /// Whether it has kept what it promises: it may refuse to write, but not lose.
    pub fn is_good(&self) -> bool {
        let may_lose = self.durability_kept == Some(Kept::Nothing);
        let lost = self.lost.is_some_and(|lost| lost > 0);
        self.open_s.is_some() && self.wrong == Some(0) && (may_lose || !lost)
    }
}

pub fn text(engines: &[EngineFull]) -> String {
    let mut grid = Grid::new(&COLUMNS, &[0, 1]);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let count = |number: Option<u64>| or_dash(number.map(grouped));
    let mut sentences = String::new();
    for full in engines {
        grid.lines.push(vec![
            full.engine.clone(),
            full.durability_kept.map_or("-", Kept::name).to_owned(),
            count(full.acknowledged),
            count(full.reads_good),
            count(full.reads_bad),
            grouped(full.room_bytes / 1_000_000),
            or_dash(full.resumed_s.map(|seconds| format!("{seconds:.3}"))),
            or_dash(full.open_s.map(|seconds| microseconds(1e3 * seconds))),
            count(full.lost),
            count(full.wrong),
        ]);
        let engine = &full.engine;
        for said in [full.error.as_ref(), full.trouble.as_ref()].into_iter().flatten() {
            sentences += &format!("{engine}: {said}\n");
        }
        for bad in &full.first_bad {
            sentences += &format!("{engine}: {bad}\n");
        }
    }
    format!("{}\n{sentences}", grid.text(Style::Plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_results_names_every_field_and_no_other() {
        let page = include_str!("../../../docs/results-schema.md");
        let section =
            page.split("\n## crash full\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let named: Vec<_> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let value = serde_json::to_value(EngineFull::default()).unwrap();
        let mut written: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        written.sort_unstable();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, written);
    }

    #[test]
    fn an_engine_may_refuse_and_die_but_not_lose_what_it_promised_to_keep() {
        let full = |kept, lost, wrong| EngineFull {
            durability_kept: Some(kept),
            open_s: Some(0.1),
            lost: Some(lost),
            wrong: Some(wrong),
            trouble: Some("SIGBUS".to_owned()),
            ..EngineFull::default()
        };
        assert!(full(Kept::Process, 0, 0).is_good() && full(Kept::Nothing, 1, 0).is_good());
        assert!(!full(Kept::Process, 1, 0).is_good() && !full(Kept::Nothing, 0, 1).is_good());
        assert!(!EngineFull::default().is_good(), "it never opened again");
    }
}

//! The durability matrix: what was asked, what each engine keeps, and how.
//!
//! A row of it stands in every report. Engines whose rows differ in what they keep do different
//! work for a write, and are never ranked with each other.

use crate::engine::Kept;

use super::{Grid, PhaseInfo};

const COLUMNS: [&str; 6] = ["engine", "asked", "kept", "kill -9", "power loss", "how"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurabilityRow {
    pub engine: String,
    pub asked: String,
    pub kept: Kept,
    pub how: String,
}

impl DurabilityRow {
    pub fn of(info: &PhaseInfo) -> DurabilityRow {
        DurabilityRow {
            engine: info.engine.clone(),
            asked: info.durability.to_owned(),
            kept: info.durability_kept,
            how: info.durability_how.to_owned(),
        }
    }
}

pub fn durability_matrix(rows: &[DurabilityRow]) -> Grid {
    let mut grid = Grid::new(&COLUMNS, &[0, 1, 2, 3, 4, 5]);
    for row in rows {
        let survives = |class| if row.kept >= class { "survives" } else { "may be lost" };
        let cells = [
            row.engine.as_str(),
            row.asked.as_str(),
            row.kept.name(),
            survives(Kept::Process),
            survives(Kept::Power),
            row.how.as_str(),
        ];
        grid.lines.push(cells.map(str::to_owned).to_vec());
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_includes_the_weaker_ones() {
        let row = |kept| DurabilityRow {
            engine: "x".to_owned(),
            asked: "process".to_owned(),
            kept,
            how: "somehow".to_owned(),
        };
        let grid = durability_matrix(&[row(Kept::Nothing), row(Kept::Process), row(Kept::Power)]);
        let fates: Vec<_> = grid.lines.iter().map(|line| [line[3].as_str(), line[4].as_str()]).collect();
        assert_eq!(
            fates,
            [["may be lost", "may be lost"], ["survives", "may be lost"], ["survives", "survives"]]
        );
    }
}

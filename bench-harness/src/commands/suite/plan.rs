//! What a suite runs, in which order. Pure: lists in, lists out.

use anyhow::{Result, bail};

/// One run of one engine: all workloads, in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Counted from 1.
    pub repeat: u32,
    pub engine: String,
}

/// All runs in order. Every other repeat goes backwards (A B C, C B A, ...), so that over each
/// pair of repeats all engines have the same mean position, and a drift favours none.
pub fn cells(engines: &[String], repeats: u32) -> Vec<Cell> {
    let forward = |repeat| engines.iter().cloned().map(move |engine| Cell { repeat, engine });
    let mut cells = Vec::new();
    for repeat in 1..=repeats {
        if repeat % 2 == 1 {
            cells.extend(forward(repeat));
        } else {
            cells.extend(forward(repeat).rev());
        }
    }
    cells
}

/// The letters of the core workloads in the order in which they are best run on one data set:
/// those that insert come late, and the one that scans what they left comes last.
const RUN_ORDER: [char; 6] = ['a', 'b', 'c', 'd', 'f', 'e'];

/// Takes `a-f`, `a,c,e` or `a-c,f` apart. Single letters keep their order.
pub fn workloads(list: &str) -> Result<Vec<String>> {
    let mut letters = Vec::new();
    for part in list.split(',').map(str::trim) {
        match part.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (letter(first, list)?, letter(last, list)?);
                letters.extend(RUN_ORDER.into_iter().filter(|known| (first..=last).contains(known)));
            }
            None => letters.push(letter(part, list)?),
        }
    }
    if letters.is_empty() {
        bail!("--workloads {list}: no workload is in it; use letters such as a,c or a range such as a-f");
    }
    Ok(letters.into_iter().map(String::from).collect())
}

fn letter(text: &str, list: &str) -> Result<char> {
    let name = text.strip_prefix("workload").unwrap_or(text);
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (Some(letter), None) if RUN_ORDER.contains(&letter) => Ok(letter),
        _ => bail!("--workloads {list}: there is no workload '{text}'; allowed: a, b, c, d, e, f"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(engines: &str, repeats: u32) -> String {
        let engines: Vec<String> = engines.split(' ').map(str::to_owned).collect();
        let names =
            cells(&engines, repeats).into_iter().map(|cell| format!("{}{}", cell.engine, cell.repeat));
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_other_repeat_goes_backwards() {
        assert_eq!(order("A B", 2), "A1 B1 B2 A2");
        assert_eq!(order("A B C", 3), "A1 B1 C1 C2 B2 A2 A3 B3 C3");
        assert_eq!(order("A", 2), "A1 A2");
    }

    #[test]
    fn over_a_pair_of_repeats_no_engine_is_earlier_than_another() {
        let engines: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let plan = cells(&engines, 4);
        let position_sum = |name: &str| -> usize {
            plan.iter().enumerate().filter(|(_, cell)| cell.engine == name).map(|(at, _)| at).sum()
        };
        let sums: Vec<usize> = engines.iter().map(|name| position_sum(name)).collect();
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    }

    #[test]
    fn ranges_run_e_last_and_lists_run_as_written() {
        let run = |list| workloads(list).unwrap().concat();
        assert_eq!(run("a-f"), "abcdfe");
        assert_eq!(run("e,a"), "ea");
        assert_eq!(run("a-c,workloadf"), "abcf");
    }
}

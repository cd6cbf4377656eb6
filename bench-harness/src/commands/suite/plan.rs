//! What a suite runs, in which order. Pure: lists in, lists out.

use anyhow::{Error, Result, anyhow, bail};

use crate::workload::KnownWorkload;

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

/// Takes `a-f`, `a,c,e`, `a-c,f` or `uniform-reads,a` apart. What is named alone keeps its order.
pub fn workloads(list: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for part in list.split(',').map(str::trim) {
        match (KnownWorkload::of(part), part.split_once('-')) {
            (Some(known), _) => names.push(known.name.to_owned()),
            (None, Some((first, last))) => {
                let (first, last) = (letter(first, list)?, letter(last, list)?);
                let range = RUN_ORDER.into_iter().filter(|known| (first..=last).contains(known));
                names.extend(range.map(String::from));
            }
            (None, None) => return Err(unknown(part, list)),
        }
    }
    if names.is_empty() {
        bail!("--workloads {list}: no workload is in it; use letters such as a,c or a range such as a-f");
    }
    Ok(names)
}

fn letter(text: &str, list: &str) -> Result<char> {
    let name = text.strip_prefix("workload").unwrap_or(text);
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (Some(letter), None) if RUN_ORDER.contains(&letter) => Ok(letter),
        _ => Err(unknown(text, list)),
    }
}

fn unknown(text: &str, list: &str) -> Error {
    let known = KnownWorkload::names();
    anyhow!("--workloads {list}: there is no workload '{text}'; allowed: {known}")
}

/// What the name of an engine ends with whose clients are futures.
const FUTURES: &str = "-async";

/// The engine that a name in a suite stands for: `rabi-async` is Rabi, called by the clients of `--clients`.
pub fn engine_of(name: &str) -> &str {
    name.strip_suffix(FUTURES).unwrap_or(name)
}

/// Whether the clients of an engine of that name are futures.
pub fn has_futures(name: &str) -> bool {
    name.ends_with(FUTURES)
}

/// Adds each engine whose calls can be awaited a second time, called by futures, unless one is named so already.
pub fn with_futures(engines: Vec<String>, awaits: impl Fn(&str) -> bool) -> Vec<String> {
    if engines.iter().any(|name| has_futures(name)) {
        return engines;
    }
    let twice = |name: String| {
        let second = awaits(&name).then(|| format!("{name}{FUTURES}"));
        [Some(name), second].into_iter().flatten()
    };
    engines.into_iter().flat_map(twice).collect()
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
        assert_eq!(workloads("uniform-reads,c,a-b").unwrap(), ["uniform-reads", "c", "a", "b"]);
        assert!(workloads("uniform-writes").unwrap_err().to_string().contains("no workload 'uniform'"));
    }

    #[test]
    fn engines_that_can_be_awaited_run_a_second_time_with_futures() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
        let twice = |text: &str| with_futures(list(text), |name| name == "rabi").join(" ");
        assert_eq!(twice("rabi lmdb"), "rabi rabi-async lmdb");
        assert_eq!(twice("rabi-async lmdb"), "rabi-async lmdb");
        assert_eq!((engine_of("rabi-async"), engine_of("rabi")), ("rabi", "rabi"));
    }
}

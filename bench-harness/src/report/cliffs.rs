//! What `rabi-bench cliffs` measured: a line for each measurement, a column for each engine.

use serde::{Deserialize, Serialize};

use super::csv::quoted;
use super::{Grid, grouped};

/// One measurement of one engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cliff {
    /// The engine.
    pub engine: String,
    /// The name of the measurement.
    pub name: String,
    /// What was done, with its sizes.
    pub title: String,
    /// Client threads.
    pub threads: u64,
    /// How often it was done.
    pub operations: u64,
    /// From the first client's start to the last one's end.
    pub elapsed_s: f64,
    /// The one over the other.
    pub throughput_ops_s: f64,
}

/// Operations a second: the median, where an engine was measured several times.
pub fn cliffs_table(engines: &[String], cliffs: &[Cliff]) -> Grid {
    let columns: Vec<&str> =
        std::iter::once("operations a second").chain(engines.iter().map(String::as_str)).collect();
    let mut grid = Grid::new(&columns, &[0]);
    for (place, first) in cliffs.iter().enumerate() {
        if cliffs[..place].iter().any(|earlier| earlier.name == first.name) {
            continue;
        }
        let mut line = vec![first.title.clone()];
        line.extend(engines.iter().map(|engine| cell(cliffs, engine, &first.name)));
        grid.lines.push(line);
    }
    grid
}

fn cell(cliffs: &[Cliff], engine: &str, name: &str) -> String {
    let of_cell = cliffs.iter().filter(|cliff| cliff.engine == engine && cliff.name == name);
    let mut values: Vec<f64> = of_cell.map(|cliff| cliff.throughput_ops_s).collect();
    values.sort_by(f64::total_cmp);
    match values.get(values.len() / 2) {
        None => "-".to_owned(),
        Some(median) if *median < 99.95 => format!("{median:.1}"),
        Some(median) => grouped(median.round() as u64),
    }
}

/// The whole file as CSV (RFC 4180), with its head.
pub fn cliffs_csv(cliffs: &[Cliff]) -> String {
    let mut out = "engine,name,title,threads,operations,elapsed_s,throughput_ops_s\r\n".to_owned();
    for cliff in cliffs {
        let cells = [
            cliff.engine.clone(),
            cliff.name.clone(),
            cliff.title.clone(),
            cliff.threads.to_string(),
            cliff.operations.to_string(),
            cliff.elapsed_s.to_string(),
            cliff.throughput_ops_s.to_string(),
        ];
        out += &format!("{}\r\n", cells.each_ref().map(|cell| quoted(cell)).join(","));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Style;

    fn cliff(engine: &str, name: &str, throughput_ops_s: f64) -> Cliff {
        let (engine, name) = (engine.to_owned(), name.to_owned());
        let title = format!("{name}, done");
        Cliff { engine, name, title, threads: 1, operations: 2, elapsed_s: 0.5, throughput_ops_s }
    }

    #[test]
    fn lines_are_measurements_and_cells_medians() {
        let cliffs = [
            cliff("rabi", "queue", 12.34),
            cliff("lmdb", "queue", 4_261_000.4),
            cliff("rabi", "a", 3.0),
            cliff("rabi", "a", 1.0),
            cliff("rabi", "a", 2.0),
        ];
        let table = cliffs_table(&["rabi".to_owned(), "lmdb".to_owned()], &cliffs).text(Style::Plain);
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(lines[1], ["queue, done", "12.3", "4,261,000"]);
        assert_eq!(lines[2], ["a, done", "2.0", "-"]);
        assert!(cliffs_csv(&cliffs).contains("\r\nrabi,queue,\"queue, done\",1,2,0.5,12.34\r\n"));
    }
}

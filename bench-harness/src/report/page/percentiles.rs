//! Latency over percentile, both logarithmic: the tail gets as much room as the body.

use super::axis::Axis;
use super::plot::{Line, Plot};

/// The chart of some distributions, each a list of percentile and microseconds.
pub fn percentiles(title: &str, lines: Vec<Line>) -> Plot {
    let all = || lines.iter().flat_map(|line| &line.points);
    let least = all().map(|(_, us)| *us).fold(f64::MAX, f64::min);
    let most = all().map(|(_, us)| *us).fold(0.1, f64::max);
    let last = all().map(|(percentile, _)| *percentile).fold(90.0, f64::max);
    let x = Axis::nines(last);
    let y = Axis::latency(least, most);
    let description = lines.iter().map(|line| describe(line, &y)).collect::<Vec<_>>().join(" ");
    Plot { title: title.to_owned(), description, x, y, lines, bands: Vec::new(), flat: false }
}

/// The percentiles people ask for first.
fn describe(line: &Line, y: &Axis) -> String {
    let at = |wanted: f64| {
        let point = line.points.iter().rfind(|(percentile, _)| *percentile <= wanted + 1e-6);
        point.map_or_else(|| "-".to_owned(), |(_, us)| y.show(*us))
    };
    format!(
        "{}: half within {}, 99 percent within {}, 99.9 percent within {}.",
        line.label,
        at(50.0),
        at(99.0),
        at(99.9)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_tells_the_usual_percentiles() {
        let points = vec![(0.0, 1.0), (50.0, 2.0), (99.0, 30.0), (99.9, 4_000.0), (99.99, 50_000.0)];
        let line = Line { label: "READ".to_owned(), class: "e-rabi", pattern: 0, points };
        let plot = percentiles("latency", vec![line]);
        assert_eq!(
            plot.description,
            "READ: half within 2.00 µs, 99 percent within 30.0 µs, 99.9 percent within 4.00 ms."
        );
        assert!((plot.x.place(99.99) - 1.0).abs() < 1e-9);
    }
}

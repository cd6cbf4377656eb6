//! What went on over time: panels under each other, all on one axis of time.

use super::axis::{Axis, amount};
use super::escape::escape;
use super::plot::{Band, Line, Plot};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of something, from zero.
    Amount,
    /// Bytes, from zero.
    Bytes,
    /// Microseconds, logarithmic.
    Latency,
}

#[derive(Debug)]
pub struct Panel {
    pub title: String,
    pub unit: Unit,
    pub lines: Vec<Line>,
}

/// The panels over `duration_s` seconds, as HTML. Panels without a point are left out; those that
/// would show nothing but zero are only named.
pub fn timeline(panels: Vec<Panel>, duration_s: f64, bands: &[Band]) -> String {
    let values = |panel: &Panel| -> Vec<f64> {
        panel.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).collect()
    };
    let (mut html, mut zero) = (String::new(), Vec::new());
    for panel in panels {
        let values = values(&panel);
        if values.iter().any(|value| *value > 0.0) {
            html += &plot(panel, duration_s, bands).html();
        } else if !values.is_empty() {
            zero.push(panel.title);
        }
    }
    if !zero.is_empty() {
        html += &format!("<p class=\"note\">Zero all the time: {}.</p>\n", escape(&zero.join("; ")));
    }
    html
}

fn plot(panel: Panel, duration_s: f64, bands: &[Band]) -> Plot {
    let values = || panel.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let most = values().fold(0.0, f64::max);
    let y = match panel.unit {
        Unit::Amount => Axis::linear(most, amount),
        Unit::Bytes => Axis::binary(most),
        Unit::Latency => Axis::latency(values().filter(|us| *us > 0.0).fold(f64::MAX, f64::min), most),
    };
    let description = panel.lines.iter().map(|line| describe(line, &y)).collect::<Vec<_>>().join(" ");
    Plot {
        title: panel.title,
        description,
        x: Axis::time(duration_s),
        y,
        lines: panel.lines,
        bands: bands.to_vec(),
        flat: true,
    }
}

fn describe(line: &Line, y: &Axis) -> String {
    let values = || line.points.iter().map(|(_, value)| *value);
    if line.points.is_empty() {
        return format!("{}: no samples.", line.label);
    }
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    format!("{}: from {} to {}, {} points.", line.label, y.show(least), y.show(most), line.points.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(unit: Unit, points: &[(f64, f64)]) -> Panel {
        let points = points.to_vec();
        let line = Line { label: "rabi".to_owned(), class: "e-rabi", pattern: 0, points };
        Panel { title: "t".to_owned(), unit, lines: vec![line] }
    }

    #[test]
    fn panels_without_points_are_left_out_and_the_others_share_the_axis_of_time() {
        let html = timeline(
            vec![
                panel(Unit::Amount, &[(1.0, 10.0), (2.0, 30.0)]),
                panel(Unit::Latency, &[]),
                Panel { title: "stalls".to_owned(), ..panel(Unit::Amount, &[(1.0, 0.0)]) },
                panel(Unit::Bytes, &[(1.0, 2097152.0)]),
            ],
            4.0,
            &[],
        );
        assert_eq!(html.matches("<figure").count(), 2);
        assert!(html.ends_with(">Zero all the time: stalls.</p>\n"), "{html}");
        assert_eq!(html.matches("<span style=\"left:50.00%\">2.00 s</span>").count(), 0);
        assert_eq!(html.matches("<span style=\"left:50.00%\">2 s</span>").count(), 2);
        assert!(html.contains("rabi: from 10 to 30, 2 points."), "{html}");
        assert!(html.contains("[0.25,0.0,\"1 s\",\"2.00 MiB\"]"), "{html}");
    }
}

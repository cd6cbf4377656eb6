//! One chart of lines: SVG for what stretches with the page, text around it for what does not.
//!
//! The drawing fills its box whatever the width, with lines that keep theirs; labels are text of
//! the page, so that they stay readable on a phone. What each point means stands beside it as data
//! that `script.js` shows under the pointer; without scripts the chart and its description remain.

use std::fmt::Write;

use serde::Serialize;

use super::axis::Axis;
use super::escape::escape;
use super::names::names;

#[derive(Debug, Clone)]
pub struct Line {
    pub label: String,
    /// The class of its colour, see `palette`.
    pub class: &'static str,
    pub pattern: usize,
    pub points: Vec<(f64, f64)>,
}

/// How many patterns of lines `style.css` has: solid, dashed, dotted, dashes and dots.
const PATTERNS: usize = 4;

/// A stretch of the horizontal axis with a name, such as one phase of a job.
#[derive(Debug, Clone)]
pub struct Band {
    pub label: String,
    pub from: f64,
    pub to: f64,
}

#[derive(Debug)]
pub struct Plot {
    pub title: String,
    /// What it shows, in words and numbers, for those who cannot see it.
    pub description: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
    /// Stretches behind the lines.
    pub bands: Vec<Band>,
    /// Whether it stands above or below others on the same axis, and is flatter.
    pub flat: bool,
}

/// The side of the drawing in its own units; it is stretched to its box.
const SIDE: f64 = 1000.0;

/// What the script knows of a line.
#[derive(Debug, Serialize)]
struct Told<'a> {
    name: &'a str,
    class: &'a str,
    /// Places from the left and from the top, and the texts of both values.
    points: Vec<(f64, f64, String, String)>,
}

impl Plot {
    pub fn html(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("writing to a string does not fail");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let kind = if self.flat { "chart flat" } else { "chart" };
        writeln!(out, "<figure class=\"{kind}\"><figcaption>{}</figcaption>", escape(&self.title))?;
        self.write_legend(out)?;
        self.write_names(out)?;
        writeln!(out, "<div class=\"plot\"><div class=\"y\" aria-hidden=\"true\">")?;
        for tick in &self.y.ticks {
            writeln!(out, "<span style=\"bottom:{:.2}%\">{}</span>", tick.place * 100.0, tick.label)?;
        }
        writeln!(out, "</div><div class=\"area\" tabindex=\"0\">")?;
        self.write_drawing(out)?;
        writeln!(out, "<i class=\"cross\" hidden></i></div><div class=\"x\" aria-hidden=\"true\">")?;
        for tick in &self.x.ticks {
            writeln!(out, "<span style=\"left:{:.2}%\">{}</span>", tick.place * 100.0, tick.label)?;
        }
        writeln!(out, "</div></div>")?;
        let told = serde_json::to_string(&self.told()).map_err(|_| std::fmt::Error)?;
        // No text of a script element may end it.
        let told = told.replace('<', "\\u003c");
        writeln!(out, "<script type=\"application/json\">{told}</script></figure>")
    }

    /// The names of the bands, above the drawing: each begins where its band does, in the first row that has room.
    fn write_names(&self, out: &mut String) -> std::fmt::Result {
        let names = names(
            &self.bands.iter().map(|band| (band.label.as_str(), self.stretch(band).0)).collect::<Vec<_>>(),
        );
        let Some(rows) = names.iter().map(|name| name.row + 1).max() else { return Ok(()) };
        writeln!(out, "<div class=\"bands\" style=\"--rows:{rows}\">")?;
        for name in names {
            let (full, short) = (escape(name.full), escape(name.short));
            let style = format!("left:{:.2}%;--row:{}", name.left, name.row);
            writeln!(out, "<b style=\"{style}\" title=\"{full}\">{short}</b>")?;
        }
        writeln!(out, "</div>")
    }

    fn write_legend(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "<ul class=\"legend\">")?;
        for line in self.named() {
            writeln!(
                out,
                "<li class=\"{} p{}\"><svg viewBox=\"0 0 28 8\" aria-hidden=\"true\"><path d=\"M0 4H28\"/></svg>{}</li>",
                line.class,
                line.pattern % PATTERNS,
                escape(&line.label)
            )?;
        }
        writeln!(out, "</ul>")
    }

    /// One line of each name: a line with gaps is drawn as several.
    fn named(&self) -> impl Iterator<Item = &Line> {
        let first = |index: &usize| {
            let line = &self.lines[*index];
            self.lines[..*index].iter().all(|other| (&other.label, other.class) != (&line.label, line.class))
        };
        (0..self.lines.len()).filter(first).map(|index| &self.lines[index])
    }

    fn write_drawing(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "<svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" role=\"img\">\
             <title>{}</title><desc>{}</desc>",
            escape(&self.title),
            escape(&self.description)
        )?;
        for band in self.bands.iter().step_by(2) {
            let (left, width) = self.stretch(band);
            writeln!(
                out,
                "<rect class=\"band\" x=\"{:.1}\" y=\"0\" width=\"{:.1}\" height=\"{SIDE}\"/>",
                left * SIDE / 100.0,
                width * SIDE / 100.0
            )?;
        }
        let across = self.y.ticks.iter().map(|tick| format!("M0 {:.1}H{SIDE}", top(tick.place)));
        let down = self.x.ticks.iter().map(|tick| format!("M{:.1} 0V{SIDE}", tick.place * SIDE));
        writeln!(out, "<path class=\"grid\" d=\"{}\"/>", across.chain(down).collect::<String>())?;
        for line in &self.lines {
            let points = line
                .points
                .iter()
                .map(|(x, y)| format!("{:.1},{:.1}", self.x.place(*x) * SIDE, top(self.y.place(*y))));
            writeln!(
                out,
                "<polyline class=\"curve {} p{}\" points=\"{}\"/>",
                line.class,
                line.pattern % PATTERNS,
                points.collect::<Vec<_>>().join(" ")
            )?;
        }
        writeln!(out, "</svg>")
    }

    /// Left edge and width of a band, in percent.
    fn stretch(&self, band: &Band) -> (f64, f64) {
        let (from, to) = (self.x.place(band.from), self.x.place(band.to));
        (100.0 * from, 100.0 * (to - from))
    }

    fn told(&self) -> Vec<Told<'_>> {
        let round = |place: f64| (place * 1e4).round() / 1e4;
        let point = |(x, y): &(f64, f64)| {
            let (left, up) = (round(self.x.place(*x)), round(1.0 - self.y.place(*y)));
            (left, up, self.x.show(*x), self.y.show(*y))
        };
        let told = self.named().map(|line| Told {
            name: &line.label,
            class: line.class,
            points: self
                .lines
                .iter()
                .filter(|part| (&part.label, part.class) == (&line.label, line.class))
                .flat_map(|part| part.points.iter().map(point))
                .collect(),
        });
        told.collect()
    }
}

fn top(place: f64) -> f64 {
    SIDE * (1.0 - place)
}

#[cfg(test)]
mod tests {
    use super::super::axis::amount;
    use super::*;

    #[test]
    fn a_chart_has_its_lines_its_words_and_what_the_pointer_shows() {
        let line = |label: &str, pattern| Line {
            label: label.to_owned(),
            class: "e-rabi",
            pattern,
            points: vec![(0.0, 0.0), (10.0, 50.0)],
        };
        let mut gap = line("READ", 0);
        gap.points = vec![(5.0, 25.0)];
        let html = Plot {
            title: "a < b".to_owned(),
            description: "said".to_owned(),
            x: Axis::time(10.0),
            y: Axis::linear(100.0, amount),
            lines: vec![line("READ", 0), line("</script>", 5), gap],
            bands: vec![
                Band { label: "load".to_owned(), from: 0.0, to: 5.0 },
                Band { label: "workload<".to_owned(), from: 5.0, to: 10.0 },
            ],
            flat: false,
        }
        .html();
        assert!(html.contains("<title>a &lt; b</title><desc>said</desc>"), "{html}");
        assert!(html.contains("<polyline class=\"curve e-rabi p0\" points=\"0.0,1000.0 1000.0,500.0\"/>"));
        assert!(
            html.contains("curve e-rabi p1")
                && html.contains("<b style=\"left:50.00%;--row:0\" title=\"workload&lt;\">&lt;</b>")
        );
        assert!(html.contains("[1.0,0.5,\"10 s\",\"50\"],[0.5,0.75,\"5 s\",\"25\"]]"), "{html}");
        assert_eq!((html.matches("<polyline").count(), html.matches("</svg>READ</li>").count()), (3, 1));
        assert_eq!(html.matches("</script>").count(), 1);
    }
}

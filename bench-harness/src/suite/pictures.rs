//! Two pictures of a suite as SVG files of their own, for documents that cannot hold a page: throughput, and the
//! tail of the most frequent operation. Light and dark follow the reader's theme. Pure.

use std::fmt::Write;

use crate::report::grouped;
use crate::report::page::{escape, palette};

use super::sample::Phase;
use super::summary::{Class, EngineRow, Measure, WorkloadSummary, class_order};

const WIDTH: f64 = 860.0;
const COLUMNS: usize = 3;
const GUTTER: f64 = 26.0;
/// Above the first panel: the title and a line of explanation.
const HEAD: f64 = 52.0;
const PANEL_TITLE: f64 = 20.0;
const ROW: f64 = 17.0;
const BAR: f64 = 10.0;
/// For the names of engines, left of the bars, and for the values, right of them.
const LABEL: f64 = 54.0;
const VALUE: f64 = 78.0;

const STYLE: &str = "\
svg { --ink: #1b1b1f; --soft: #5c5c66; --page: #ffffff; background: var(--page); font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --ink: #ececf1; --soft: #a3a3ad; --page: #16161a; } }
text { fill: var(--ink); } .soft { fill: var(--soft); } .title { font-weight: 600; } .head { font-size: 15px; font-weight: 600; }
.end { text-anchor: end; } .bar { fill: var(--c); } .whisker { stroke: var(--ink); stroke-width: 1; } .best { font-weight: 600; }
";

struct Row<'a> {
    engine: &'a str,
    measure: &'a Measure,
    median: f64,
}

/// How the length of a bar follows from its value.
#[derive(Clone, Copy)]
enum Scale {
    /// In proportion, each panel by itself: rates differ too much from workload to workload.
    Linear,
    /// By decades from a tenth of a microsecond on, the same in all panels.
    Logarithmic,
}

impl Scale {
    /// Where a value lies between the left end of the bars (0) and the right one (1).
    fn place(self, value: f64, most: f64) -> f64 {
        let decades = |value: f64| (value.max(0.1) / 0.1).log10();
        match self {
            Scale::Linear => value / most,
            Scale::Logarithmic => decades(value) / decades(most).max(1.0),
        }
    }
}

/// The names of the files, and what is in them; nothing where no class has two engines to compare.
pub fn pictures(
    engines: &[String],
    repeats: u32,
    phases: &[Phase],
    workloads: &[WorkloadSummary],
) -> Vec<(&'static str, String)> {
    let Some(kept) = class_order(engines, phases).into_iter().next() else {
        return Vec::new();
    };
    let of_class = |class: &&Class| class.kept == kept && class.rows.len() > 1;
    let classes: Vec<(&str, &Class)> = workloads
        .iter()
        .filter_map(|workload| Some((workload.title.as_str(), workload.classes.iter().find(of_class)?)))
        .collect();
    if classes.is_empty() {
        return Vec::new();
    }
    let note = |what: &str| {
        format!(
            "{what}; median of {} repeats, whiskers from least to most; durability: {}",
            repeats,
            kept.name()
        )
    };
    let throughput: Vec<_> =
        classes.iter().map(|(title, class)| ((*title).to_owned(), rows(class, is_throughput))).collect();
    let tails: Vec<_> = classes.iter().filter_map(|(title, class)| tail(title, class)).collect();
    vec![
        ("throughput.svg", svg("Operations a second", &note("longer is better"), &throughput, Scale::Linear)),
        (
            "tail-latency.svg",
            svg(
                "99.9th percentile, microseconds",
                &note("shorter is better, logarithmic"),
                &tails,
                Scale::Logarithmic,
            ),
        ),
    ]
}

fn is_throughput(measure: &Measure) -> bool {
    measure.name == "ops/s"
}

fn rows(class: &Class, is_wanted: impl Fn(&Measure) -> bool) -> Vec<Row<'_>> {
    let row = |row: &'_ EngineRow| -> Option<(usize, f64)> {
        let at = row.measures.iter().position(&is_wanted)?;
        Some((at, row.measures[at].median()?))
    };
    let found = class.rows.iter().filter_map(|engine| Some((engine, row(engine)?)));
    found
        .map(|(engine, (at, median))| Row { engine: &engine.engine, measure: &engine.measures[at], median })
        .collect()
}

/// The panel of the operation that a workload has most of.
fn tail<'a>(title: &str, class: &'a Class) -> Option<(String, Vec<Row<'a>>)> {
    let phase = class.rows.iter().find_map(EngineRow::median_phase)?;
    let name = |measure: &Measure| measure.name.strip_suffix("p99.9 us").map(|name| name.trim().to_owned());
    let count = |name: &String| phase.operations.get(name).map_or(0, |operation| operation.count);
    let wanted = class.rows[0].measures.iter().filter_map(name).max_by_key(count)?;
    let rows = rows(class, |measure| name(measure).as_ref() == Some(&wanted));
    Some((format!("{title}: {wanted}"), rows))
}

fn svg(title: &str, note: &str, panels: &[(String, Vec<Row<'_>>)], scale: Scale) -> String {
    let most_rows = panels.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0);
    let height_of_panel = PANEL_TITLE + ROW * most_rows as f64 + 14.0;
    let height = HEAD + height_of_panel * panels.len().div_ceil(COLUMNS) as f64;
    let width = (WIDTH - GUTTER * (COLUMNS as f64 - 1.0)) / COLUMNS as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>\n{STYLE}{}</style>\n<text class=\"head\" x=\"0\" y=\"18\">{title}</text>\n\
         <text class=\"soft\" x=\"0\" y=\"36\">{}</text>\n",
        palette::css(),
        escape(note)
    );
    let most = |rows: &[Row<'_>]| rows.iter().map(|row| row.measure.max()).fold(1e-9, f64::max);
    let of_all = panels.iter().map(|(_, rows)| most(rows)).fold(1e-9, f64::max);
    for (index, (title, rows)) in panels.iter().enumerate() {
        let x = (index % COLUMNS) as f64 * (width + GUTTER);
        let y = HEAD + (index / COLUMNS) as f64 * height_of_panel;
        let most = match scale {
            Scale::Linear => most(rows),
            Scale::Logarithmic => of_all,
        };
        write_panel(&mut out, (x, y, width), title, rows, |value| scale.place(value, most));
    }
    out + "</svg>\n"
}

fn write_panel(
    out: &mut String,
    (x, y, width): (f64, f64, f64),
    title: &str,
    rows: &[Row<'_>],
    place: impl Fn(f64) -> f64,
) {
    let (left, room) = (x + LABEL, width - LABEL - VALUE);
    let mut text =
        format!("<text class=\"title\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n", y + 12.0, escape(title));
    for (index, row) in rows.iter().enumerate() {
        let top = y + PANEL_TITLE + index as f64 * ROW;
        let (base, middle) = (top + BAR, top + BAR / 2.0 + 1.0);
        let best = if row.measure.best { " best" } else { "" };
        let at = |value: f64| left + room * place(value);
        let value = if row.median < 100.0 {
            format!("{:.1}", row.median)
        } else {
            grouped(row.median.round() as u64)
        };
        let written = writeln!(
            text,
            "<text class=\"end{best}\" x=\"{:.1}\" y=\"{base:.1}\">{}</text>\
             <rect class=\"bar {}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>\
             <path class=\"whisker\" d=\"M{:.1} {middle:.1}H{:.1}\"/>\
             <text class=\"end{best}\" x=\"{:.1}\" y=\"{base:.1}\">{value}{}</text>",
            left - 5.0,
            escape(row.engine),
            palette::class(row.engine),
            top + 1.0,
            room * place(row.median),
            at(row.measure.min()),
            at(row.measure.max()),
            x + width,
            if row.measure.best { " ★" } else { "" },
        );
        written.expect("writing to a string does not fail");
    }
    *out += &text;
}

#[cfg(test)]
mod tests {
    use super::super::sample::phase;
    use super::super::summary::summarize;
    use super::*;
    use crate::engine::Kept;

    fn of(phases: &[Phase]) -> Vec<(&'static str, String)> {
        let engines = ["rabi", "lmdb", "redb"].map(str::to_owned);
        pictures(&engines, 1, phases, &summarize(&engines, phases))
    }

    #[test]
    fn both_pictures_show_the_engines_of_the_largest_class_and_need_nothing_else() {
        let pictures = of(&[
            phase("rabi", Kept::Process, 50.0),
            phase("lmdb", Kept::Process, 100.0),
            phase("redb", Kept::Power, 7.0),
        ]);
        assert_eq!(
            pictures.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["throughput.svg", "tail-latency.svg"]
        );
        for (name, svg) in &pictures {
            assert!(svg.contains(">rabi</text>") && svg.contains(">lmdb</text>"), "{name}: {svg}");
            assert!(!svg.contains(">redb</text>"), "{name} compares what keeps less with what keeps more");
            assert!(svg.contains("prefers-color-scheme: dark") && !svg.contains("url("), "{name}");
            assert_eq!(svg.matches("http").count(), 1, "{name} names more than its own format");
        }
        let width = |class: &str| {
            let (_, rest) = pictures[0].1.split_once(&format!("bar {class}")).unwrap();
            let text = rest.split_once("width=\"").unwrap().1.split('"').next().unwrap();
            text.parse::<f64>().unwrap()
        };
        assert!((width("e-lmdb") / width("e-rabi") - 2.0).abs() < 0.01, "bars are in proportion");
    }

    #[test]
    fn one_engine_alone_makes_no_picture() {
        assert!(of(&[phase("rabi", Kept::Process, 50.0)]).is_empty());
    }
}

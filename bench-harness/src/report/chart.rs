//! Charts as inline SVG: bars for throughput, curves for latency.
//!
//! Colours are CSS variables of the page, so that charts follow its light or dark theme.

use std::fmt::Write;

use crate::measure::CurvePoint;

use super::table::{grouped, microseconds};

/// One bar.
pub struct Bar<'a> {
    /// What it stands for.
    pub label: &'a str,
    /// Its length.
    pub value: f64,
}

/// One curve.
pub struct Curve<'a> {
    /// What it stands for.
    pub label: &'a str,
    /// Its points by rising percentile.
    pub points: &'a [CurvePoint],
}

const BAR_HEIGHT: usize = 26;
const WIDTH: f64 = 720.0;

/// Horizontal bars with their values.
pub fn bars(bars: &[Bar<'_>]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(1e-9, f64::max);
    let height = bars.len() * BAR_HEIGHT + 4;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (index, bar) in bars.iter().enumerate() {
        let top = index * BAR_HEIGHT + 4;
        let middle = top + 14;
        let length = bar.value / most * 520.0;
        let value = grouped(bar.value.round() as u64);
        push(
            &mut svg,
            format_args!(
                "<text x=\"92\" y=\"{middle}\" class=\"end\">{}</text>\
             <rect x=\"100\" y=\"{top}\" width=\"{length:.1}\" height=\"18\" rx=\"2\" class=\"bar\"/>\
             <text x=\"{:.1}\" y=\"{middle}\">{value}</text>",
                bar.label,
                106.0 + length,
            ),
        );
    }
    svg + "</svg>"
}

/// The plot area of the curves.
const LEFT: f64 = 64.0;
/// Leaves room for half of the last label.
const RIGHT: f64 = 685.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 240.0;

/// A logarithmic scale of latencies, over whole decades.
struct Scale {
    low: f64,
    high: f64,
    nines: f64,
}

impl Scale {
    fn over(curves: &[Curve<'_>]) -> Scale {
        let all = || curves.iter().flat_map(|curve| curve.points);
        let least = all().map(|point| point.us).fold(f64::MAX, f64::min).clamp(0.01, 1e9);
        let most = all().map(|point| point.us).fold(0.1, f64::max);
        let nines = all().map(|point| nines(point.percentile)).fold(1.0, f64::max).ceil();
        let low = least.log10().floor();
        Scale { low, high: most.log10().ceil().max(low + 1.0), nines }
    }

    fn x(&self, nines: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * nines / self.nines
    }

    fn y(&self, us: f64) -> f64 {
        let place = (us.max(1e-3).log10() - self.low) / (self.high - self.low);
        BOTTOM - (BOTTOM - TOP) * place.clamp(0.0, 1.0)
    }
}

/// How many nines a percentile has: 90 has one, 99 two, 99.9 three.
fn nines(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).max(1e-12).log10()
}

/// Latency over percentile, both logarithmic: the tail gets as much room as the body.
pub fn curves(curves: &[Curve<'_>]) -> String {
    let scale = Scale::over(curves);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} 290\" role=\"img\">");
    grid(&mut svg, &scale);
    for (index, curve) in curves.iter().enumerate() {
        let place =
            |point: &CurvePoint| format!("{:.1},{:.1}", scale.x(nines(point.percentile)), scale.y(point.us));
        let path: Vec<String> = curve.points.iter().map(place).collect();
        let class = index % 6;
        push(&mut svg, format_args!("<polyline class=\"curve c{class}\" points=\"{}\"/>", path.join(" ")));
        for point in curve.points {
            push(
                &mut svg,
                format_args!(
                    "<circle class=\"dot c{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\">\
                 <title>{}, {}: {} us</title></circle>",
                    scale.x(nines(point.percentile)),
                    scale.y(point.us),
                    curve.label,
                    percent(point.percentile),
                    microseconds(point.us),
                ),
            );
        }
        let step = ((WIDTH - LEFT) / curves.len() as f64).min(170.0);
        let x = LEFT + step * index as f64;
        push(
            &mut svg,
            format_args!(
                "<circle class=\"dot c{class}\" cx=\"{x}\" cy=\"280\" r=\"5\"/>\
             <text x=\"{}\" y=\"284\">{}</text>",
                x + 10.0,
                curve.label,
            ),
        );
    }
    svg + "</svg>"
}

fn grid(svg: &mut String, scale: &Scale) {
    for decade in scale.low as i32..=scale.high as i32 {
        let us = 10_f64.powi(decade);
        let y = scale.y(us);
        push(
            svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                duration(us),
            ),
        );
    }
    for nines in 0..=scale.nines as i32 {
        let x = scale.x(f64::from(nines));
        let percentile = 100.0 * (1.0 - 10_f64.powi(-nines));
        push(
            svg,
            format_args!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
             <text class=\"middle\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                BOTTOM + 16.0,
                percent(percentile),
            ),
        );
    }
}

/// A percentile with as many decimals as tell it from 100.
fn percent(percentile: f64) -> String {
    let decimals = ((nines(percentile) - 1e-6).ceil() - 2.0).clamp(0.0, 9.0) as usize;
    let text = format!("{percentile:.decimals$}");
    format!("{text} %")
}

/// A power of ten of microseconds in its natural unit.
fn duration(us: f64) -> String {
    match us {
        us if us >= 999_999.0 => format!("{:.0} s", us / 1e6),
        us if us >= 999.9 => format!("{:.0} ms", us / 1e3),
        us if us >= 0.999 => format!("{us:.0} us"),
        us => format!("{:.0} ns", us * 1e3),
    }
}

fn push(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    svg.write_fmt(piece).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_labelled_in_natural_units() {
        let shown: Vec<_> = [0.1, 1.0, 100.0, 1e3, 1e6].into_iter().map(duration).collect();
        assert_eq!(shown, ["100 ns", "1 us", "100 us", "1 ms", "1 s"]);
        let shown: Vec<_> = [0.0, 90.0, 99.0, 99.9, 99.99].into_iter().map(percent).collect();
        assert_eq!(shown, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn the_longest_bar_fills_the_room() {
        let svg = bars(&[Bar { label: "a", value: 50.0 }, Bar { label: "b", value: 100.0 }]);
        assert!(svg.contains("width=\"260.0\"") && svg.contains("width=\"520.0\""), "{svg}");
    }
}

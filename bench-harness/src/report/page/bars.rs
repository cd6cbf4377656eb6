//! Bars with their values as text, so that they need no script and no picture.

use std::fmt::Write;

use super::escape::escape;

#[derive(Debug)]
pub struct Bar {
    pub label: String,
    /// The class of its colour, see `palette`.
    pub class: &'static str,
    pub value: f64,
    /// The smallest and the largest value behind it, if there were several.
    pub range: Option<(f64, f64)>,
    /// The value in words, and what is to be said of it.
    pub text: String,
    pub best: bool,
}

/// Room for the values at the end of the longest bar.
const LONGEST_PERCENT: f64 = 100.0;

/// Horizontal bars from zero, with whiskers from the smallest to the largest value.
pub fn bars(bars: &[Bar]) -> String {
    let end = |bar: &Bar| bar.range.map_or(bar.value, |(_, high)| high.max(bar.value));
    let most = bars.iter().map(end).fold(1e-9, f64::max);
    let mut out = String::from("<ul class=\"bars\">\n");
    for bar in bars {
        let percent = |value: f64| value / most * LONGEST_PERCENT;
        let whisker = bar.range.map_or(String::new(), |(low, high)| {
            let (left, width) = (percent(low), percent(high) - percent(low));
            format!("<i style=\"left:{left:.2}%;width:{width:.2}%\"></i>")
        });
        let best = if bar.best { " class=\"best\"" } else { "" };
        let written = writeln!(
            out,
            "<li{best}><span>{}</span><span class=\"track\"><b class=\"{}\" style=\"width:{:.2}%\"></b>{whisker}</span>\
             <span class=\"value\">{}</span></li>",
            escape(&bar.label),
            bar.class,
            percent(bar.value),
            escape(&bar.text)
        );
        written.expect("writing to a string does not fail");
    }
    out + "</ul>\n"
}

/// Small charts with their titles, beside each other as far as there is room.
pub fn multiples(charts: &[(String, String)]) -> String {
    let chart = |(title, bars): &(String, String)| format!("<div><h4>{}</h4>\n{bars}</div>\n", escape(title));
    format!("<div class=\"multiples\">\n{}</div>\n", charts.iter().map(chart).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_of_all_repeats_fills_the_room() {
        let bar = |value, range| Bar {
            label: "a".to_owned(),
            class: "e-rabi",
            value,
            range,
            text: String::new(),
            best: false,
        };
        let html = bars(&[bar(50.0, None), bar(80.0, Some((60.0, 100.0)))]);
        assert!(html.contains("width:50.00%") && html.contains("width:80.00%"), "{html}");
        assert!(html.contains("left:60.00%;width:40.00%"), "{html}");
    }
}

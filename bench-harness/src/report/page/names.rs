//! Where the names of bands stand, so that none is cut off and none lies on another, on a telephone too.
//!
//! Widths are estimated for the narrowest chart; a wider one has more room than is used. Pure.

/// The narrowest chart is that of a page of 360 pixels; see `style.css` for what stands beside it.
const CHART_PX: f64 = 250.0;
/// A wide letter, and the room around a name.
const LETTER_PX: f64 = 8.0;
const AROUND_PX: f64 = 8.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Name<'a> {
    pub full: &'a str,
    /// Without what most phases have in common.
    pub short: &'a str,
    /// Its left end in percent of the chart.
    pub left: f64,
    /// Its row, from the top.
    pub row: usize,
}

/// Names of bands with the bands' left edges in percent, from left to right.
pub fn names<'a>(bands: &[(&'a str, f64)]) -> Vec<Name<'a>> {
    let mut ends: Vec<f64> = Vec::new();
    let mut names = Vec::new();
    for &(full, left) in bands {
        let short = full.strip_prefix("workload").filter(|rest| !rest.is_empty()).unwrap_or(full);
        let width = 100.0 * (short.chars().count() as f64 * LETTER_PX + AROUND_PX) / CHART_PX;
        // What would pass the right edge begins before its band.
        let left = left.min(100.0 - width).max(0.0);
        let row = ends.iter().position(|end| *end <= left).unwrap_or(ends.len());
        ends.resize(ends.len().max(row + 1), 0.0);
        ends[row] = left + width;
        names.push(Name { full, short, left, row });
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(bands: &[(&str, f64)]) -> Vec<(String, f64, usize)> {
        names(bands).iter().map(|name| (name.short.to_owned(), name.left.round(), name.row)).collect()
    }

    fn expect(name: &str, left: f64, row: usize) -> (String, f64, usize) {
        (name.to_owned(), left, row)
    }

    #[test]
    fn names_with_room_stand_in_one_row() {
        let expected = [expect("load", 0.0, 0), expect("a", 30.0, 0), expect("b", 60.0, 0)];
        assert_eq!(placed(&[("load", 0.0), ("workloada", 30.0), ("workloadb", 60.0)]), expected);
    }

    #[test]
    fn names_without_room_go_into_further_rows_and_come_back() {
        let bands =
            [("load", 0.0), ("workloada", 2.0), ("workloade", 4.0), ("workloadb", 50.0), ("mine", 99.0)];
        let expected = [
            expect("load", 0.0, 0),
            expect("a", 2.0, 1),
            expect("e", 4.0, 2),
            expect("b", 50.0, 0),
            expect("mine", 84.0, 0),
        ];
        assert_eq!(placed(&bands), expected);
    }

    #[test]
    fn a_name_longer_than_the_chart_begins_at_its_left_end() {
        assert_eq!(placed(&[(&"x".repeat(60), 40.0)])[0].1, 0.0);
    }
}

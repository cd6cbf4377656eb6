//! A table of texts, drawn plain, as Markdown or as HTML.

use std::fmt::Write;

use super::page::{escape, palette};

/// How a table is drawn as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Aligned with spaces.
    Plain,
    Markdown,
}

/// A table. Every line has as many cells as there are columns.
#[derive(Debug)]
pub struct Grid {
    pub columns: Vec<String>,
    /// The columns of words, which are aligned to the left.
    pub words: &'static [usize],
    pub lines: Vec<Vec<String>>,
}

impl Grid {
    pub fn new(columns: &[&str], words: &'static [usize]) -> Grid {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Grid { columns, words, lines: Vec::new() }
    }

    pub fn text(&self, style: Style) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.lines.iter().map(|line| line[column].chars().count());
                cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        self.draw(&mut out, &self.columns, &widths, style);
        if style == Style::Markdown {
            let rule = |column| if self.is_words(column) { ":--" } else { "--:" };
            let rule: Vec<String> = (0..self.columns.len()).map(|column| rule(column).to_owned()).collect();
            self.draw(&mut out, &rule, &widths, style);
        }
        for line in &self.lines {
            self.draw(&mut out, line, &widths, style);
        }
        out
    }

    /// The table as HTML, in a box that scrolls when the page is narrow. A star behind a cell marks
    /// the best, and an engine has a dot of its colour.
    pub fn html(&self) -> String {
        let head = self.columns.iter().enumerate().map(|(column, name)| {
            // An engine at the head of a column has its colour there.
            let dot = match palette::class(name) {
                "e-other" => String::new(),
                class => format!("<i class=\"dot {class}\"></i>"),
            };
            format!("<th scope=\"col\"{}>{dot}{}</th>", self.class(column, false), escape(name))
        });
        let head: String = head.collect();
        let lines: String = self.lines.iter().map(|line| self.html_line(line)).collect();
        format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead>\n{lines}</table></div>\n")
    }

    fn html_line(&self, line: &[String]) -> String {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let best = cell.strip_suffix(" *");
            let dot = match self.columns[column].as_str() {
                "engine" if !cell.is_empty() => format!("<i class=\"dot {}\"></i>", palette::class(cell)),
                _ => String::new(),
            };
            let text = best.map_or_else(|| escape(cell), |cell| format!("{} ★", escape(cell)));
            format!("<td{}>{dot}{text}</td>", self.class(column, best.is_some()))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    }

    fn class(&self, column: usize, best: bool) -> &'static str {
        match (self.is_words(column), best) {
            (true, false) => " class=\"w\"",
            (true, true) => " class=\"w best\"",
            (false, true) => " class=\"best\"",
            (false, false) => "",
        }
    }

    fn is_words(&self, column: usize) -> bool {
        self.words.contains(&column)
    }

    fn draw(&self, out: &mut String, cells: &[String], widths: &[usize], style: Style) {
        let aligned = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if self.is_words(column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let aligned: Vec<String> = aligned.collect();
        let written = match style {
            Style::Plain => writeln!(out, "{}", aligned.join("  ").trim_end()),
            Style::Markdown => writeln!(out, "| {} |", aligned.join(" | ").replace('\n', " ")),
        };
        written.expect("writing to a string does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right_in_all_three_forms() {
        let mut grid = Grid::new(&["name", "n"], &[0]);
        grid.lines.push(vec!["a<b".to_owned(), "10".to_owned()]);
        assert_eq!(grid.text(Style::Plain), "name   n\na<b   10\n");
        assert_eq!(grid.text(Style::Markdown), "| name |  n |\n| :--  | --: |\n| a<b  | 10 |\n");
        let html = grid.html();
        assert!(html.contains("<td class=\"w\">a&lt;b</td><td>10</td>"), "{html}");
    }

    #[test]
    fn the_best_has_a_star_and_an_engine_its_colour() {
        let mut grid = Grid::new(&["engine", "n"], &[0]);
        grid.lines.push(vec!["rabi".to_owned(), "10 *".to_owned()]);
        let html = grid.html();
        assert!(html.contains("<i class=\"dot e-rabi\"></i>rabi</td><td class=\"best\">10 ★</td>"), "{html}");
    }
}

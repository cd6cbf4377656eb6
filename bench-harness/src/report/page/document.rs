//! The frame of a page: head, title, the box of warnings, sections, the end.

use super::escape::escape;
use super::palette;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing may be fetched, whatever stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// A page that is being written.
#[derive(Debug)]
pub struct Document {
    out: String,
    sections: Vec<(String, String)>,
    title: String,
    lead: String,
}

impl Document {
    /// Begins a page; both texts are plain.
    pub fn new(title: &str, lead: &str) -> Document {
        Document { out: String::new(), sections: Vec::new(), title: escape(title), lead: escape(lead) }
    }

    /// A box that cannot be overlooked; nothing if there is nothing to say.
    pub fn warnings(&mut self, warnings: &[String]) {
        if warnings.is_empty() {
            return;
        }
        let items: String = warnings.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
        self.out += &format!(
            "<aside class=\"warnings\" role=\"note\"><h2>Read this first</h2><ul>{items}</ul></aside>\n"
        );
    }

    /// Begins a section, which the list at the top of the page leads to.
    pub fn section(&mut self, title: &str) {
        let id = format!("s{}", self.sections.len() + 1);
        let title = escape(title);
        self.out += &format!("<h2 id=\"{id}\">{title}</h2>\n");
        self.sections.push((id, title));
    }

    pub fn heading(&mut self, title: &str) {
        self.out += &format!("<h3>{}</h3>\n", escape(title));
    }

    /// A paragraph of plain text that explains.
    pub fn note(&mut self, text: &str) {
        self.out += &format!("<p class=\"note\">{}</p>\n", escape(text));
    }

    /// Commands and other texts that are to be read letter by letter.
    pub fn code(&mut self, text: &str) {
        self.out += &format!("<pre><code>{}</code></pre>\n", escape(text));
    }

    /// What is HTML already.
    pub fn html(&mut self, html: &str) {
        self.out += html;
    }

    pub fn beside(&mut self, charts: &[String]) {
        self.out += &format!("<div class=\"beside\">\n{}</div>\n", charts.concat());
    }

    /// What most readers pass over, behind a line to open it.
    pub fn folded(&mut self, title: &str, html: &str) {
        self.out += &format!("<details><summary>{}</summary>\n{html}</details>\n", escape(title));
    }

    pub fn end(self) -> String {
        let links: String =
            self.sections.iter().map(|(id, title)| format!("<a href=\"#{id}\">{title}</a>\n")).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{STYLE}{colours}</style></head><body>\n\
             <header><h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n<nav>{links}</nav></header>\n\
             <main>\n{body}</main>\n<script>\n{SCRIPT}</script>\n</body></html>\n",
            title = self.title,
            lead = self.lead,
            colours = palette::css(),
            body = self.out,
        )
    }
}

/// Names and values, one pair to a line.
pub fn facts(rows: &[(String, String)]) -> String {
    let row = |(name, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name), escape(value))
    };
    format!("<table class=\"facts\">\n{}</table>\n", rows.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_file_whose_texts_cannot_become_markup() {
        let mut page = Document::new("a & b", "lead");
        page.warnings(&["<script>".to_owned()]);
        page.section("first <");
        let html = page.end();
        assert!(html.contains("<title>a &amp; b</title>") && html.contains("<li>&lt;script&gt;</li>"));
        assert!(html.contains("<a href=\"#s1\">first &lt;</a>") && html.contains("<h2 id=\"s1\">"));
        for outside in ["http:", "https:", "//cdn", "@import", "url("] {
            assert!(!html.contains(outside), "the page refers to {outside}");
        }
    }
}

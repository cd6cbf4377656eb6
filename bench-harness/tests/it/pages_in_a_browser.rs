//! The pages of a job and of a suite, opened: they draw, they answer the pointer, they ask nobody.

use std::path::{Path, PathBuf};

use crate::browser::Browser;
use crate::harness::{Bench, read_json};

/// Points at the middle of every chart and leaves in the document how many answered, and whether the
/// page is wider than its window.
const PROBE: &str = "{
    for (const folded of document.querySelectorAll('details')) folded.open = true;
    let told = 0;
    for (const area of document.querySelectorAll('.area')) {
      const box = area.getBoundingClientRect();
      const at = { clientX: box.left + box.width / 2, clientY: box.top + 5, bubbles: true };
      area.dispatchEvent(new PointerEvent('pointermove', at));
      const tip = document.getElementById('tip');
      if (!tip.hidden && tip.querySelectorAll('td').length >= 2) told += 1;
      area.dispatchEvent(new PointerEvent('pointerleave', at));
      area.dispatchEvent(new KeyboardEvent('keydown', { key: 'End' }));
      if (tip.hidden) told -= 1;
      area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
    }
    const root = document.documentElement;
    root.dataset.told = told;
    root.dataset.tooWide = root.scrollWidth > root.clientWidth;
}";

/// What a page draws as it stands in the file: charts and lines in them.
fn drawn(html: &str) -> (usize, usize) {
    (html.matches("<figure class=\"chart").count(), html.matches("<polyline class=\"curve").count())
}

fn check(browser: &Browser, page: &Path, charts: usize) {
    for width in [1200, 500] {
        let document = browser.document(page, PROBE, width);
        let root = &document[..document.find("<head>").unwrap()];
        assert!(!root.contains("data-error"), "a script failed: {root}");
        for expected in [
            format!("data-ready=\"{charts}\""),
            format!("data-told=\"{charts}\""),
            "data-too-wide=\"false\"".to_owned(),
        ] {
            assert!(root.contains(&expected), "{expected} is not in {root} at a width of {width}");
        }
    }
}

fn asks_nobody(html: &str) {
    for outside in ["http:", "https:", "url(", "@import", "src=", "<link", "<img", "fetch("] {
        assert!(!html.contains(outside), "the page refers to something outside: {outside}");
    }
}

fn page_of(bench: &Bench) -> PathBuf {
    let dirs: Vec<_> = std::fs::read_dir(bench.path("results")).unwrap().collect();
    assert_eq!(dirs.len(), 1);
    dirs[0].as_ref().unwrap().path().join("report.html")
}

#[test]
fn the_page_of_a_job_has_a_line_for_each_operation_of_each_phase() {
    let bench = Bench::new();
    bench.run("--engine rabi --smoke --workloads a,e").expect(0, "");
    let page = page_of(&bench);
    let html = std::fs::read_to_string(&page).unwrap();
    asks_nobody(&html);
    let report = read_json(&page.with_file_name("results.json"));
    let phases = report["phases"].as_array().unwrap();
    let operations: usize = phases.iter().map(|phase| phase["operations"].as_object().unwrap().len()).sum();
    let section = html.split("Latency by percentile</h2>").nth(1).unwrap();
    let section = section.split("<h2").next().unwrap();
    assert_eq!(drawn(section), (phases.len(), operations));
    if let Some(browser) = Browser::find() {
        check(&browser, &page, drawn(&html).0);
    }
}

#[test]
fn the_page_of_a_suite_has_a_line_for_each_engine_in_its_own_colour() {
    let bench = Bench::new();
    bench.run("suite --smoke --engines rabi,memory --workloads a --repeat 2 --dir databases").expect(0, "");
    let page = page_of(&bench);
    let html = std::fs::read_to_string(&page).unwrap();
    asks_nobody(&html);
    let run = html.split("workloada</h2>").nth(1).unwrap().split("<h2").next().unwrap();
    assert!(run.contains("READ latency by percentile") && run.contains("UPDATE latency by percentile"));
    for line in ["curve e-rabi p0", "curve e-memory p0"] {
        assert!(run.matches(line).count() >= 2, "{line}");
    }
    if let Some(browser) = Browser::find() {
        check(&browser, &page, drawn(&html).0);
    }
}

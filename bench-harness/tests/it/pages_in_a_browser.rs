//! The pages of a job and of a suite, opened: they draw, they answer the pointer, they ask nobody.

use std::path::Path;

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
    // Names of phases: cut off at the end of their box or of the page, or one on another.
    let bad = 0, names = 0;
    for (const figure of document.querySelectorAll('figure')) {
      const placed = [...figure.querySelectorAll('b')].map((name) => {
        const text = document.createRange();
        text.selectNodeContents(name);
        const [box, cut] = [text.getBoundingClientRect(), name.scrollWidth > name.clientWidth + 1];
        if (cut || box.right > root.clientWidth || box.width < 3) bad += 1;
        names += 1;
        return box;
      });
      const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 1 && b.top < a.bottom - 1;
      placed.forEach((a, i) => placed.slice(i + 1).forEach((b) => { if (meet(a, b)) bad += 1; }));
    }
    root.dataset.names = names;
    root.dataset.badNames = bad;
    root.dataset.tooWide = root.scrollWidth > root.clientWidth;
}";

/// What a page draws as it stands in the file: charts and lines in them.
fn drawn(html: &str) -> (usize, usize) {
    (html.matches("<figure class=\"chart").count(), html.matches("<polyline class=\"curve").count())
}

fn check(browser: &Browser, page: &Path, charts: usize, names: usize) {
    for width in [1200, 500, 390, 360] {
        let document = browser.document(page, PROBE, width);
        let root = &document[..document.find("<head>").unwrap()];
        assert!(!root.contains("data-error"), "a script failed: {root}");
        for expected in [
            format!("data-ready=\"{charts}\""),
            format!("data-told=\"{charts}\""),
            format!("data-names=\"{names}\""),
            "data-bad-names=\"0\"".to_owned(),
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

#[test]
fn the_page_of_a_job_has_a_line_for_each_operation_of_each_phase() {
    let bench = Bench::new();
    bench.run("--engine rabi --smoke --workloads a,b,c,d,f,e").expect(0, "");
    let page = bench.results().join("report.html");
    let html = std::fs::read_to_string(&page).unwrap();
    asks_nobody(&html);
    let report = read_json(&page.with_file_name("results.json"));
    let phases = report["phases"].as_array().unwrap();
    let operations: usize = phases.iter().map(|phase| phase["operations"].as_object().unwrap().len()).sum();
    let section = html.split("Latency by percentile</h2>").nth(1).unwrap();
    let section = section.split("<h2").next().unwrap();
    assert_eq!(drawn(section), (phases.len(), operations));
    if let Some(browser) = Browser::find() {
        let over_time = html.split("Over time</h2>").nth(1).unwrap().split("<h2").next().unwrap();
        check(&browser, &page, drawn(&html).0, phases.len() * drawn(over_time).0);
    }
}

#[test]
fn the_page_of_a_suite_has_a_line_for_each_engine_in_its_own_colour() {
    let bench = Bench::new();
    let suite = "suite --smoke --engines rabi,memory --workloads a --repeat 2 --dir databases";
    let limit =
        if bench.limits_memory() { "--memory-limit 1073741824" } else { "--cache-size-bytes 1073741824" };
    bench.run(&format!("{suite} {limit}")).expect(0, "memory: ");
    let page = bench.results().join("report.html");
    let html = std::fs::read_to_string(&page).unwrap();
    asks_nobody(&html);
    assert!(html.contains(" 1 GiB ") && !html.contains("1073741824 bytes"), "a limit in digits");
    let run = html.split("workloada</h2>").nth(1).unwrap().split("<h2").next().unwrap();
    assert!(run.contains("READ latency by percentile") && run.contains("UPDATE latency by percentile"));
    for line in ["curve e-rabi p0", "curve e-memory p0"] {
        assert!(run.matches(line).count() >= 2, "{line}");
    }
    let summary = html.split("Summary: operations a second</h2>").nth(1).unwrap();
    let (chart, table) =
        (summary.find("<div class=\"multiples\">").unwrap(), summary.find("<table>").unwrap());
    assert!(chart < table, "the chart stands above the tables");
    assert_eq!(summary.matches("<h4>rabi</h4>").count(), 1, "one engine has one chart of all workloads");
    if let Some(browser) = Browser::find() {
        check(&browser, &page, drawn(&html).0, 0);
    }
}

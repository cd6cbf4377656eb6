//! The formats other programs read, each read back the way they do.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::harness::{Bench, count};

fn exported() -> Bench {
    let bench = Bench::new();
    bench.run("load -P {a} --engine memory --dir db").expect(0, "");
    let run = "run -P {a} --engine memory --dir db --threads 2 --json x.json --csv x.csv \
         --go-bench x.txt --openmetrics x.om --hdr-log x.hlog";
    bench.run(run).expect(0, "");
    bench
}

fn text(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap()
}

#[test]
fn csv_has_a_line_for_each_operation_with_as_many_cells_as_its_head() {
    let bench = exported();
    let csv = text(&bench, "x.csv");
    let lines: Vec<Vec<&str>> = csv.split("\r\n").map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 4); // The head, READ, UPDATE, and nothing after the last end of line.
    let column = |name: &str| lines[0].iter().position(|cell| *cell == name).unwrap();
    assert!(lines[1..3].iter().all(|line| line.len() == lines[0].len()));
    let reads: u64 = lines[1][column("count")].parse().unwrap();
    assert_eq!((lines[1][column("operation")], reads), ("READ", count(&bench.json("x.json"), "READ")));
}

#[test]
fn go_bench_lines_are_names_counts_and_pairs_of_value_and_unit() {
    let bench = exported();
    let lines = text(&bench, "x.txt");
    let benchmarks: Vec<Vec<&str>> =
        lines.lines().filter(|line| line.starts_with("Benchmark")).map(|l| l.split(' ').collect()).collect();
    assert_eq!(benchmarks.len(), 3);
    assert_eq!(benchmarks[1][0], "BenchmarkRun/workload=workloada/op=READ-2");
    for fields in &benchmarks {
        assert!(fields[1].parse::<u64>().is_ok());
        assert_eq!(fields.len() % 2, 0, "{fields:?}");
        assert_eq!(fields[3], "ns/op");
        assert!(fields[2..].chunks(2).all(|pair| pair[0].parse::<f64>().is_ok()), "{fields:?}");
    }
    assert!(lines.contains("goos: linux\n"));
}

#[test]
fn open_metrics_declare_every_family_once_and_end() {
    let bench = exported();
    let exposition = text(&bench, "x.om");
    assert!(exposition.ends_with("# EOF\n"));
    let families: Vec<&str> = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let mut once = families.clone();
    once.dedup();
    assert_eq!(families, once);
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        assert!(families.iter().any(|family| name.starts_with(family)), "{line}");
        assert!(rest.rsplit_once("} ").unwrap().1.parse::<f64>().is_ok(), "{line}");
    }
    assert!(exposition.contains("operation=\"READ\",quantile=\"0.99\"} "));
}

#[test]
fn the_histogram_log_holds_every_latency_of_every_interval_under_its_tag() {
    let bench = exported();
    let log = text(&bench, "x.hlog");
    assert!(log.starts_with("#[Histogram log format version 1.3]\n"), "{log}");
    assert!(log.contains("\n\"StartTimestamp\",\"Interval_Length\","), "{log}");
    let mut sums: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let tag = interval.tag().unwrap().as_str();
            let bytes = base64(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            let sum = sums.entry(tag.to_owned()).or_insert_with(|| Histogram::new(3).unwrap());
            sum.add(&histogram).unwrap();
        }
    }
    assert_eq!(sums.keys().collect::<Vec<_>>(), ["READ", "UPDATE"]);
    let report = bench.json("x.json");
    for (tag, sum) in sums {
        assert_eq!(sum.len(), count(&report, &tag), "{tag}");
        let p99_us = report["operations"][&tag]["service_us"]["p99"].as_f64().unwrap();
        assert!((sum.value_at_quantile(0.99) as f64 / 1e3 - p99_us).abs() < 1e-9);
    }
}

/// The standard alphabet, as the format uses it.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .trim_end_matches('=')
        .bytes()
        .map(|byte| ALPHABET.iter().position(|known| *known == byte).unwrap() as u32)
        .collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

/// The names in the tables of a section: what stands in code at the head of a row.
fn documented(section: &str) -> BTreeSet<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/exports.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split(&format!("\n## {section}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let heads = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    heads.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_column_unit_family_and_tag_is_on_the_page_and_nothing_else() {
    let bench = exported();
    let run = "--target 5000 --csv y.csv --go-bench y.txt --openmetrics y.om --hdr-log y.hlog";
    bench.run(&format!("run -P {{a}} --engine memory --dir db {run}")).expect(0, "");
    let of = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(documented("CSV"), of(&mut text(&bench, "y.csv").lines().next().unwrap().split(',')));
    let units = text(&bench, "y.txt");
    let benchmarks = units.lines().filter(|line| line.starts_with("Benchmark"));
    let units = of(&mut benchmarks.flat_map(|line| line.split(' ').skip(3).step_by(2)));
    assert_eq!(documented("Go's benchmarks"), units);
    let families = text(&bench, "y.om");
    let families = families.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(documented("OpenMetrics"), of(&mut families.into_iter()));
    let log = text(&bench, "y.hlog");
    let tags = log.lines().filter_map(|line| line.strip_prefix("Tag=")?.split(',').next());
    let kinds = tags.map(|tag| if tag.starts_with("Intended-") { "Intended-NAME" } else { "NAME" });
    assert_eq!(documented("HdrHistogram log"), of(&mut kinds.into_iter()));
}

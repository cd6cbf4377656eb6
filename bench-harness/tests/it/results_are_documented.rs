//! `bench-harness/docs/results-schema.md` names every field of a result, and no field that is not there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Bench, read_json};

/// Fields by section.
type Fields = BTreeMap<String, BTreeSet<String>>;

/// Which section of the page describes the value of a field: an object, or the objects of a list.
const WITHIN: [(&str, &str, &str); 19] = [
    ("crash", "environment", "environment"),
    ("crash", "engines", "crash engine"),
    ("crash engine", "rounds", "crash round"),
    ("job", "environment", "environment"),
    ("job", "levels", "level"),
    ("job", "phases", "phase"),
    ("level", "phases", "level phase"),
    ("phase", "environment", "environment"),
    ("phase", "harness", "harness"),
    ("phase", "resources", "resources"),
    ("phase", "series", "series"),
    ("phase", "trace", "trace"),
    ("resources", "device", "device"),
    ("resources", "memory_group", "memory group"),
    ("series", "intervals", "interval"),
    ("interval", "service_us", "quantiles"),
    ("interval row", "service_us", "quantiles"),
    ("operation", "service_us", "latencies"),
    ("latencies", "curve", "point"),
];
/// The same for the values of a map, whose names are not fields.
const WITHIN_MAP: [(&str, &str, &str); 2] =
    [("phase", "operations", "operation"), ("interval", "rows", "interval row")];

fn section_of(
    table: &[(&str, &'static str, &'static str)],
    section: &str,
    field: &str,
) -> Option<&'static str> {
    table.iter().find(|(within, name, _)| (*within, *name) == (section, field)).map(|(.., to)| *to)
}

fn collect(section: &str, value: &Value, fields: &mut Fields) {
    if let Value::Array(values) = value {
        values.iter().for_each(|value| collect(section, value, fields));
    }
    for (field, value) in value.as_object().into_iter().flatten() {
        fields.entry(section.to_owned()).or_default().insert(field.clone());
        if let Some(inner) = section_of(&WITHIN, section, field) {
            collect(inner, value, fields);
        }
        if let Some(inner) = section_of(&WITHIN_MAP, section, field) {
            value.as_object().into_iter().flatten().for_each(|(_, value)| collect(inner, value, fields));
        }
    }
}

/// The fields of the page: all, and those that are not optional.
fn documented() -> (Fields, Fields) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/results-schema.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut all, mut needed) = (Fields::new(), Fields::new());
    for section in text.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap();
        for line in section.lines() {
            let Some((field, rest)) = line.strip_prefix("| `").and_then(|line| line.split_once("` | "))
            else {
                continue;
            };
            all.entry(name.to_owned()).or_default().insert(field.to_owned());
            // The last one needs a small file system, and is held against the page where it is made.
            if !rest.starts_with("optional") && name != "crash full" {
                needed.entry(name.to_owned()).or_default().insert(field.to_owned());
            }
        }
    }
    (all, needed)
}

/// What `a` has and `b` has not.
fn beyond(a: &Fields, b: &Fields) -> Vec<String> {
    let missing =
        |section: &String, field: &String| !b.get(section).is_some_and(|fields| fields.contains(field));
    let all = a.iter().flat_map(|(section, fields)| fields.iter().map(move |field| (section, field)));
    all.filter(|(section, field)| missing(section, field))
        .map(|(section, field)| format!("{section}: {field}"))
        .collect()
}

#[test]
fn every_field_of_a_result_is_on_the_page_and_every_field_of_the_page_in_a_result() {
    let bench = Bench::new();
    bench.run("--engine rabi --smoke --workloads a").expect(0, "");
    let results = bench.results();
    let mut written = Fields::new();
    let job = read_json(&results.join("results.json"));
    collect("job", &job, &mut written);
    let limit = if bench.limits_memory() { "--memory-limit 1GiB" } else { "" };
    bench.run(&format!("load -P {{a}} --engine memory --dir db --json load.json {limit}")).expect(0, "");
    let phase = bench.json("load.json");
    collect("phase", &phase, &mut written);
    bench.run("crash -P {a} --dir crashed --rounds 1 --run-s 0.1 --json crash.json").expect(0, "");
    collect("crash", &bench.json("crash.json"), &mut written);
    bench.write("cluster.csv", "0,k,1,5,1,set,0\n");
    bench.run("run --trace cluster.csv --engine memory --dir db --json run.json").expect(0, "");
    collect("phase", &bench.json("run.json"), &mut written);
    let (all, needed) = documented();
    assert!(all.len() > 10, "the page has other headings than this test knows: {all:?}");
    assert_eq!(beyond(&written, &all), Vec::<String>::new(), "docs/results-schema.md does not name these");
    assert_eq!(
        beyond(&needed, &written),
        Vec::<String>::new(),
        "docs/results-schema.md names what is not there"
    );
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/results-schema.md")).unwrap();
    assert!(text.contains(&format!("`schema` is **{}**", job["schema"])), "the page is of another version");
}

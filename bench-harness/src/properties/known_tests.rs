//! The table of properties against YCSB's list, and against the page users read.

use super::*;

/// Names and defaults.
fn ycsb() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("ycsb_defaults.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap())
}

#[test]
fn every_property_of_ycsb_is_known_with_its_default() {
    for (name, default) in ycsb() {
        let known = lookup(name).unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(known.default, default, "{name}");
    }
}

#[test]
fn every_other_property_is_under_a_prefix_of_its_own() {
    for known in KNOWN {
        let of_ycsb = ycsb().any(|(name, _)| name == known.name);
        assert_eq!(of_ycsb, !known.name.starts_with("rabi."), "{}", known.name);
        assert_eq!(KNOWN.iter().filter(|other| other.name == known.name).count(), 1, "{}", known.name);
    }
}

#[test]
fn the_page_of_properties_has_every_row_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/workloads.md");
    let page = std::fs::read_to_string(path).unwrap();
    let table = crate::properties::table();
    assert!(page.contains(&table), "bench-harness/docs/workloads.md should have these rows:\n{table}");
}

//! The table of properties against YCSB's list, and against the page users read.

use super::*;

/// Names and defaults of YCSB d9faaac: CoreWorkload.java lines 74 to 365, ExponentialGenerator.java
/// lines 33 to 38, Client.java, ClientThread.java line 72 and measurements/*.java.
/// `insertcount` follows from two others, and files must name `workload` and `db`.
const YCSB: &[(&str, &str)] = &[
    ("table", "usertable"),
    ("fieldcount", "10"),
    ("fieldlengthdistribution", "constant"),
    ("fieldlength", "100"),
    ("minfieldlength", "1"),
    ("fieldlengthhistogram", "hist.txt"),
    ("readallfields", "true"),
    ("readallfieldsbyname", "false"),
    ("writeallfields", "false"),
    ("dataintegrity", "false"),
    ("readproportion", "0.95"),
    ("updateproportion", "0.05"),
    ("insertproportion", "0"),
    ("scanproportion", "0"),
    ("readmodifywriteproportion", "0"),
    ("requestdistribution", "uniform"),
    ("zeropadding", "1"),
    ("minscanlength", "1"),
    ("maxscanlength", "1000"),
    ("scanlengthdistribution", "uniform"),
    ("insertorder", "hashed"),
    ("hotspotdatafraction", "0.2"),
    ("hotspotopnfraction", "0.8"),
    ("exponential.percentile", "95"),
    ("exponential.frac", "0.8571428571"),
    ("core_workload_insertion_retry_limit", "0"),
    ("core_workload_insertion_retry_interval", "3"),
    ("core_workload_insertion_keep_going_on_error", "false"),
    ("fieldnameprefix", "field"),
    ("recordcount", "0"),
    ("operationcount", "0"),
    ("insertstart", "0"),
    ("insertcount", ""),
    ("workload", ""),
    ("db", ""),
    ("threadcount", "1"),
    ("target", "0"),
    ("maxexecutiontime", "0"),
    ("dotransactions", "true"),
    ("status", "false"),
    ("status.interval", "10"),
    ("label", ""),
    ("spin.sleep", "false"),
    ("exporter", ""),
    ("exportfile", ""),
    ("measurementtype", "hdrhistogram"),
    ("measurement.interval", "op"),
    ("measurement.trackjvm", "false"),
    ("hdrhistogram.percentiles", "50,95,99"),
    ("hdrhistogram.fileoutput", "false"),
    ("hdrhistogram.output.path", ""),
    ("measurement.histogram.verbose", "false"),
    ("histogram.buckets", "1000"),
    ("timeseries.granularity", "1000"),
    ("measurement.raw.output_file", ""),
    ("measurement.raw.no_summary", "false"),
    ("reportlatencyforeacherror", "false"),
    ("latencytrackederrors", ""),
    ("disksize", "100000000"),
    ("storageages", "10"),
    ("occupancy", "0.9"),
];

#[test]
fn every_property_of_ycsb_is_known_with_its_default() {
    for (name, default) in YCSB {
        let known = lookup(name).unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(known.default, *default, "{name}");
    }
}

#[test]
fn every_other_property_is_under_a_prefix_of_its_own() {
    for known in KNOWN {
        let of_ycsb = YCSB.iter().any(|(name, _)| *name == known.name);
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

//! Every property that claims an effect changes the workload, once what it depends on is set.

use std::path::Path;

use super::Workload;
use crate::properties::{Properties, used_names};

/// Property, another value than its default, and what must be set for it to matter.
const CHANGES: &[(&str, &str, &str)] = &[
    ("recordcount", "2000", ""),
    ("insertstart", "5", ""),
    ("insertcount", "7", ""),
    ("fieldcount", "3", ""),
    ("fieldlength", "50", ""),
    ("minfieldlength", "20", "fieldlengthdistribution=uniform"),
    ("minfieldlength", "20", "fieldlengthdistribution=zipfian"),
    ("fieldlengthdistribution", "zipfian", ""),
    ("fieldlengthhistogram", "other.txt", "fieldlengthdistribution=histogram"),
    ("fieldnameprefix", "f", "dataintegrity=true"),
    ("insertorder", "ordered", ""),
    ("zeropadding", "12", ""),
    ("operationcount", "77", ""),
    ("readproportion", "0.5", ""),
    ("updateproportion", "0.5", ""),
    ("insertproportion", "0.5", ""),
    ("scanproportion", "0.5", ""),
    ("readmodifywriteproportion", "0.5", ""),
    ("readallfields", "false", ""),
    ("dataintegrity", "true", ""),
    ("requestdistribution", "latest", ""),
    ("hotspotdatafraction", "0.3", "requestdistribution=hotspot"),
    ("hotspotopnfraction", "0.3", "requestdistribution=hotspot"),
    ("exponential.percentile", "90", "requestdistribution=exponential"),
    ("exponential.frac", "0.5", "requestdistribution=exponential"),
    ("minscanlength", "3", ""),
    ("maxscanlength", "30", ""),
    ("scanlengthdistribution", "zipfian", ""),
    ("core_workload_insertion_retry_limit", "2", ""),
    ("core_workload_insertion_retry_interval", "0.5", ""),
    ("core_workload_insertion_keep_going_on_error", "true", ""),
    ("threadcount", "4", ""),
    ("target", "1000", ""),
    ("maxexecutiontime", "5", ""),
    ("measurement.interval", "both", ""),
    ("spin.sleep", "true", ""),
    ("status", "true", ""),
    ("status.interval", "2", ""),
    ("label", "mine", ""),
    ("hdrhistogram.percentiles", "90", ""),
    ("rabi.deleteproportion", "0.5", ""),
    ("rabi.multireadproportion", "0.5", ""),
    ("rabi.multireadsize", "3", ""),
    ("rabi.batchproportion", "0.5", ""),
    ("rabi.batchsize", "3", ""),
    ("rabi.reversescanproportion", "0.5", ""),
    ("rabi.zipftheta", "1.2", "requestdistribution=rabi.zipf"),
    ("rabi.keyranges.count", "10", "requestdistribution=rabi.keyranges"),
    ("rabi.keyranges.a", "10", "requestdistribution=rabi.keyranges"),
    ("rabi.keyranges.b", "-1", "requestdistribution=rabi.keyranges"),
    ("rabi.keyranges.c", "1", "requestdistribution=rabi.keyranges"),
    ("rabi.keyranges.d", "-1", "requestdistribution=rabi.keyranges"),
    ("rabi.keyranges.rankfactor", "0.1", "requestdistribution=rabi.keyranges"),
    ("rabi.keyranges.rankexponent", "0.5", "requestdistribution=rabi.keyranges"),
    ("rabi.fieldlength.median", "50", "fieldlengthdistribution=rabi.lognormal"),
    ("rabi.fieldlength.deviation", "2", "fieldlengthdistribution=rabi.lognormal"),
    ("rabi.fieldlength.theta", "3", "fieldlengthdistribution=rabi.pareto"),
    ("rabi.fieldlength.k", "0.3", "fieldlengthdistribution=rabi.pareto"),
    ("rabi.fieldlength.sigma", "30", "fieldlengthdistribution=rabi.pareto"),
    ("rabi.scanlength.theta", "3", "scanlengthdistribution=rabi.pareto"),
    ("rabi.scanlength.k", "0.3", "scanlengthdistribution=rabi.pareto"),
    ("rabi.scanlength.sigma", "30", "scanlengthdistribution=rabi.pareto"),
    ("rabi.arrivals", "fixed", "rabi.arrivals=poisson\nrabi.rate=100"),
    ("rabi.rate", "200", "rabi.arrivals=poisson\nrabi.rate=100"),
    ("rabi.rate.to", "200", "rabi.arrivals=ramp\nrabi.rate=100\nrabi.rate.to=300\nrabi.period=5"),
    ("rabi.period", "9", "rabi.arrivals=sine\nrabi.rate=100\nrabi.rate.to=150\nrabi.period=5"),
    ("rabi.steps", "3", "rabi.arrivals=step\nrabi.rate=100\nrabi.rate.to=300\nrabi.period=5"),
    ("rabi.warmup", "3", ""),
    ("rabi.compressibility", "0.5", ""),
    ("rabi.verify", "true", ""),
];

fn shown(dir: &Path, text: &str) -> String {
    let mut properties = Properties::of("recordcount=1000");
    // Files are named in the directory of the test.
    let text = text.replace("fieldlengthhistogram=", &format!("fieldlengthhistogram={}/", dir.display()));
    properties.add_text(Path::new("mix"), &text).unwrap();
    format!("{:?}", Workload::from_properties(&properties).unwrap())
}

#[test]
fn every_property_that_claims_an_effect_has_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hist.txt"), "BlockSize\t8\n0\t1\n1\t1\n").unwrap();
    std::fs::write(dir.path().join("other.txt"), "BlockSize\t9\n0\t1\n1\t1\n").unwrap();
    for (name, value, needs) in CHANGES {
        let before = match *name {
            "fieldlengthhistogram" => shown(dir.path(), &format!("{needs}\nfieldlengthhistogram=hist.txt")),
            _ => shown(dir.path(), needs),
        };
        let after = shown(dir.path(), &format!("{needs}\n{name}={value}"));
        assert_ne!(before, after, "{name}={value} changed nothing");
    }
    for name in used_names() {
        assert!(CHANGES.iter().any(|(known, _, _)| *known == name), "no line tries {name}");
    }
}

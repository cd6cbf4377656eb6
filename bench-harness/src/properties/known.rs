//! Every property name YCSB's core workload and client know, with type, default and effect.
//!
//! A name that is missing here is reported as unknown. Names under `rabi.` are extensions of
//! this harness; all others have the meaning YCSB gives them. A property that cannot apply to
//! an embedded engine, or is not offered, says so instead of being dropped in silence.

/// What kind of value a property takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number between two bounds, both included.
    Count {
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
    /// A decimal number between two bounds, both included.
    Number {
        /// The smallest value.
        min: f64,
        /// The largest value.
        max: f64,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Free text.
    Text,
}

/// Whether a property does something in this harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does what YCSB documents.
    Used,
    /// It names something that is fixed here, and setting it is harmless.
    Accepted,
    /// It does nothing, for this reason, and the user is told so.
    Without(&'static str),
}

/// One known property.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The name in a property file.
    pub name: &'static str,
    /// The value when nobody sets it; empty when it follows from other properties.
    pub default: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// What setting it does.
    pub effect: Effect,
}

/// The entry of a property, if it is known.
pub fn lookup(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

const ANY: Kind = Kind::Count { min: 0, max: u64::MAX };
const POSITIVE: Kind = Kind::Count { min: 1, max: u64::MAX };
const WEIGHT: Kind = Kind::Number { min: 0.0, max: 1e9 };
const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };
const THREADS: Kind = Kind::Count { min: 1, max: 4096 };
const FIELDS: Kind = Kind::Count { min: 1, max: 65_536 };
const FIELD_BYTES: Kind = Kind::Count { min: 1, max: 16 << 20 };
const DIGITS: Kind = Kind::Count { min: 0, max: 1024 };
/// Operations a second.
const RATE: Kind = Kind::Number { min: 0.0, max: 1e9 };
const SECONDS: Kind = Kind::Number { min: 0.0, max: 1e9 };
const REQUESTS: Kind =
    Kind::Choice(&["uniform", "zipfian", "latest", "hotspot", "sequential", "exponential"]);

const HDR_ONLY: Effect = Effect::Without("latencies always go into HDR histograms");
const JVM: Effect = Effect::Without("there is no JVM to track");
const NO_FILES: Effect = Effect::Without("full distributions are in the file of --json");
const OTHER_WORKLOAD: Effect = Effect::Without("only the core workload is offered");

const fn used(name: &'static str, default: &'static str, kind: Kind) -> Known {
    Known { name, default, kind, effect: Effect::Used }
}

const fn accepted(name: &'static str, default: &'static str) -> Known {
    Known { name, default, kind: Kind::Text, effect: Effect::Accepted }
}

const fn without(name: &'static str, default: &'static str, effect: Effect) -> Known {
    Known { name, default, kind: Kind::Text, effect }
}

/// All known properties.
pub const KNOWN: &[Known] = &[
    // The data set.
    used("recordcount", "0", ANY),
    used("insertstart", "0", ANY),
    used("insertcount", "", ANY),
    used("fieldcount", "10", FIELDS),
    used("fieldlength", "100", FIELD_BYTES),
    used("minfieldlength", "1", FIELD_BYTES),
    used("fieldlengthdistribution", "constant", Kind::Choice(&["constant", "uniform", "zipfian"])),
    used("insertorder", "hashed", Kind::Choice(&["hashed", "ordered"])),
    used("zeropadding", "1", DIGITS),
    // The mix.
    used("operationcount", "0", ANY),
    used("readproportion", "0.95", WEIGHT),
    used("updateproportion", "0.05", WEIGHT),
    used("insertproportion", "0", WEIGHT),
    used("scanproportion", "0", WEIGHT),
    used("readmodifywriteproportion", "0", WEIGHT),
    used("rabi.deleteproportion", "0", WEIGHT),
    used("readallfields", "true", Kind::Flag),
    used("writeallfields", "false", Kind::Flag),
    used("dataintegrity", "false", Kind::Flag),
    // Which records are asked for.
    used("requestdistribution", "uniform", REQUESTS),
    used("hotspotdatafraction", "0.2", SHARE),
    used("hotspotopnfraction", "0.8", SHARE),
    used("exponential.percentile", "95", Kind::Number { min: 0.001, max: 99.999 }),
    used("exponential.frac", "0.8571428571", Kind::Number { min: 1e-9, max: 1.0 }),
    used("minscanlength", "1", POSITIVE),
    used("maxscanlength", "1000", POSITIVE),
    used("scanlengthdistribution", "uniform", Kind::Choice(&["uniform", "zipfian"])),
    // Failed inserts.
    used("core_workload_insertion_retry_limit", "0", ANY),
    used("core_workload_insertion_retry_interval", "3", SECONDS),
    used("core_workload_insertion_keep_going_on_error", "false", Kind::Flag),
    // The client.
    used("threadcount", "1", THREADS),
    used("target", "0", RATE),
    used("maxexecutiontime", "0", SECONDS),
    used("spin.sleep", "false", Kind::Flag),
    used("status", "false", Kind::Flag),
    used("status.interval", "10", SECONDS),
    used("label", "", Kind::Text),
    used("hdrhistogram.percentiles", "50,95,99", Kind::Text),
    // Fixed here.
    accepted("workload", ""),
    accepted("db", ""),
    accepted("table", "usertable"),
    accepted("dotransactions", "true"),
    accepted("fieldnameprefix", "field"),
    accepted("readallfieldsbyname", "false"),
    // Known to YCSB, without effect here.
    without("fieldlengthhistogram", "hist.txt", Effect::Without("no such length distribution")),
    without("exporter", "", Effect::Without("text goes to stdout, JSON to the file of --json")),
    without("exportfile", "", Effect::Without("text goes to stdout, JSON to the file of --json")),
    without("measurementtype", "hdrhistogram", HDR_ONLY),
    without("measurement.interval", "op", Effect::Without("latency counts from the call")),
    without("measurement.trackjvm", "false", JVM),
    without("measurement.histogram.verbose", "false", HDR_ONLY),
    without("hdrhistogram.fileoutput", "false", NO_FILES),
    without("hdrhistogram.output.path", "", NO_FILES),
    without("histogram.buckets", "1000", HDR_ONLY),
    without("timeseries.granularity", "1000", HDR_ONLY),
    without("measurement.raw.output_file", "", HDR_ONLY),
    without("measurement.raw.no_summary", "false", HDR_ONLY),
    without("reportlatencyforeacherror", "false", Effect::Without("failed calls are counted")),
    without("latencytrackederrors", "", Effect::Without("failed calls are counted")),
    without("disksize", "100000000", OTHER_WORKLOAD),
    without("storageages", "10", OTHER_WORKLOAD),
    without("occupancy", "0.9", OTHER_WORKLOAD),
];

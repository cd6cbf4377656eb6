//! Every property name YCSB's core workload and client know, with type, default and effect.
//!
//! A name that is missing here is reported as unknown. Names under `rabi.` are extensions of
//! this harness; all others have the meaning YCSB gives them. A property that cannot apply to
//! an embedded engine, or is not offered, says so instead of being dropped in silence.

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number between two bounds, both included.
    Count {
        min: u64,
        max: u64,
    },
    /// A decimal number between two bounds, both included.
    Number {
        min: f64,
        max: f64,
    },
    Flag,
    Choice(&'static [&'static str]),
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

#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub name: &'static str,
    /// The value when nobody sets it; empty when it follows from other properties.
    pub default: &'static str,
    pub kind: Kind,
    pub effect: Effect,
    pub about: &'static str,
}

impl Known {
    /// A row of the table in bench-harness/docs/workloads.md: name, default, values, what it is.
    pub fn markdown(&self) -> String {
        let values = match self.kind {
            Kind::Count { min, max: u64::MAX } => format!("whole, from {min}"),
            Kind::Count { min, max } => format!("whole, {min} to {max}"),
            Kind::Number { min, max } => format!("{min} to {max}"),
            Kind::Flag => "true, false".to_owned(),
            Kind::Choice(words) => words.join(", "),
            Kind::Text => "text".to_owned(),
        };
        let effect = match self.effect {
            Effect::Used => self.about.to_owned(),
            Effect::Accepted => format!("accepted: {}", self.about),
            Effect::Without(why) => format!("no effect, and a warning: {why}"),
        };
        format!("| `{}` | {} | {values} | {effect} |", self.name, self.default)
    }
}

/// The entry of a property, if it is known.
pub fn lookup(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

const ANY: Kind = Kind::Count { min: 0, max: u64::MAX };
const POSITIVE: Kind = Kind::Count { min: 1, max: u64::MAX };
const WEIGHT: Kind = Kind::Number { min: 0.0, max: 1e9 };
const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };
const SHARE_OF_SOME: Kind = Kind::Number { min: 1e-9, max: 1.0 };
const PERCENT: Kind = Kind::Number { min: 0.001, max: 99.999 };
const THREADS: Kind = Kind::Count { min: 1, max: 4096 };
const CLIENTS: Kind = Kind::Count { min: 0, max: 65_536 };
const CORES: Kind = Kind::Count { min: 0, max: 1024 };
const FIELDS: Kind = Kind::Count { min: 1, max: 65_536 };
const FIELD_BYTES: Kind = Kind::Count { min: 1, max: 16 << 20 };
const DIGITS: Kind = Kind::Count { min: 0, max: 1024 };
const RATE: Kind = Kind::Number { min: 0.0, max: 1e9 };
const STEPS: Kind = Kind::Count { min: 1, max: 10_000 };
const ARRIVALS: Kind = Kind::Choice(&["none", "fixed", "poisson", "ramp", "step", "sine"]);
const INTERVALS: Kind = Kind::Choice(&["op", "intended", "both"]);
const SECONDS: Kind = Kind::Number { min: 0.0, max: 1e9 };
const OPERATIONS: Kind = Kind::Count { min: 1, max: 65_536 };
const EXPONENT: Kind = Kind::Number { min: 0.0, max: 100.0 };
/// Parameters of formulas.
const FINITE: Kind = Kind::Number { min: -1e12, max: 1e12 };
const LENGTHS: Kind =
    Kind::Choice(&["constant", "uniform", "zipfian", "histogram", "rabi.lognormal", "rabi.pareto"]);
const SCAN_LENGTHS: Kind = Kind::Choice(&["uniform", "zipfian", "rabi.pareto"]);
const REQUESTS: Kind = Kind::Choice(&[
    "uniform",
    "zipfian",
    "latest",
    "hotspot",
    "sequential",
    "exponential",
    "rabi.zipf",
    "rabi.keyranges",
]);

/// The class under its name of today and under that of YCSB before 0.16.
const CORE_WORKLOAD: Kind =
    Kind::Choice(&["site.ycsb.workloads.CoreWorkload", "com.yahoo.ycsb.workloads.CoreWorkload"]);

const HDR_ONLY: Effect = Effect::Without("latencies always go into HDR histograms");
const JVM: Effect = Effect::Without("there is no JVM to track");
const FAILED_ROWS: Effect = Effect::Without("all that failed has one row of latencies, -FAILED");
const NO_FILES: Effect = Effect::Without("full distributions are in the file of --json");
const OTHER_WORKLOAD: Effect = Effect::Without("only the core workload is offered");

const fn used(name: &'static str, default: &'static str, kind: Kind, about: &'static str) -> Known {
    Known { name, default, kind, effect: Effect::Used, about }
}

const fn accepted(name: &'static str, default: &'static str, about: &'static str) -> Known {
    Known { name, default, kind: Kind::Text, effect: Effect::Accepted, about }
}

const fn without(name: &'static str, default: &'static str, effect: Effect) -> Known {
    Known { name, default, kind: Kind::Text, effect, about: "" }
}

pub const KNOWN: &[Known] = &[
    // The data set.
    used("recordcount", "0", ANY, "records in the data set; must be given"),
    used("insertstart", "0", ANY, "number of the first record of this client's part"),
    used("insertcount", "", ANY, "records of this client's part; recordcount - insertstart if not set"),
    used("fieldcount", "10", FIELDS, "fields in a record"),
    used("fieldlength", "100", FIELD_BYTES, "bytes in a field; the longest where lengths vary"),
    used("minfieldlength", "1", FIELD_BYTES, "the shortest field where lengths vary"),
    used("fieldlengthdistribution", "constant", LENGTHS, "how field lengths vary"),
    used("fieldlengthhistogram", "hist.txt", Kind::Text, "the file of distribution histogram"),
    used("fieldnameprefix", "field", Kind::Text, "begins field names, which values of dataintegrity hold"),
    used("insertorder", "hashed", Kind::Choice(&["hashed", "ordered"]), "whether keys hold a hash"),
    used("zeropadding", "1", DIGITS, "least number of digits in a key"),
    // The mix.
    used("operationcount", "0", ANY, "operations of a run; 0 is no bound"),
    used("readproportion", "0.95", WEIGHT, "weight of reads"),
    used("updateproportion", "0.05", WEIGHT, "weight of updates"),
    used("insertproportion", "0", WEIGHT, "weight of inserts"),
    used("scanproportion", "0", WEIGHT, "weight of scans"),
    used("readmodifywriteproportion", "0", WEIGHT, "weight of read-modify-writes"),
    used("readallfields", "true", Kind::Flag, "false: one field is taken out of the record read"),
    used("dataintegrity", "false", Kind::Flag, "values follow from key and field name; reads check them"),
    // Which records are asked for.
    used("requestdistribution", "uniform", REQUESTS, "which records are asked for"),
    used("hotspotdatafraction", "0.2", SHARE, "hotspot: share of the records that is hot"),
    used("hotspotopnfraction", "0.8", SHARE, "hotspot: share of the operations that goes there"),
    used("exponential.percentile", "95", PERCENT, "exponential: percent of requests within exponential.frac"),
    used("exponential.frac", "0.8571428571", SHARE_OF_SOME, "exponential: share of the newest records"),
    used("minscanlength", "1", POSITIVE, "shortest scan, in records"),
    used("maxscanlength", "1000", POSITIVE, "longest scan, in records"),
    used("scanlengthdistribution", "uniform", SCAN_LENGTHS, "how scan lengths vary"),
    // Failed inserts.
    used("core_workload_insertion_retry_limit", "0", ANY, "further attempts at a failed insert"),
    used(
        "core_workload_insertion_retry_interval",
        "3",
        SECONDS,
        "seconds between attempts, give or take 20 %",
    ),
    used(
        "core_workload_insertion_keep_going_on_error",
        "false",
        Kind::Flag,
        "a load goes on after a failure",
    ),
    // The client.
    used("threadcount", "1", THREADS, "client threads"),
    used("target", "0", RATE, "operations a second over all threads; 0 is no limit"),
    used("maxexecutiontime", "0", SECONDS, "seconds after which a phase ends; 0 is no bound"),
    used(
        "measurement.interval",
        "op",
        INTERVALS,
        "which latency has the operation's own name: from the actual start, the intended one, or both; with a schedule both are printed, responses first",
    ),
    used("spin.sleep", "false", Kind::Flag, "waiting for the target rate burns the processor"),
    used("status", "false", Kind::Flag, "show a status line"),
    used("status.interval", "10", SECONDS, "seconds between status lines in a file"),
    used("label", "", Kind::Text, "stands in front of status lines"),
    used("hdrhistogram.percentiles", "50,95,99", Kind::Text, "percentiles of the text summary"),
    // Extensions.
    used("rabi.deleteproportion", "0", WEIGHT, "weight of deletes"),
    used("rabi.multireadproportion", "0", WEIGHT, "weight of multi-gets"),
    used("rabi.multireadsize", "10", OPERATIONS, "keys in a multi-get"),
    used("rabi.batchproportion", "0", WEIGHT, "weight of atomic batches of updates"),
    used("rabi.batchsize", "10", OPERATIONS, "updates in a batch"),
    used("rabi.reversescanproportion", "0", WEIGHT, "weight of scans towards smaller keys"),
    used(
        "rabi.ticketproportion",
        "0",
        WEIGHT,
        "weight of updates that are submitted, and then awaited until durable; needs rabi.clients",
    ),
    used("rabi.ticketsize", "1", OPERATIONS, "updates in the batch that is submitted"),
    used("rabi.clients", "0", CLIENTS, "clients that are futures, instead of threads; 0 is none"),
    used("rabi.cores", "0", CORES, "threads that such clients share; 0 is one for each processor"),
    used("rabi.drivers", "false", Kind::Flag, "those threads read on rings of their own; needs rabi.clients"),
    used("rabi.zipftheta", "0.99", EXPONENT, "rabi.zipf: the exponent; 0 is uniform"),
    used("rabi.keyranges.count", "30", POSITIVE, "rabi.keyranges: number of ranges"),
    used("rabi.keyranges.a", "14.18", FINITE, "rabi.keyranges: range x has weight a e^(b x) + c e^(d x)"),
    used("rabi.keyranges.b", "-2.917", FINITE, "rabi.keyranges: see rabi.keyranges.a"),
    used("rabi.keyranges.c", "0.0164", FINITE, "rabi.keyranges: see rabi.keyranges.a"),
    used("rabi.keyranges.d", "-0.08082", FINITE, "rabi.keyranges: see rabi.keyranges.a"),
    used(
        "rabi.keyranges.rankfactor",
        "0.002312",
        SHARE,
        "rabi.keyranges: within a range, P(rank <= r) = factor r^exponent; 0 is uniform",
    ),
    used("rabi.keyranges.rankexponent", "0.3467", EXPONENT, "rabi.keyranges: see rankfactor"),
    used("rabi.fieldlength.median", "100", FINITE, "fieldlengthdistribution=rabi.lognormal: median bytes"),
    used("rabi.fieldlength.deviation", "1", EXPONENT, "rabi.lognormal: deviation of the natural logarithm"),
    used("rabi.fieldlength.theta", "0", FINITE, "fieldlengthdistribution=rabi.pareto: smallest value"),
    used("rabi.fieldlength.k", "0.2615", EXPONENT, "rabi.pareto: weight of the tail"),
    used("rabi.fieldlength.sigma", "25.45", FINITE, "rabi.pareto: scale"),
    used("rabi.scanlength.theta", "0", FINITE, "scanlengthdistribution=rabi.pareto: smallest value"),
    used("rabi.scanlength.k", "2.517", EXPONENT, "rabi.pareto: weight of the tail"),
    used("rabi.scanlength.sigma", "14.236", FINITE, "rabi.pareto: scale"),
    used("rabi.arrivals", "none", ARRIVALS, "an open loop's schedule; the same as --arrivals"),
    used("rabi.rate", "0", RATE, "open loop: operations a second over all threads; of a sine, the mean"),
    used("rabi.rate.to", "0", RATE, "where a ramp or steps end, or the peak of a sine"),
    used("rabi.period", "0", SECONDS, "seconds of a ramp, a step, a wave; 0 fits the duration"),
    used("rabi.steps", "5", STEPS, "rabi.arrivals=step: number of steps"),
    used("rabi.warmup", "0", SECONDS, "seconds of a run before anything counts"),
    used("rabi.compressibility", "0", SHARE, "share of each field that is one repeated character"),
    used("rabi.verify", "false", Kind::Flag, "the same as --verify"),
    // Fixed here.
    Known {
        name: "workload",
        default: "",
        kind: CORE_WORKLOAD,
        effect: Effect::Accepted,
        about: "the core workload is the only one; another is an error",
    },
    accepted("db", "", "must name the engine of --engine; another is an error"),
    accepted("table", "usertable", "a database holds one data set"),
    accepted("readallfieldsbyname", "false", "fields have no names in a record"),
    accepted("writeallfields", "false", "a value is always replaced as a whole"),
    // Known to YCSB, without effect here.
    without("dotransactions", "true", Effect::Without("the commands load and run decide")),
    without("exporter", "", Effect::Without("text goes to stdout, JSON to the file of --json")),
    without("exportfile", "", Effect::Without("text goes to stdout, JSON to the file of --json")),
    without("measurementtype", "hdrhistogram", HDR_ONLY),
    without("measurement.trackjvm", "false", JVM),
    without("measurement.histogram.verbose", "false", HDR_ONLY),
    without("hdrhistogram.fileoutput", "false", NO_FILES),
    without("hdrhistogram.output.path", "", NO_FILES),
    without("histogram.buckets", "1000", HDR_ONLY),
    without("timeseries.granularity", "1000", HDR_ONLY),
    without("measurement.raw.output_file", "", HDR_ONLY),
    without("measurement.raw.no_summary", "false", HDR_ONLY),
    without("reportlatencyforeacherror", "false", FAILED_ROWS),
    without("latencytrackederrors", "", FAILED_ROWS),
    without("disksize", "100000000", OTHER_WORKLOAD),
    without("storageages", "10", OTHER_WORKLOAD),
    without("occupancy", "0.9", OTHER_WORKLOAD),
];

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;

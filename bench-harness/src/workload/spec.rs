//! A workload: the properties of `YCSB`'s core workload, read and checked.
//!
//! Everything here is plain data. An error names the property, where it was written and what
//! would be allowed, also when two properties contradict each other.

use crate::properties::{Properties, PropertyError};

use super::lengths::{LengthDistribution, field_lengths, scan_lengths};
use super::request::{RequestDistribution, request};
use super::{Arrivals, FieldContent, InsertOrder, KeyFormat, Mix, RecordShape};

#[derive(Debug, Clone, Copy)]
pub struct InsertionRetry {
    pub limit: u64,
    /// Pause between attempts; each is varied by up to a fifth.
    pub interval_s: f64,
    /// Whether a load goes on after an insert has failed for good.
    pub keep_going: bool,
}

/// From when latencies count in the rows YCSB prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// From the actual start.
    Service,
    /// From the intended start.
    Response,
    Both,
}

#[derive(Debug, Clone)]
pub struct Workload {
    pub record_count: u64,
    /// Operations of a run; 0 is no bound.
    pub operation_count: u64,
    /// Records that a run may insert, for whom Zipfian requests leave room: instead of an estimate.
    pub expected_inserts: Option<u64>,
    /// The first record number of this client's part of the data set.
    pub insert_start: u64,
    pub insert_count: u64,
    pub records: RecordShape,
    pub keys: KeyFormat,
    pub mix: Mix,
    pub multi_read_size: u64,
    pub batch_size: u64,
    pub ticket_size: u64,
    pub read_all_fields: bool,
    /// Whether reads check that values follow from key and field name.
    pub integrity: bool,
    /// Whether what was acknowledged is remembered, and reads are held against it.
    pub verify: bool,
    pub request: RequestDistribution,
    pub scan_length: LengthDistribution,
    pub retry: InsertionRetry,
    pub threads: usize,
    /// Clients that are futures; 0 for threads.
    pub clients: usize,
    /// Threads such clients share.
    pub cores: usize,
    /// Whether each of these threads has a ring of its own, if the engine gives one.
    pub drivers: bool,
    /// Operations a second over all threads; 0 is no limit.
    pub target_ops_s: f64,
    /// When operations are due in an open loop; nothing in a closed one.
    pub arrivals: Option<Arrivals>,
    /// Seconds at the start of a run that are no part of its figures.
    pub warmup_s: f64,
    /// Which latencies the rows of the text summary have.
    pub measured: Measured,
    /// Seconds after which a phase ends, the warm-up not counted; 0 is no bound.
    pub duration_s: f64,
    /// Whether waiting for the target rate burns the processor instead of sleeping.
    pub spin: bool,
    pub status: bool,
    /// Seconds between status lines when they go to a file.
    pub status_interval_s: f64,
    /// Text in front of status lines.
    pub label: String,
    pub percentiles: Vec<f64>,
}

impl Workload {
    pub fn from_properties(properties: &Properties) -> Result<Workload, PropertyError> {
        if properties.is_set("workload") {
            properties.choice("workload")?;
        }
        let record_count = properties.count("recordcount")?;
        let insert_start = properties.count("insertstart")?;
        let insert_count = insert_count(properties, record_count, insert_start)?;
        // These only have to be well formed; see `record` for why.
        properties.flag("writeallfields")?;
        properties.flag("readallfieldsbyname")?;
        Ok(Workload {
            record_count,
            operation_count: properties.count("operationcount")?,
            expected_inserts: None,
            insert_start,
            insert_count,
            records: records(properties)?,
            keys: keys(properties)?,
            mix: mix(properties)?,
            multi_read_size: properties.count("rabi.multireadsize")?,
            batch_size: properties.count("rabi.batchsize")?,
            ticket_size: properties.count("rabi.ticketsize")?,
            read_all_fields: properties.flag("readallfields")?,
            integrity: properties.flag("dataintegrity")?,
            verify: properties.flag("rabi.verify")?,
            request: request(properties)?,
            scan_length: scan_lengths(properties)?,
            retry: InsertionRetry {
                limit: properties.count("core_workload_insertion_retry_limit")?,
                interval_s: properties.number("core_workload_insertion_retry_interval")?,
                keep_going: properties.flag("core_workload_insertion_keep_going_on_error")?,
            },
            threads: properties.count("threadcount")? as usize,
            clients: properties.count("rabi.clients")? as usize,
            cores: cores(properties)?,
            drivers: properties.flag("rabi.drivers")?,
            target_ops_s: properties.number("target")?,
            arrivals: Arrivals::from_properties(properties)?,
            warmup_s: properties.number("rabi.warmup")?,
            measured: measured(properties)?,
            duration_s: properties.number("maxexecutiontime")?,
            spin: properties.flag("spin.sleep")?,
            status: properties.flag("status")?,
            status_interval_s: properties.number("status.interval")?,
            label: properties.text("label").0.to_owned(),
            percentiles: percentiles(properties)?,
        })
    }
}

/// Of the records there are, a run that time ends leaves room for this part at most.
const ROOM_SHARE: u64 = 64;

impl Workload {
    /// Records for which Zipfian requests leave room beside those that are there. YCSB's estimate is twice what so many
    /// operations insert. A run that time ends has fewer, by far if the count is only to be large enough. Requests are
    /// spread over all, and those for what is not there yet are drawn again: with much more room than records the most
    /// frequent ones were left out or took most of the run, by chance.
    pub fn expected_inserts(&self) -> u64 {
        self.expected_inserts.unwrap_or_else(|| {
            let share = self.mix.insert / self.mix.total();
            let expected = (self.operation_count as f64 * share * 2.0) as u64;
            if self.duration_s > 0.0 { expected.min(self.insert_count / ROOM_SHARE) } else { expected }
        })
    }
}

/// As many threads as there are processors, unless a number is set.
fn cores(properties: &Properties) -> Result<usize, PropertyError> {
    Ok(match properties.count("rabi.cores")? as usize {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        cores => cores,
    })
}

fn insert_count(properties: &Properties, record_count: u64, insert_start: u64) -> Result<u64, PropertyError> {
    if record_count == 0 {
        return Err(properties.refuse("recordcount", "a whole number of at least 1"));
    }
    if insert_start >= record_count {
        let allowed = format!("a whole number below recordcount, which is {record_count}");
        return Err(properties.refuse("insertstart", &allowed));
    }
    let rest = record_count - insert_start;
    if properties.text("insertcount").0.is_empty() {
        return Ok(rest);
    }
    match properties.count("insertcount")? {
        count if (1..=rest).contains(&count) => Ok(count),
        _ => {
            let allowed = format!("from 1 to recordcount - insertstart, which is {rest}");
            Err(properties.refuse("insertcount", &allowed))
        }
    }
}

fn records(properties: &Properties) -> Result<RecordShape, PropertyError> {
    let lengths = field_lengths(properties)?;
    let compressibility = properties.number("rabi.compressibility")?;
    let content = if properties.flag("dataintegrity")? {
        if !matches!(lengths, LengthDistribution::Constant(_)) {
            let allowed = "constant, because dataintegrity=true needs to know each length";
            return Err(properties.refuse("fieldlengthdistribution", allowed));
        }
        if compressibility > 0.0 {
            let allowed = "0, because dataintegrity=true decides every byte";
            return Err(properties.refuse("rabi.compressibility", allowed));
        }
        FieldContent::Deterministic { name_prefix: properties.text("fieldnameprefix").0.to_owned() }
    } else {
        FieldContent::Random { compressibility }
    };
    Ok(RecordShape { fields: properties.count("fieldcount")?, lengths, content })
}

fn keys(properties: &Properties) -> Result<KeyFormat, PropertyError> {
    let order = match properties.choice("insertorder")? {
        "hashed" => InsertOrder::Hashed,
        _ => InsertOrder::Ordered,
    };
    Ok(KeyFormat { order, zero_padding: properties.count("zeropadding")? as usize })
}

fn mix(properties: &Properties) -> Result<Mix, PropertyError> {
    let mix = Mix {
        read: properties.number("readproportion")?,
        update: properties.number("updateproportion")?,
        insert: properties.number("insertproportion")?,
        scan: properties.number("scanproportion")?,
        read_modify_write: properties.number("readmodifywriteproportion")?,
        delete: properties.number("rabi.deleteproportion")?,
        multi_read: properties.number("rabi.multireadproportion")?,
        batch: properties.number("rabi.batchproportion")?,
        reverse_scan: properties.number("rabi.reversescanproportion")?,
        ticket: properties.number("rabi.ticketproportion")?,
    };
    if mix.total() <= 0.0 {
        let allowed = "a positive number here or in another ...proportion property";
        return Err(properties.refuse("readproportion", allowed));
    }
    Ok(mix)
}

fn measured(properties: &Properties) -> Result<Measured, PropertyError> {
    Ok(match properties.choice("measurement.interval")? {
        "intended" => Measured::Response,
        "both" => Measured::Both,
        _ => Measured::Service,
    })
}

fn percentiles(properties: &Properties) -> Result<Vec<f64>, PropertyError> {
    let name = "hdrhistogram.percentiles";
    let parsed: Result<Vec<f64>, _> =
        properties.text(name).0.split(',').map(|part| part.trim().parse::<f64>()).collect();
    match parsed {
        Ok(list) if list.iter().all(|p| (0.0..=100.0).contains(p)) => Ok(list),
        _ => Err(properties.refuse(name, "numbers from 0 to 100, separated by commas")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<Workload, String> {
        Workload::from_properties(&Properties::of(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_ycsb() {
        let workload = read("recordcount=1000").unwrap();
        assert_eq!((workload.insert_start, workload.insert_count), (0, 1000));
        assert_eq!((workload.mix.read, workload.mix.update), (0.95, 0.05));
        assert_eq!(workload.request, RequestDistribution::Uniform);
        assert_eq!(workload.percentiles, [50.0, 95.0, 99.0]);
        assert_eq!(workload.threads, 1);
    }

    #[test]
    fn the_six_core_workloads_are_what_their_letters_stand_for() {
        let core = |letter: &str| {
            let path = format!("{}/../workloads/workload{letter}", env!("CARGO_MANIFEST_DIR"));
            let mut properties = Properties::default();
            properties.add_file(Path::new(&path)).unwrap();
            assert_eq!(properties.warnings(), Vec::<String>::new());
            let workload = Workload::from_properties(&properties).unwrap();
            assert_eq!((workload.record_count, workload.operation_count), (1000, 1000));
            let mix = workload.mix;
            let shares = [mix.read, mix.update, mix.insert, mix.scan, mix.read_modify_write];
            (shares, workload.request)
        };
        use RequestDistribution::{Latest, Zipfian};
        assert_eq!(core("a"), ([0.5, 0.5, 0.0, 0.0, 0.0], Zipfian));
        assert_eq!(core("b"), ([0.95, 0.05, 0.0, 0.0, 0.0], Zipfian));
        assert_eq!(core("c"), ([1.0, 0.0, 0.0, 0.0, 0.0], Zipfian));
        assert_eq!(core("d"), ([0.95, 0.0, 0.05, 0.0, 0.0], Latest));
        assert_eq!(core("e"), ([0.0, 0.0, 0.05, 0.95, 0.0], Zipfian));
        assert_eq!(core("f"), ([0.5, 0.0, 0.0, 0.0, 0.5], Zipfian));
    }
}

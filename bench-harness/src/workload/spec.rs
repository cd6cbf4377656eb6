//! A workload: the properties of `YCSB`'s core workload, read and checked.
//!
//! Everything here is plain data. An error names the property, where it was written and what
//! would be allowed, also when two properties contradict each other.

use crate::generator::{OpRandom, Uniform, Zipfian};
use crate::properties::{Properties, PropertyError};

use super::{InsertOrder, KeyFormat, Mix};

/// How lengths are spread between two bounds, both included.
#[derive(Debug, Clone)]
pub enum LengthDistribution {
    /// Always this length.
    Constant(u64),
    /// All lengths equally often.
    Uniform(Uniform),
    /// Short lengths most often.
    Zipfian {
        /// The shortest length.
        min: u64,
        /// What is added to it.
        above: Zipfian,
    },
}

impl LengthDistribution {
    fn draw(&self, random: &mut OpRandom) -> u64 {
        match self {
            LengthDistribution::Constant(length) => *length,
            LengthDistribution::Uniform(lengths) => lengths.next(random),
            LengthDistribution::Zipfian { min, above } => min + above.next(random),
        }
    }
}

/// The number and the lengths of the fields of a record.
#[derive(Debug, Clone)]
pub struct FieldLength {
    /// Fields in a record.
    pub count: u64,
    /// Bytes in a field.
    pub distribution: LengthDistribution,
}

impl FieldLength {
    /// The length of the next field.
    pub fn draw(&self, random: &mut OpRandom) -> usize {
        self.distribution.draw(random) as usize
    }
}

/// How many records a scan reads.
#[derive(Debug, Clone)]
pub struct ScanLength(LengthDistribution);

impl ScanLength {
    /// The length of the next scan.
    pub fn draw(&self, random: &mut OpRandom) -> usize {
        self.0.draw(random) as usize
    }
}

/// Which records are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RequestDistribution {
    /// All loaded records equally often.
    Uniform,
    /// Scrambled Zipfian over loaded and inserted records.
    Zipfian,
    /// Zipfian by age.
    Latest,
    /// One after the other, and again from the start.
    Sequential,
    /// A hot set and a cold one.
    Hotspot {
        /// Share of the records that are hot.
        data_fraction: f64,
        /// Share of the operations that go there.
        operation_fraction: f64,
    },
    /// Exponential by age.
    Exponential {
        /// Percent of the requests...
        percentile: f64,
        /// ...that reach back no further than this share of the records.
        fraction: f64,
    },
}

/// What happens when an insert fails.
#[derive(Debug, Clone, Copy)]
pub struct InsertionRetry {
    /// Further attempts.
    pub limit: u64,
    /// Pause between attempts; each is varied by up to a fifth.
    pub interval_s: f64,
    /// Whether a load goes on after an insert has failed for good.
    pub keep_going: bool,
}

/// A checked workload.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Records in the data set.
    pub record_count: u64,
    /// Operations of a run; 0 is no bound.
    pub operation_count: u64,
    /// The first record number of this client's part of the data set.
    pub insert_start: u64,
    /// The number of records in this client's part.
    pub insert_count: u64,
    /// The shape of records.
    pub fields: FieldLength,
    /// The most bytes a field can have.
    pub field_bytes_max: usize,
    /// The form of keys.
    pub keys: KeyFormat,
    /// The mix of operations.
    pub mix: Mix,
    /// Whether a read takes all fields or one.
    pub read_all_fields: bool,
    /// Whether reads check the content of records.
    pub verify: bool,
    /// Which records are asked for.
    pub request: RequestDistribution,
    /// The length of scans.
    pub scan_length: ScanLength,
    /// What happens when an insert fails.
    pub retry: InsertionRetry,
    /// Client threads.
    pub threads: usize,
    /// Operations a second over all threads; 0 is no limit.
    pub target_ops_s: f64,
    /// Seconds after which a phase ends; 0 is no bound.
    pub duration_s: f64,
    /// Whether waiting for the target rate burns the processor instead of sleeping.
    pub spin: bool,
    /// Whether a status line is shown while the phase runs.
    pub status: bool,
    /// Seconds between status lines when they go to a file.
    pub status_interval_s: f64,
    /// Text in front of status lines.
    pub label: String,
    /// Percentiles of the text summary.
    pub percentiles: Vec<f64>,
}

impl Workload {
    /// Reads a workload from its properties.
    pub fn from_properties(properties: &Properties) -> Result<Workload, PropertyError> {
        let record_count = properties.count("recordcount")?;
        let insert_start = properties.count("insertstart")?;
        let insert_count = insert_count(properties, record_count, insert_start)?;
        // One value is replaced as a whole, so this only has to be well formed; see `record`.
        properties.flag("writeallfields")?;
        let (fields, field_bytes_max) = fields(properties)?;
        Ok(Workload {
            record_count,
            operation_count: properties.count("operationcount")?,
            insert_start,
            insert_count,
            fields,
            field_bytes_max,
            keys: keys(properties)?,
            mix: mix(properties)?,
            read_all_fields: properties.flag("readallfields")?,
            verify: properties.flag("dataintegrity")?,
            request: request(properties)?,
            scan_length: scan_length(properties)?,
            retry: InsertionRetry {
                limit: properties.count("core_workload_insertion_retry_limit")?,
                interval_s: properties.number("core_workload_insertion_retry_interval")?,
                keep_going: properties.flag("core_workload_insertion_keep_going_on_error")?,
            },
            threads: properties.count("threadcount")? as usize,
            target_ops_s: properties.number("target")?,
            duration_s: properties.number("maxexecutiontime")?,
            spin: properties.flag("spin.sleep")?,
            status: properties.flag("status")?,
            status_interval_s: properties.number("status.interval")?,
            label: properties.text("label").0.to_owned(),
            percentiles: percentiles(properties)?,
        })
    }
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

fn fields(properties: &Properties) -> Result<(FieldLength, usize), PropertyError> {
    let count = properties.count("fieldcount")?;
    let max = properties.count("fieldlength")?;
    let min = properties.count("minfieldlength")?;
    let kind = properties.choice("fieldlengthdistribution")?;
    if kind != "constant" && min > max {
        let allowed = format!("from 1 to fieldlength, which is {max}");
        return Err(properties.refuse("minfieldlength", &allowed));
    }
    let distribution = lengths(kind, min, max);
    Ok((FieldLength { count, distribution }, max as usize))
}

fn lengths(kind: &str, min: u64, max: u64) -> LengthDistribution {
    match kind {
        "constant" => LengthDistribution::Constant(max),
        "uniform" => LengthDistribution::Uniform(Uniform::new(min, max)),
        _ => LengthDistribution::Zipfian { min, above: Zipfian::new(max - min + 1) },
    }
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
    };
    if mix.total() <= 0.0 {
        let allowed = "a positive number here or in another ...proportion property";
        return Err(properties.refuse("readproportion", allowed));
    }
    Ok(mix)
}

fn request(properties: &Properties) -> Result<RequestDistribution, PropertyError> {
    Ok(match properties.choice("requestdistribution")? {
        "zipfian" => RequestDistribution::Zipfian,
        "latest" => RequestDistribution::Latest,
        "sequential" => RequestDistribution::Sequential,
        "hotspot" => RequestDistribution::Hotspot {
            data_fraction: properties.number("hotspotdatafraction")?,
            operation_fraction: properties.number("hotspotopnfraction")?,
        },
        "exponential" => RequestDistribution::Exponential {
            percentile: properties.number("exponential.percentile")?,
            fraction: properties.number("exponential.frac")?,
        },
        _ => RequestDistribution::Uniform,
    })
}

fn scan_length(properties: &Properties) -> Result<ScanLength, PropertyError> {
    let min = properties.count("minscanlength")?;
    let max = properties.count("maxscanlength")?;
    if min > max {
        let allowed = format!("from 1 to maxscanlength, which is {max}");
        return Err(properties.refuse("minscanlength", &allowed));
    }
    Ok(ScanLength(lengths(properties.choice("scanlengthdistribution")?, min, max)))
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
        let mut properties = Properties::default();
        properties.add_text(Path::new("mix"), text).unwrap();
        Workload::from_properties(&properties).map_err(|error| error.to_string())
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
    fn contradictions_name_the_property_and_the_bound() {
        for (text, expected) in [
            ("", "default: property recordcount is '0'; allowed: a whole number of at least 1"),
            (
                "recordcount=10\ninsertstart=10",
                "mix:2: property insertstart is '10'; allowed: a whole number below recordcount, \
                 which is 10",
            ),
            (
                "recordcount=10\ninsertstart=4\ninsertcount=7",
                "mix:3: property insertcount is '7'; allowed: from 1 to recordcount - \
                 insertstart, which is 6",
            ),
            (
                "recordcount=10\nminscanlength=9\nmaxscanlength=8",
                "mix:2: property minscanlength is '9'; allowed: from 1 to maxscanlength, which \
                 is 8",
            ),
            (
                "recordcount=10\nhdrhistogram.percentiles=50,high",
                "mix:2: property hdrhistogram.percentiles is '50,high'; allowed: numbers from 0 \
                 to 100, separated by commas",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), expected);
        }
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

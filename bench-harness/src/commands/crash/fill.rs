//! What a child process does on a device that gets full: writes until a write fails, reads, and writes again
//! once there is room. Then it waits to be killed.
//!
//! Its words: `full N ERROR` after N acknowledged inserts; `reads GOOD BAD`, which makes its parent give
//! the room; `room SECONDS` when a write has succeeded again, or `room stuck ERROR`.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::stage::say;
use crate::engine::{Engine, EngineResult, Session};
use crate::generator::Stream;
use crate::runner::{Change, Job, Ledger};
use crate::verdict::Verdict;
use crate::workload::{Pool, RecordBuilder, version};

const READS: u64 = 1000;
/// How long an engine may take to write again.
const RESUME_MAX: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

pub fn fill(engine: &dyn Engine, job: &Job, ledger: &Ledger) -> Result<Verdict> {
    let pool = job.pool();
    let mut writer = Writer::new(engine.session()?, job, ledger, &pool);
    say("running")?;
    let mut acknowledged = 0;
    let error = loop {
        match writer.insert(acknowledged) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    say(&format!("full {acknowledged} {}", one_line(&error.to_string())))?;
    let good = writer.read_back(acknowledged);
    say(&format!("reads {good} {}", READS.min(acknowledged) - good))?;
    let start = Instant::now();
    loop {
        match writer.insert(acknowledged) {
            Ok(()) => {
                say(&format!("room {:.3}", start.elapsed().as_secs_f64()))?;
                break;
            }
            Err(error) if start.elapsed() > RESUME_MAX => {
                say(&format!("room stuck {}", one_line(&error.to_string())))?;
                break;
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
    loop {
        std::thread::park();
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

struct Writer<'a> {
    session: Box<dyn Session + 'a>,
    job: &'a Job,
    ledger: &'a Ledger,
    records: RecordBuilder<'a>,
    stream: Stream,
    key: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(session: Box<dyn Session + 'a>, job: &'a Job, ledger: &'a Ledger, pool: &'a Pool) -> Writer<'a> {
        let records = RecordBuilder::new(pool, job.workload.records.clone());
        let stream = Stream::new(job.seed, "crash fill");
        Writer { session, job, ledger, records, stream, key: Vec::new() }
    }

    fn insert(&mut self, number: u64) -> EngineResult<()> {
        self.job.workload.keys.write(number, &mut self.key);
        self.records.fill(&self.key, &mut self.stream.operation(number));
        let version = self.ledger.begin(number, Change::Put);
        self.records.set_version(&self.key, version);
        let written = self.session.insert(&self.key, self.records.bytes());
        self.ledger.end(number, written.is_ok());
        written
    }

    /// How many of the records read, spread over all, are there as they should be.
    fn read_back(&mut self, count: u64) -> u64 {
        let reads = READS.min(count);
        let is_good = |place: &u64| {
            let number = place * count / reads;
            self.job.workload.keys.write(number, &mut self.key);
            let (key, mut found) = (&self.key, None);
            let read = self.session.read(key, &mut |value| found = version(key, value));
            let floor = self.ledger.floor(number);
            read.is_ok() && found.is_some() && self.ledger.judge(number, floor, found).is_ok()
        };
        (0..reads).filter(is_good).count() as u64
    }
}

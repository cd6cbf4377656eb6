//! The patterns: what is written first, what is measured then, and what must be seen.
//!
//! Each gets an open engine with nothing in it. What is written first takes as long as it takes.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::client::{Client, Clients, LARGE_BYTES, Measured, VALUE_BYTES, Values, run};
use crate::engine::{Direction, Engine};
use crate::generator::{ScrambledZipfian, Stream, fnv_hash_64};
use crate::report::grouped;

/// Records of an ordinary scan.
const SCAN_RECORDS: usize = 50;
/// What a queue holds while it is used.
const QUEUE_LEN: u64 = 100;
/// How many fewer large values are written than records, and of how many fewer values are read again: a gigabyte, and a
/// quarter of one, which fits in caches.
const LARGE_WRITTEN_FEWER: u64 = 250;
const LARGE_READ_FEWER: u64 = 1000;
/// The longest wait for background work.
const SETTLE_MAX: Duration = Duration::from_secs(300);

/// The patterns by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pattern {
    /// A scan that meets many versions of one key
    HotKey,
    /// Push, look at the head, pop
    Queue,
    /// A scan over deleted keys
    Deleted,
    /// Puts and gets of 256 KiB
    Large,
    /// Scans forward and back, and absent gets, on a settled data set
    Settled,
    /// Ordered puts
    Ordered,
    /// Many threads putting
    Writers,
    /// YCSB's A, and E right after it
    AThenE,
    /// The same with one hot key in two of A's updates
    HotAThenE,
}

/// How much is done.
#[derive(Debug)]
pub struct Sizes {
    /// Records of a data set.
    pub records: u64,
    /// The most a measurement may take.
    pub duration: Duration,
    /// Client threads.
    pub threads: u64,
    /// Client threads of `Writers`.
    pub writers: u64,
    /// The seed.
    pub seed: u64,
    /// The bytes of values.
    pub values: Values,
}

/// An empty engine, what it is measured with, and who is told of each measurement: its name, what was done with which
/// sizes, and how often.
pub struct Bench<'a> {
    pub engine: &'a dyn Engine,
    pub sizes: &'a Sizes,
    pub tell: &'a mut dyn FnMut(&'static str, String, Measured),
}

impl Bench<'_> {
    /// Carries a pattern out.
    pub fn measure(&mut self, pattern: Pattern) -> Result<()> {
        match pattern {
            Pattern::HotKey => self.hot_key(),
            Pattern::Queue => self.queue(),
            Pattern::Deleted => self.deleted(),
            Pattern::Large => self.large(),
            Pattern::Settled => self.settled(),
            Pattern::Ordered => self.ordered(),
            Pattern::Writers => self.writers(),
            Pattern::AThenE => self.a_then_e(["a", "e-after-a"], "", None),
            Pattern::HotAThenE => {
                let hottest = fnv_hash_64(0) as u64 % self.sizes.records;
                let with = " with a hot key in two updates";
                self.a_then_e(["hot-a", "e-after-hot-a"], with, Some(hottest))
            }
        }
    }

    /// Makes calls before anything is measured.
    fn prepare(&self, calls: u64, call: impl Fn(&mut Client<'_>) -> Result<()> + Sync) -> Result<()> {
        let (clients, sizes) = (Clients { threads: 1, calls, time: Duration::MAX }, self.sizes);
        run(self.engine, clients, &sizes.values, Stream::new(sizes.seed, "cliffs"), call).map(|_| ())
    }

    /// Makes calls for the time of a measurement; returns how many.
    fn timed(
        &mut self,
        name: &'static str,
        title: impl Into<String>,
        call: impl Fn(&mut Client<'_>) -> Result<()> + Sync,
    ) -> Result<u64> {
        self.measured(name, title, self.clients(self.sizes.threads, u64::MAX), call)
    }

    /// So many calls at most, in the time of a measurement.
    fn clients(&self, threads: u64, calls: u64) -> Clients {
        Clients { threads, calls, time: self.sizes.duration }
    }

    fn measured(
        &mut self,
        name: &'static str,
        title: impl Into<String>,
        clients: Clients,
        call: impl Fn(&mut Client<'_>) -> Result<()> + Sync,
    ) -> Result<u64> {
        let stream = Stream::new(self.sizes.seed, name);
        let measured = run(self.engine, clients, &self.sizes.values, stream, call)?;
        (self.tell)(name, title.into(), measured);
        Ok(measured.calls)
    }

    fn hot_key(&mut self) -> Result<()> {
        let versions = 2 * self.sizes.records;
        self.prepare(versions + 1, |client| {
            // The first put is of the record behind the hot one.
            client.ordered(b"hot-", u64::from(client.number == 0));
            client.put(VALUE_BYTES)
        })?;
        let title = format!("scan of 2 from before a key overwritten {} times", grouped(versions));
        self.timed("hot-key", title, |client| {
            b"hot".as_slice().clone_into(&mut client.key);
            client.scan(2, Direction::Forward, 2)
        })?;
        Ok(())
    }

    /// Each thread has a queue of its own.
    fn queue(&mut self) -> Result<()> {
        let threads = self.sizes.threads;
        self.timed("queue", "queue: push, look at the head, pop", |client| {
            let (prefix, head) = ([b'f', b'i', b'f', client.thread as u8], client.number / threads);
            for place in if head == 0 { 0 } else { head + QUEUE_LEN }..=head + QUEUE_LEN {
                client.ordered(&prefix, place);
                client.put(VALUE_BYTES)?;
            }
            client.key.truncate(prefix.len());
            client.scan(1, Direction::Forward, 1)?;
            client.ordered(&prefix, head);
            if client.seen != client.key {
                bail!("what stands at the head of the queue is not what was pushed first");
            }
            client.delete()
        })?;
        Ok(())
    }

    fn deleted(&mut self) -> Result<()> {
        let records = self.sizes.records;
        self.prepare(2 * records + 1, |client| match client.number {
            // One record more is written than deleted.
            number if number <= records => {
                client.ordered(b"dead", number);
                client.put(VALUE_BYTES)
            }
            number => {
                client.ordered(b"dead", number - records - 1);
                client.delete()
            }
        })?;
        self.timed("deleted", format!("scan of 1 over {} deleted keys", grouped(records)), |client| {
            b"dead".as_slice().clone_into(&mut client.key);
            client.scan(1, Direction::Forward, 1)
        })?;
        Ok(())
    }

    fn large(&mut self) -> Result<()> {
        let records = self.sizes.records;
        let clients = self.clients(self.sizes.threads, records.div_ceil(LARGE_WRITTEN_FEWER));
        let puts = self.measured("large-put", "puts of 256 KiB", clients, |client| {
            client.scattered(client.number);
            client.put(LARGE_BYTES)
        })?;
        // One thread may be behind the others: what is read was written by all of them.
        let written = (puts / self.sizes.threads / 2).clamp(1, records / LARGE_READ_FEWER + 1);
        self.timed("large-get", "gets of 256 KiB", |client| {
            let record = client.random.below(written);
            client.scattered(record);
            client.get_written(LARGE_BYTES)
        })?;
        Ok(())
    }

    fn settled(&mut self) -> Result<()> {
        let records = self.sizes.records;
        self.prepare(records, put_scattered)?;
        self.engine.settle(SETTLE_MAX)?;
        for (name, word, direction) in
            [("scan-forward", "forward", Direction::Forward), ("scan-back", "back", Direction::Back)]
        {
            self.timed(name, format!("scans of {SCAN_RECORDS}, settled, {word}"), |client| {
                let start = client.random.below(records);
                client.scattered(start);
                client.scan(SCAN_RECORDS, direction, 1)
            })?;
        }
        self.timed("absent-get", "absent gets, settled", |client| {
            let absent = records + client.random.below(records);
            client.scattered(absent);
            if client.get()? { bail!("a record was found that nobody wrote") } else { Ok(()) }
        })?;
        Ok(())
    }

    fn ordered(&mut self) -> Result<()> {
        let clients = self.clients(self.sizes.threads, self.sizes.records);
        self.measured("ordered-put", "ordered puts", clients, |client| {
            client.ordered(b"user", client.number);
            client.put(VALUE_BYTES)
        })?;
        Ok(())
    }

    fn writers(&mut self) -> Result<()> {
        let clients = self.clients(self.sizes.writers, self.sizes.records);
        let title = format!("{} threads putting", self.sizes.writers);
        self.measured("writers", title, clients, put_scattered)?;
        Ok(())
    }

    /// A hot key is the most popular record, so that E begins there more often than anywhere else.
    fn a_then_e(&mut self, names: [&'static str; 2], with: &str, hot: Option<u64>) -> Result<()> {
        let (records, popular) = (self.sizes.records, ScrambledZipfian::new(0, self.sizes.records));
        self.prepare(records, put_scattered)?;
        self.timed(names[0], format!("A{with}"), |client| {
            let record = popular.next(&mut client.random);
            if client.random.below(2) == 0 {
                client.scattered(record);
                return client.get_written(VALUE_BYTES);
            }
            let is_hot = client.random.below(2) == 0;
            client.scattered(hot.filter(|_| is_hot).unwrap_or(record));
            client.put(VALUE_BYTES)
        })?;
        self.timed(names[1], format!("E right after A{with}"), |client| {
            if client.random.below(20) == 0 {
                client.scattered(records + client.number);
                return client.put(VALUE_BYTES);
            }
            let start = popular.next(&mut client.random);
            client.scattered(start);
            let limit = 1 + client.random.below(100) as usize;
            client.scan(limit, Direction::Forward, 1)
        })?;
        Ok(())
    }
}

/// A put of a record of a data set.
fn put_scattered(client: &mut Client<'_>) -> Result<()> {
    client.scattered(client.number);
    client.put(VALUE_BYTES)
}

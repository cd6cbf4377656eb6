//! Client threads that make one call after another, for a time or up to a number of them: their keys, their values, and
//! checks of what they see.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::engine::{Direction, Engine, Scan, Session};
use crate::generator::{OpRandom, Stream, fnv_hash_64};
use crate::interrupt;

/// Bytes of an ordinary value.
pub const VALUE_BYTES: usize = 100;
/// Bytes of a large value.
pub const LARGE_BYTES: usize = 256 << 10;
/// How often the clock is looked at: often enough to end in time, and too seldom to cost anything.
const BETWEEN_LOOKS: Duration = Duration::from_micros(100);

/// Random bytes, of which values are pieces: no two are alike, and none can be compressed.
#[derive(Debug)]
pub struct Values(Vec<u8>);

impl Values {
    /// The bytes of a seed.
    pub fn new(seed: u64) -> Values {
        let mut random = Stream::new(seed, "cliffs values").operation(0);
        Values((0..LARGE_BYTES / 4).flat_map(|_| random.bits().to_le_bytes()).collect())
    }
}

/// Who makes calls, and when they end.
#[derive(Debug, Clone, Copy)]
pub struct Clients {
    /// Threads.
    pub threads: u64,
    /// The most calls, over all threads.
    pub calls: u64,
    /// The longest time.
    pub time: Duration,
}

/// What the clients did.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Calls.
    pub calls: u64,
    /// From the first call's beginning to the last one's end.
    pub elapsed_s: f64,
}

/// One client, with the call it makes.
pub struct Client<'a> {
    session: Box<dyn Session + 'a>,
    values: &'a Values,
    /// Its thread, from 0.
    pub thread: u64,
    /// The number of the call over all threads, each of which has every so many of them.
    pub number: u64,
    /// The random source of the call: the same whichever thread makes it.
    pub random: OpRandom,
    /// The key of the next access.
    pub key: Vec<u8>,
    /// The last key that a scan has seen, or the last value that was read.
    pub seen: Vec<u8>,
}

impl Client<'_> {
    /// Sets the key, of 20 bytes: four and a number in hexadecimal digits, so that keys lie in the order of numbers.
    pub fn ordered(&mut self, prefix: &[u8; 4], number: u64) {
        self.key.clear();
        self.key.extend_from_slice(prefix);
        self.key
            .extend((0..16).rev().map(|digit| b"0123456789abcdef"[(number >> (4 * digit)) as usize & 15]));
    }

    /// Sets the key of a record of a data set: numbers that follow each other lie anywhere.
    pub fn scattered(&mut self, number: u64) {
        self.ordered(b"user", fnv_hash_64(number) as u64);
    }

    /// Writes a value of `len` bytes.
    pub fn put(&mut self, len: usize) -> Result<()> {
        let from = self.random.below((self.values.0.len() - len) as u64) as usize;
        Ok(self.session.insert(&self.key, &self.values.0[from..from + len])?)
    }

    /// Deletes.
    pub fn delete(&mut self) -> Result<()> {
        Ok(self.session.delete(&self.key)?)
    }

    /// Reads a value and copies it; returns whether there is one.
    pub fn get(&mut self) -> Result<bool> {
        Ok(self.session.read(&self.key, &mut |value| value.clone_into(&mut self.seen))?)
    }

    /// Reads what must be there with `len` bytes.
    pub fn get_written(&mut self, len: usize) -> Result<()> {
        if !self.get()? || self.seen.len() != len {
            bail!("a record of {len} bytes was not found as it was written");
        }
        Ok(())
    }

    /// Visits `limit` records from the key on and copies each; at least `least` must be there.
    pub fn scan(&mut self, limit: usize, direction: Direction, least: usize) -> Result<()> {
        let (seen, mut copied) = (&mut self.seen, [0; VALUE_BYTES]);
        let count = self.session.scan(Scan { start: &self.key, limit, direction }, &mut |key, value| {
            key.clone_into(seen);
            let len = value.len().min(VALUE_BYTES);
            copied[..len].copy_from_slice(&value[..len]);
            std::hint::black_box(&copied);
        })?;
        if !(least..=limit).contains(&count) {
            bail!("a scan saw {count} records, {least} to {limit} expected");
        }
        Ok(())
    }
}

/// Starts clients together, each of which makes its calls, and waits for all.
pub fn run(
    engine: &dyn Engine,
    clients: Clients,
    values: &Values,
    stream: Stream,
    call: impl Fn(&mut Client<'_>) -> Result<()> + Sync,
) -> Result<Measured> {
    let barrier = Barrier::new(clients.threads as usize);
    let one = |thread: u64| -> Result<(Instant, Instant, u64)> {
        let session = engine.session();
        // Before a failure is looked at: the others wait here for all.
        barrier.wait();
        let (random, key, seen) = (stream.operation(thread), Vec::new(), Vec::new());
        let mut client = Client { session: session?, values, thread, number: thread, random, key, seen };
        let start = Instant::now();
        let calls = make_calls(&mut client, start, clients, stream, &call)?;
        Ok((start, Instant::now(), calls))
    };
    let done: Vec<Result<_>> = std::thread::scope(|scope| {
        let one = &one;
        let spawned: Vec<_> = (0..clients.threads).map(|thread| scope.spawn(move || one(thread))).collect();
        spawned.into_iter().map(|thread| thread.join().expect("clients do not panic")).collect()
    });
    let done: Vec<_> = done.into_iter().collect::<Result<_>>()?;
    if let Some(interrupt) = interrupt::asked() {
        bail!("cut short by {}", interrupt.name());
    }
    let start = done.iter().map(|(start, ..)| *start).min().expect("there is a thread");
    let end = done.iter().map(|(_, end, _)| *end).max().expect("there is a thread");
    Ok(Measured { calls: done.iter().map(|(.., calls)| calls).sum(), elapsed_s: (end - start).as_secs_f64() })
}

/// Returns how many calls were made.
fn make_calls(
    client: &mut Client<'_>,
    start: Instant,
    clients: Clients,
    stream: Stream,
    call: impl Fn(&mut Client<'_>) -> Result<()>,
) -> Result<u64> {
    let (mut calls, mut until_look, mut looked) = (0, 1_u32, Duration::ZERO);
    loop {
        for _ in 0..until_look {
            if client.number >= clients.calls {
                return Ok(calls);
            }
            client.random = stream.operation(client.number);
            call(client)?;
            calls += 1;
            client.number += clients.threads;
        }
        let now = start.elapsed();
        if now >= clients.time || interrupt::asked().is_some() {
            return Ok(calls);
        }
        until_look = if now - looked < BETWEEN_LOOKS { until_look * 2 } else { (until_look / 2).max(1) };
        looked = now;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;
    use crate::engine::null_engine;

    fn run_null(
        calls: u64,
        time: Duration,
        call: impl Fn(&mut Client<'_>) -> Result<()> + Sync,
    ) -> Result<Measured> {
        let clients = Clients { threads: 3, calls, time };
        run(&*null_engine(), clients, &Values::new(1), Stream::new(1, "test"), call)
    }

    #[test]
    fn every_number_is_used_once_and_keys_lie_as_they_are_named() {
        let keys = Mutex::new(BTreeSet::new());
        let call = |client: &mut Client<'_>| {
            assert_eq!(client.number % 3, client.thread);
            client.scattered(client.number);
            let scattered = client.key.clone();
            client.ordered(b"fifo", client.number);
            assert!(keys.lock().unwrap().insert((client.key.clone(), client.number, scattered)));
            Ok(())
        };
        assert_eq!(run_null(1000, Duration::MAX, call).unwrap().calls, 1000);
        let keys = keys.into_inner().unwrap();
        assert!(keys.iter().map(|(_, number, _)| *number).eq(0..1000));
        assert!(!keys.iter().map(|(.., scattered)| scattered).is_sorted());
    }

    #[test]
    fn time_ends_clients_and_an_error_is_handed_on() {
        assert!(run_null(u64::MAX, Duration::from_millis(20), |_| Ok(())).unwrap().elapsed_s >= 0.02);
        let failing = |client: &mut Client<'_>| if client.number == 5 { bail!("five") } else { Ok(()) };
        assert_eq!(run_null(10, Duration::MAX, failing).unwrap_err().to_string(), "five");
    }
}

//! Death of the process at any moment: what was acknowledged is there, in whole batches.
//!
//! A child process writes from two threads and is killed; the parent opens the directory and
//! compares. What a thread writes as its operation number `n` follows from the thread and `n`
//! alone, and each thread has keys of its own, so the parent knows exactly what may be there: the
//! operations up to the last acknowledged one, or one more, which was in flight. That is
//! completeness, order, whole batches and nothing invented in one comparison.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rabi::{Db, Durability, IoBackend, Options, WriteBatch, WriteOptions};

use crate::generator::Random;
use crate::scratch::{Scratch, number};

const ROUNDS: usize = 50;
const THREADS: usize = 2;
const KEYS: usize = 150;

const DIR: &str = "RABI_CRASH_DIR";
const START: &str = "RABI_CRASH_START";
const BACKEND: &str = "RABI_CRASH_BACKEND";

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// One operation: a put, a delete or a batch.
struct Operation {
    entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    durability: Durability,
}

fn prefix(thread: usize) -> String {
    format!("thread{thread}/")
}

/// Values carry the operation's number: a batch of which a part is missing shows.
fn operation(thread: usize, number: u64) -> Operation {
    let mut random = Random::new((thread, number));
    let mut entry = |deletes: usize, len_max: usize| {
        let key = format!("{}{:03}", prefix(thread), random.below(KEYS)).into_bytes();
        let mut value = format!("operation {number} ").into_bytes();
        let padding = random.below(len_max);
        value.extend(random.bytes(padding));
        (key, (!random.chance(deletes)).then_some(value))
    };
    let entries = match number % 100 {
        // Larger than half the stage, or than all of it.
        31 | 77 => (0..30).map(|_| entry(10, 6 << 10)).collect(),
        0..20 => (0..12).map(|_| entry(30, 300)).collect(),
        20..40 => vec![entry(100, 1)],
        40..43 => vec![entry(0, 20 << 10)],
        _ => vec![entry(0, 300)],
    };
    let power = number % 50 == 7;
    Operation { entries, durability: if power { Durability::Power } else { Durability::Process } }
}

fn apply(map: &mut Map, operation: Operation) {
    for (key, value) in operation.entries {
        match value {
            Some(value) => drop(map.insert(key, value)),
            None => drop(map.remove(&key)),
        }
    }
}

fn options(backend: IoBackend) -> Options {
    Options::new()
        .cores(2)
        .io_backend(backend)
        .memtable_size_bytes(32 << 10)
        .max_flushed_files(6)
        .partition_size_bytes(32 << 10)
        .block_size_bytes(1024)
        .wal_segment_size_bytes(64 << 10)
        .stage_size_bytes(64 << 10)
}

/// Writes for ever, and tells each acknowledgement in one system call, on the line.
fn write_for_ever(db: &Db, thread: usize, start: u64) {
    for number in start.. {
        let Operation { mut entries, durability } = operation(thread, number);
        if entries.len() == 1 && durability == Durability::Process {
            match entries.remove(0) {
                (key, Some(value)) => db.put(key, value).unwrap(),
                (key, None) => db.delete(key).unwrap(),
            }
        } else {
            let mut batch = WriteBatch::new();
            for (key, value) in entries {
                match value {
                    Some(value) => batch.put(key, value),
                    None => batch.delete(key),
                }
            }
            db.write(batch, WriteOptions { durability }).unwrap();
        }
        say(&format!("written {thread} {number}\n"));
    }
}

fn say(line: &str) {
    // Standard output is written at each newline, in one call.
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

#[test]
#[ignore = "the child process of the test below; does nothing on its own"]
fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let starts = std::env::var(START).unwrap();
    let starts: Vec<u64> = starts.split(',').map(|start| start.parse().unwrap()).collect();
    let blocking = std::env::var(BACKEND).unwrap() == "blocking";
    say("\nopening\n");
    let backend = if blocking { IoBackend::Blocking } else { IoBackend::Auto };
    let db = Db::open(dir, options(backend)).unwrap();
    say("opened\n");
    thread::scope(|scope| {
        for (number, start) in starts.iter().enumerate() {
            let db = &db;
            scope.spawn(move || write_for_ever(db, number, *start));
        }
    });
}

/// A child at work, and the lines it has to say.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(dir: &Path, log: &Path, done: &[u64; THREADS], backend: &str) -> Self {
        let starts: Vec<String> = done.iter().map(|done| (done + 1).to_string()).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir)
            .env(START, starts.join(","))
            .env(BACKEND, backend)
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.lines.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    fn wait_for(&mut self, expected: &str, log: &Path) {
        loop {
            match self.line() {
                Some(line) if line == expected => return,
                Some(_) => {}
                None => panic!("the child ended by itself: {}", std::fs::read_to_string(log).unwrap()),
            }
        }
    }

    /// Kills after `delay`; returns whether it had opened, and the last acknowledged operations.
    fn kill(mut self, delay: Duration, done: &[u64; THREADS], log: &Path) -> (bool, [u64; THREADS]) {
        // Lines are read meanwhile, so that a full pipe never stops the child.
        let mut child = self.child;
        let killer = thread::spawn(move || {
            thread::sleep(delay);
            let early = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            early
        });
        let (mut opened, mut acknowledged) = (false, *done);
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["opened"] => opened = true,
                // The last line may have been cut short by the kill.
                ["written", thread, number] if line.ends_with('\n') => {
                    let (thread, number): (usize, u64) = (thread.parse().unwrap(), number.parse().unwrap());
                    assert_eq!(number, acknowledged[thread] + 1, "lines are missing");
                    acknowledged[thread] = number;
                }
                _ => {}
            }
            line.clear();
        }
        let early = killer.join().unwrap();
        assert!(early.is_none(), "the child ended by itself: {}", std::fs::read_to_string(log).unwrap());
        (opened, acknowledged)
    }
}

fn contents(db: &Db, thread: usize) -> Map {
    let range = db.prefix(prefix(thread));
    range.map(|entry| entry.map(|(key, value)| (key, value.into_vec()))).collect::<Result<_, _>>().unwrap()
}

/// The numbers that the values of a map carry, for a failure's text.
fn numbers(map: &Map) -> BTreeMap<String, String> {
    let number = |value: &Vec<u8>| String::from_utf8_lossy(&value[..value.len().min(24)]).into_owned();
    map.iter().map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), number(value))).collect()
}

/// Compares a thread's keys with what must be there; brings `model` and `done` up to date.
fn check(db: &Db, thread: usize, model: &mut Map, done: &mut u64, acknowledged: u64) {
    for number in *done + 1..=acknowledged {
        apply(model, operation(thread, number));
    }
    *done = acknowledged;
    let found = contents(db, thread);
    if found != *model {
        let before = numbers(model);
        apply(model, operation(thread, acknowledged + 1));
        *done += 1;
        if found != *model {
            let (found, after) = (numbers(&found), numbers(model));
            let wrong = |map: &BTreeMap<String, String>| -> Vec<String> {
                let keys = found.keys().chain(map.keys()).filter(|key| found.get(*key) != map.get(*key));
                keys.map(|key| format!("{key}: {:?}, not {:?}", found.get(key), map.get(key))).collect()
            };
            panic!(
                "thread {thread}, acknowledged up to {acknowledged}:\nwithout the operation in flight \
                 {:#?}\nwith it {:#?}",
                wrong(&before),
                wrong(&after)
            );
        }
    }
    for key in (0..KEYS).map(|key| format!("{}{key:03}", prefix(thread)).into_bytes()) {
        assert_eq!(db.get(&key).unwrap().map(rabi::Value::into_vec), model.get(&key).cloned());
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_and_tears_no_batch() {
    let scratch = Scratch::new();
    let (dir, log) = (scratch.dir(), scratch.beside("child.log"));
    let mut random = Random::new(("crash", std::process::id()));
    let (mut done, mut models) = ([0; THREADS], [Map::new(), Map::new()]);
    let (mut killed_opening, mut replays) = (0, 0);
    for round in 0..ROUNDS {
        let backend = if round % 3 == 2 { "blocking" } else { "auto" };
        let mut running = Running::start(&dir, &log, &done, backend);
        running.wait_for("opening", &log);
        let delay = if round % 5 == 4 {
            Duration::from_micros(random.below(8000) as u64)
        } else {
            running.wait_for("opened", &log);
            Duration::from_millis(random.between(5, 300) as u64)
        };
        let (opened, acknowledged) = running.kill(delay, &done, &log);
        killed_opening += usize::from(round % 5 == 4 && !opened);
        let db = Db::open(&dir, options(IoBackend::Auto))
            .unwrap_or_else(|error| panic!("round {round}, after {delay:?}: {error}"));
        replays += usize::from(number(&db.stats(), "replayed_bytes") > 0);
        for thread in 0..THREADS {
            check(&db, thread, &mut models[thread], &mut done[thread], acknowledged[thread]);
        }
        if round % 2 == 0 {
            db.close().unwrap();
        }
    }
    println!("{done:?} operations, {killed_opening} killed while opening, {replays} replays");
    assert!(done.iter().all(|done| *done > 1000), "too few operations to mean anything: {done:?}");
    assert!(replays > ROUNDS / 2, "too few replays to mean anything: {replays}");
}

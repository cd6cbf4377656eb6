//! Death of the process at any moment: what was acknowledged is there, in whole batches.
//!
//! A child process writes from two threads and is killed: at random, while it compacts, or while it
//! opens what an earlier child left, several times in a row. The parent opens the directory and
//! compares. What a thread writes as its operation number `n` follows from the thread and `n`
//! alone, and each thread has keys of its own, so the parent knows exactly what may be there: the
//! operations up to the last acknowledged one, or one more, which was in flight. That is
//! completeness, order, whole batches and nothing invented in one comparison. Scans in both
//! directions and single reads must agree, and opening once more must change nothing. All the while the
//! child forks others, which try to write the same keys and must not be able to.
//!
//! `RABI_KILL_ROUNDS` sets the number of rounds, `RABI_KILL_SEED` the choice of moments.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use rabi::{Db, Durability, Error, IoBackend, Options, StageMode, WriteBatch, WriteOptions};

use crate::generator::Random;
use crate::scratch::{Scratch, number};
use crate::system::fork;

const ROUNDS: u64 = 20;
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
        // Both ways into the stage, with both backends as they come.
        .stage_mode(if backend == IoBackend::Blocking { StageMode::Written } else { StageMode::Auto })
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
            db.write(batch, WriteOptions::new().durability(durability)).unwrap();
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
    let starts: Vec<u64> = starts.split_terminator(',').map(|start| start.parse().unwrap()).collect();
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
        scope.spawn(|| fork_for_ever(&db));
        tell_of_compaction(&db);
    });
}

/// Forks children that try to write what their parent writes, to read and to drop; tells of one that
/// could, or that did not come to its end.
fn fork_for_ever(db: &Db) {
    let mut random = Random::new(("forks", std::process::id()));
    loop {
        thread::sleep(Duration::from_micros(random.below(20_000) as u64));
        let (snapshot, mut range) = (db.snapshot(), db.prefix(prefix(0)));
        range.next();
        let child = fork(|| {
            for key in (0..THREADS).map(|thread| format!("{}{:03}", prefix(thread), random.below(KEYS))) {
                assert!(matches!(db.put(&key, "a child's"), Err(Error::Forked)), "a child wrote {key}");
                assert!(matches!(snapshot.get(&key), Err(Error::Forked)), "a child read {key}");
            }
            assert!(matches!(db.flush(), Err(Error::Forked)), "a child flushed");
            assert!(matches!(range.next(), Some(Err(Error::Forked))), "a child read on");
            drop((snapshot, range));
        });
        match child.wait() {
            Ok(()) => say("forked\n"),
            Err(wrong) => say(&format!("forked: {wrong}\n")),
        }
    }
}

/// Tells when a compaction is at work and when none is.
fn tell_of_compaction(db: &Db) {
    let mut told = false;
    loop {
        let compacts = number(&db.stats(), "compactions_running") > 0;
        if compacts != told {
            say(if compacts { "compacting\n" } else { "compacted\n" });
            told = compacts;
        }
        thread::sleep(Duration::from_micros(100));
    }
}

/// A child at work, and the lines it has to say.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Where its standard error goes.
    log: PathBuf,
}

impl Running {
    /// Starts a child that opens the directory and writes, on each thread from an operation on; or
    /// only opens it.
    fn start(dir: &Path, log: PathBuf, starts: &[u64], backend: &str) -> Self {
        let starts: Vec<String> = starts.iter().map(u64::to_string).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir)
            .env(START, starts.join(","))
            .env(BACKEND, backend)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, log }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.lines.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    fn wait_for(&mut self, expected: &str) {
        loop {
            match self.line() {
                Some(line) if line == expected => return,
                Some(_) => {}
                None => panic!("the child ended by itself: {}", self.last_words()),
            }
        }
    }

    fn last_words(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Kills after `delay`, which begins when the child says that it compacts, if `compacting`.
    fn kill(mut self, delay: Duration, compacting: bool, done: &[u64; THREADS]) -> Killed {
        let pid = self.child.id();
        let mut killer = (!compacting).then(|| kill_after(delay, pid));
        let mut killed = Killed { opened: false, compacting: false, forks: 0, acknowledged: *done };
        let mut line = String::new();
        // Lines are read meanwhile, so that a full pipe never stops the child.
        while self.lines.read_line(&mut line).unwrap() > 0 {
            // The last line may have been cut short by the kill.
            if line.ends_with('\n') {
                killed.hear(&line);
            }
            if killed.compacting {
                killer.get_or_insert_with(|| kill_after(delay, pid));
            }
            line.clear();
        }
        killer.into_iter().for_each(|killer| killer.join().unwrap());
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(Signal::KILL.as_raw()),
            "the child ended by itself: {}",
            self.last_words()
        );
        killed
    }
}

/// The child is not reaped before this thread has ended, so the number stays its own.
fn kill_after(delay: Duration, pid: u32) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(delay);
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    })
}

/// What a child had said when it was killed.
struct Killed {
    opened: bool,
    /// Whether a compaction was at work, as it said last.
    compacting: bool,
    /// Children that the child itself had forked, and that could do nothing.
    forks: usize,
    acknowledged: [u64; THREADS],
}

impl Killed {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["opened"] => self.opened = true,
            ["compacting"] => self.compacting = true,
            ["compacted"] => self.compacting = false,
            ["forked"] => self.forks += 1,
            ["forked:", ..] => panic!("{line}"),
            ["written", thread, number] => {
                let (thread, number): (usize, u64) = (thread.parse().unwrap(), number.parse().unwrap());
                assert_eq!(number, self.acknowledged[thread] + 1, "lines are missing");
                self.acknowledged[thread] = number;
            }
            _ => {}
        }
    }
}

fn contents(db: &Db, thread: usize) -> Map {
    let range = db.prefix(prefix(thread));
    range.map(|entry| entry.map(|(key, value)| (key, value.into_vec()))).collect::<Result<_, _>>().unwrap()
}

fn check_backward(db: &Db, thread: usize, forward: &Map) {
    let mut backward = db.prefix(prefix(thread)).rev();
    for (key, value) in forward.iter().rev() {
        let (found_key, found) = backward.next().expect("as many entries backward").unwrap();
        assert!(found_key == *key && found[..] == value[..], "backward, {}", key.escape_ascii());
    }
    assert!(backward.next().is_none(), "more entries backward");
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
    check_backward(db, thread, &found);
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

/// When a child is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// At any time once it is open.
    AnyTime,
    /// While it compacts.
    Compacting,
    /// At any time, and then others, while they open what it left.
    Opening,
}

/// Kills by what they met, and openings of the parent that had a log to replay.
#[derive(Debug, Default)]
struct Counts {
    opening: usize,
    compacting: usize,
    forks: usize,
    replays: usize,
}

/// The directory, and what must be there.
struct Trial {
    scratch: Scratch,
    random: Random,
    done: [u64; THREADS],
    models: [Map; THREADS],
    counts: Counts,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let (random, models) = (Random::new(("crash", seed)), [Map::new(), Map::new()]);
        Self { scratch: Scratch::new(), random, done: [0; THREADS], models, counts: Counts::default() }
    }

    fn start(&self, starts: &[u64], backend: &str) -> Running {
        let log = self.scratch.beside("child.log");
        let mut running = Running::start(&self.scratch.dir(), log, starts, backend);
        running.wait_for("opening");
        running
    }

    /// Kills a child, or several, at the moment; returns what was acknowledged.
    fn kill(&mut self, moment: Moment, backend: &str) -> [u64; THREADS] {
        let mut running = self.start(&self.done.map(|done| done + 1), backend);
        running.wait_for("opened");
        let delay = match moment {
            Moment::Compacting => Duration::from_micros(self.random.below(1500) as u64),
            Moment::AnyTime | Moment::Opening => Duration::from_millis(self.random.between(5, 300) as u64),
        };
        let killed = running.kill(delay, moment == Moment::Compacting, &self.done);
        self.counts.compacting += usize::from(killed.compacting);
        self.counts.forks += killed.forks;
        let kills = if moment == Moment::Opening { self.random.between(1, 4) } else { 0 };
        for _ in 0..kills {
            let delay = Duration::from_micros(self.random.below(6000) as u64);
            let killed = self.start(&[], backend).kill(delay, false, &self.done);
            self.counts.opening += usize::from(!killed.opened);
        }
        killed.acknowledged
    }

    /// Opens and compares; opens again and compares with that.
    fn check(&mut self, acknowledged: [u64; THREADS]) {
        let dir = self.scratch.dir();
        let db = Db::open(&dir, options(IoBackend::Auto)).unwrap();
        self.counts.replays += usize::from(number(&db.stats(), "replayed_bytes") > 0);
        for (thread, model) in self.models.iter_mut().enumerate() {
            check(&db, thread, model, &mut self.done[thread], acknowledged[thread]);
        }
        let extra = db.range::<[u8; 0]>(..).count() - self.models.iter().map(Map::len).sum::<usize>();
        assert_eq!(extra, 0, "keys that nobody wrote");
        if self.random.chance(50) {
            db.close().unwrap();
        } else {
            drop(db);
        }
        let again = Db::open(&dir, options(IoBackend::Auto)).unwrap();
        for (thread, model) in self.models.iter().enumerate() {
            assert!(contents(&again, thread) == *model, "opening once more has changed thread {thread}");
        }
        if self.random.chance(50) {
            again.close().unwrap();
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

#[test]
fn a_killed_process_loses_nothing_acknowledged_and_tears_no_batch() {
    let (rounds, seed) =
        (setting("RABI_KILL_ROUNDS", ROUNDS), setting("RABI_KILL_SEED", std::process::id().into()));
    println!("RABI_KILL_SEED={seed}");
    let mut trial = Trial::new(seed);
    for round in 0..rounds {
        let moment = [Moment::AnyTime, Moment::Compacting, Moment::Opening][round as usize % 3];
        let backend = *trial.random.pick(&["auto", "blocking"]);
        let acknowledged = trial.kill(moment, backend);
        let checked = catch_unwind(AssertUnwindSafe(|| trial.check(acknowledged)));
        if let Err(panic) = checked {
            println!("failed in round {round}, {moment:?} on {backend}, after {acknowledged:?}");
            resume_unwind(panic);
        }
    }
    let (done, counts) = (trial.done, trial.counts);
    println!("{rounds} rounds, {done:?} operations, {counts:?}");
    let few = |count: usize, part: usize| (count as u64) < rounds / part as u64;
    assert!(done.iter().all(|done| *done > 20 * rounds), "too few operations to mean anything: {done:?}");
    assert!(!few(counts.replays, 2), "too few replays to mean anything: {counts:?}");
    assert!(!few(counts.compacting, 6), "too few kills during compaction to mean anything: {counts:?}");
    assert!(!few(counts.forks, 1), "too few forks to mean anything: {counts:?}");
    assert!(!few(counts.opening, 6), "too few kills during an opening to mean anything: {counts:?}");
}

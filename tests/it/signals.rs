//! Signals that the program around the database gets: no call fails for one.
//!
//! The kernel gives up a request (`ECANCELED`) if a signal is pending while it makes a thread for it, so each
//! round opens anew: rings and threads that read begin without such helpers.

use std::thread;
use std::time::{Duration, Instant};

use rabi::{Db, Durability, IoBackend, Options, WriteOptions};

use crate::backends::{make_cold, rings_permitted};
use crate::scratch::{Scratch, small};
use crate::system::{interrupt_all_the_time, run_alone};

fn with(backend: IoBackend) -> Options {
    // Without a cache every read of a block is a cold one.
    small().cores(5).io_backend(backend).cache_size_bytes(0)
}

fn key(writer: u32, number: u32) -> String {
    format!("{writer} {number:04}")
}

fn write_and_read(db: &Db, writer: u32, round: u32) {
    for number in 0..100 {
        let durability = if number == 50 { Durability::Power } else { Durability::Process };
        let options = WriteOptions::new().durability(durability);
        db.put_with(key(writer, number), round.to_be_bytes().repeat(20), options).unwrap();
    }
    for number in 0..100 {
        let value = db.get(key(writer, number)).unwrap().unwrap();
        assert!(value[..] == round.to_be_bytes().repeat(20)[..]);
    }
}

fn check(backend: IoBackend) {
    let scratch = Scratch::new();
    interrupt_all_the_time();
    let (start, mut round) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_millis(2500) || round < 3 {
        let db = Db::open(scratch.dir(), with(backend)).unwrap();
        if round > 0 {
            make_cold(&scratch.dir());
            assert_eq!(db.iter().map(Result::unwrap).count(), 400);
        }
        round += 1;
        thread::scope(|scope| {
            let db = &db;
            (0..4).for_each(|writer| drop(scope.spawn(move || write_and_read(db, writer, round))));
            scope.spawn(|| db.flush().unwrap());
        });
        db.sync().unwrap();
        db.close().unwrap();
    }
    println!("{round} rounds");
}

#[test]
#[ignore = "runs in a process of its own, by a test below"]
fn scene_with_rings() {
    check(IoBackend::Uring);
}

#[test]
#[ignore = "runs in a process of its own, by a test below"]
fn scene_with_system_calls() {
    check(IoBackend::Blocking);
}

#[test]
fn no_call_fails_for_a_signal_with_rings() {
    if rings_permitted() {
        run_alone("signals::scene_with_rings");
    }
}

#[test]
fn no_call_fails_for_a_signal_with_system_calls() {
    run_alone("signals::scene_with_system_calls");
}

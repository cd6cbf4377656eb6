//! Flights driven by results that a healthy disk seldom gives: short, interrupted, refused.

use io_uring::opcode;

use super::flight::{CANCELED_MAX, Flight, Progress};
use crate::base::limits::{REQUEST_LEN_MAX, SECTOR};
use crate::io::durable::{Begun, By, DurableWrites};
use crate::io::{Buffer, Data, File, Op, OpenMode, Reach, blocking, names};
use rustix::io::Errno;

const READ: u32 = opcode::Read::CODE as u32;
const WRITE: u32 = opcode::Write::CODE as u32;
const SYNC: u32 = opcode::Fsync::CODE as u32;
const BACK: u32 = opcode::SyncFileRange::CODE as u32;

fn file() -> File {
    let root = tempfile::tempdir().unwrap();
    names::open(&names::open_dir(root.path()).unwrap().unwrap(), "file", OpenMode::Create).unwrap()
}

fn read(len: usize) -> Op {
    let mut buffer = Buffer::with_capacity(len);
    // So that every byte the results below count as read is initialised.
    buffer.zero_to(len);
    Op::Read { file: file(), offset: 0, buffer }
}

fn write(len: usize, durable: bool) -> Op {
    write_to(len, if durable { Reach::Durable } else { Reach::PageCache })
}

fn write_to(len: usize, reach: Reach) -> Op {
    let mut buffer = Buffer::with_capacity(len);
    buffer.zero_to(len);
    Op::Write { file: file(), offset: 0, data: Data::Owned(buffer), reach }
}

fn failed(e: Errno) -> i32 {
    -e.raw_os_error()
}

/// Answers the requests of `op` with `results`; they must be of the kinds `requests`, and the last
/// must end the operation with `end`: its bytes, or the system's error.
fn check(op: Op, results: &[i32], requests: &[u32], end: Result<usize, Errno>) {
    let mut flight = Flight::new(7, op, Begun::UNTIMED);
    let mut seen = Vec::new();
    for (i, &result) in results.iter().enumerate() {
        seen.push(flight.request().get_opcode());
        // SAFETY: the buffers of reads were zeroed up to all the lengths given here.
        match unsafe { flight.advance(result) } {
            Progress::Again => assert!(i + 1 < results.len(), "wants another request"),
            Progress::Plainly => panic!("gives up the ring"),
            Progress::Done(found) => {
                assert_eq!(i + 1, results.len(), "ended early");
                let found = found.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO));
                assert_eq!(found, end);
            }
        }
    }
    assert_eq!(seen, requests);
    if let (Op::Read { buffer, .. }, Ok(len)) = (&flight.op, end) {
        assert_eq!(buffer.len(), len);
    }
}

#[test]
fn short_reads_go_on_until_full_or_at_the_end() {
    let sector = SECTOR as i32;
    check(read(SECTOR), &[sector], &[READ], Ok(SECTOR));
    check(read(SECTOR), &[100, sector - 100], &[READ, READ], Ok(SECTOR));
    check(read(SECTOR), &[100, 0], &[READ, READ], Ok(100));
    check(read(SECTOR), &[0], &[READ], Ok(0));
    let piece = REQUEST_LEN_MAX as i32;
    check(read(2 * REQUEST_LEN_MAX), &[piece, piece], &[READ, READ], Ok(2 * REQUEST_LEN_MAX));
}

#[test]
fn interrupted_requests_are_sent_again() {
    let (intr, again) = (failed(Errno::INTR), failed(Errno::AGAIN));
    check(read(SECTOR), &[intr, again, SECTOR as i32], &[READ; 3], Ok(SECTOR));
    check(write(SECTOR, true), &[again, SECTOR as i32], &[WRITE; 2], Ok(SECTOR));
    check(Op::Sync { file: file() }, &[intr, 0], &[SYNC; 2], Ok(0));
}

fn several() -> [Op; 4] {
    let dir = names::open_dir(std::path::Path::new("/")).unwrap().unwrap();
    let remove = Op::Remove { dir, name: "absent".into() };
    [read(SECTOR), write(SECTOR, true), Op::Sync { file: file() }, remove]
}

#[test]
fn requests_that_the_kernel_gives_up_are_sent_again() {
    let canceled = failed(Errno::CANCELED);
    for op in several() {
        let mut flight = Flight::new(7, op, Begun::UNTIMED);
        let first = flight.request();
        // SAFETY: nothing is counted as read.
        let progress = unsafe { flight.advance(canceled) };
        assert!(matches!(progress, Progress::Again), "{progress:?}");
        assert_eq!(format!("{first:?}"), format!("{:?}", flight.request()));
    }
    check(read(SECTOR), &[100, canceled, SECTOR as i32 - 100], &[READ; 3], Ok(SECTOR));
    // Also the sync that makes a long write durable: it had not begun.
    let (len, piece) = (2 * REQUEST_LEN_MAX, REQUEST_LEN_MAX as i32);
    check(write(len, true), &[piece, piece, canceled, 0], &[WRITE, WRITE, SYNC, SYNC], Ok(len));
}

#[test]
fn an_operation_that_is_given_up_again_and_again_is_done_by_plain_calls() {
    for op in several() {
        let mut flight = Flight::new(7, op, Begun::UNTIMED);
        for tries in 1..=CANCELED_MAX {
            flight.request();
            // SAFETY: nothing is counted as read.
            match unsafe { flight.advance(failed(Errno::CANCELED)) } {
                Progress::Again => assert!(tries < CANCELED_MAX),
                Progress::Plainly => assert_eq!(tries, CANCELED_MAX),
                Progress::Done(result) => panic!("{result:?}"),
            }
        }
        assert!(blocking::perform(&mut flight.op, By::Flag).is_ok());
    }
}

#[test]
fn a_file_is_shortened_by_a_plain_call_where_rings_do_not_know_how() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(9).unwrap();
    let opened = File::new("shortened".into(), file.try_clone().unwrap().into());
    let mut flight = Flight::new(7, Op::Shorten { file: opened, len: 4 }, Begun::UNTIMED);
    flight.request();
    // SAFETY: nothing is counted as read.
    assert!(matches!(unsafe { flight.advance(failed(Errno::INVAL)) }, Progress::Plainly));
    assert_eq!(blocking::perform(&mut flight.op, By::Flag).unwrap(), 0);
    assert_eq!(file.metadata().unwrap().len(), 4);
}

#[test]
fn a_write_back_that_comes_to_nothing_again_and_again_is_left_to_the_sync() {
    let mut flight = Flight::new(7, write_to(SECTOR, Reach::Device), Begun::UNTIMED);
    for tries in 1..=CANCELED_MAX {
        for (result, is_back) in [(SECTOR as i32, false), (failed(Errno::CANCELED), true)] {
            let kind = flight.request().get_opcode();
            assert_eq!(kind, if is_back { BACK } else { WRITE });
            // SAFETY: nothing is counted as read.
            match unsafe { flight.advance(result) } {
                Progress::Again => assert!(!is_back || tries < CANCELED_MAX),
                Progress::Plainly => assert_eq!((is_back, tries), (true, CANCELED_MAX)),
                Progress::Done(result) => panic!("{result:?}"),
            }
        }
    }
    assert!(blocking::perform(&mut flight.op, By::Flag).is_ok());
}

#[test]
fn a_direct_read_that_ends_between_sectors_has_met_the_end() {
    check(read(SECTOR), &[100, failed(Errno::INVAL)], &[READ, READ], Ok(100));
    check(read(SECTOR), &[failed(Errno::INVAL)], &[READ], Err(Errno::INVAL));
}

#[test]
fn a_durable_write_falls_back_to_a_sync_where_the_flag_is_refused() {
    let sector = SECTOR as i32;
    for e in [Errno::OPNOTSUPP, Errno::INVAL] {
        let results = [failed(e), sector, 0];
        check(write(SECTOR, true), &results, &[WRITE, WRITE, SYNC], Ok(SECTOR));
    }
    let results = [failed(Errno::INVAL), failed(Errno::INVAL)];
    check(write(SECTOR, true), &results, &[WRITE, WRITE], Err(Errno::INVAL));
    let results = [failed(Errno::OPNOTSUPP), sector, failed(Errno::IO)];
    check(write(SECTOR, true), &results, &[WRITE, WRITE, SYNC], Err(Errno::IO));
}

#[test]
fn a_long_durable_write_is_synced_once_at_its_end() {
    let (len, piece) = (2 * REQUEST_LEN_MAX, REQUEST_LEN_MAX as i32);
    check(write(len, true), &[piece, piece, 0], &[WRITE, WRITE, SYNC], Ok(len));
    check(write(len, false), &[piece, piece], &[WRITE, WRITE], Ok(len));
}

#[test]
fn what_the_device_is_to_take_is_written_back_once_at_its_end() {
    let (len, piece) = (2 * REQUEST_LEN_MAX, REQUEST_LEN_MAX as i32);
    let write = || write_to(len, Reach::Device);
    check(write(), &[piece, piece, 0], &[WRITE, WRITE, BACK], Ok(len));
    for e in [Errno::INTR, Errno::CANCELED] {
        let results = [piece, piece, failed(e), piece, piece, 0];
        check(write(), &results, &[WRITE, WRITE, BACK, WRITE, WRITE, BACK], Ok(len));
    }
    // The error is told once: whoever syncs later would not hear of it.
    for e in [Errno::IO, Errno::NOSPC, Errno::NOMEM, Errno::AGAIN, Errno::INVAL, Errno::OPNOTSUPP] {
        check(write(), &[piece, piece, failed(e)], &[WRITE, WRITE, BACK], Err(e));
    }
    check(write(), &[100, piece, piece - 100, 0], &[WRITE, WRITE, WRITE, BACK], Ok(len));
    check(write(), &[piece, failed(Errno::INVAL)], &[WRITE, WRITE], Err(Errno::INVAL));
}

#[test]
fn failures_end_the_operation_and_a_missing_name_is_none() {
    check(write(SECTOR, false), &[failed(Errno::NOSPC)], &[WRITE], Err(Errno::NOSPC));
    check(write(SECTOR, false), &[0], &[WRITE], Err(Errno::IO));
    check(write(SECTOR, false), &[8, failed(Errno::IO)], &[WRITE; 2], Err(Errno::IO));
    let dir = names::open_dir(std::path::Path::new("/")).unwrap().unwrap();
    let remove = || Op::Remove { dir: dir.clone(), name: "absent".into() };
    let unlink = [u32::from(opcode::UnlinkAt::CODE)];
    check(remove(), &[failed(Errno::NOENT)], &unlink, Ok(0));
    check(remove(), &[failed(Errno::ACCESS)], &unlink, Err(Errno::ACCESS));
}

#[test]
fn a_durable_write_without_the_flag_is_followed_by_a_sync() {
    let durable = DurableWrites::default();
    let kinds = [By::Flag, By::Sync].map(|by| {
        let begun = durable.begin(|| std::time::Duration::ZERO);
        assert_eq!(begun.by, by);
        let mut flight = Flight::new(7, write(SECTOR, true), begun);
        let mut kinds = vec![flight.request().get_opcode()];
        loop {
            let result = if kinds.len() == 1 { SECTOR as i32 } else { 0 };
            // SAFETY: a write fills no buffer.
            let Progress::Again = (unsafe { flight.advance(result) }) else { break };
            kinds.push(flight.request().get_opcode());
        }
        kinds
    });
    assert_eq!(kinds, [vec![WRITE], vec![WRITE, SYNC]]);
}

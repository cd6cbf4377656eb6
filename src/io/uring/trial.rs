//! A ring made for trial, to find out before anything is built on rings whether they may be used.
//!
//! A filter on system calls may permit one call and deny another, and a sandbox may know some requests
//! and not others. So the trial makes each call that a core makes later, and asks for each request.

use io_uring::opcode;

use super::park::Parker;
use super::queue;
use super::ring::{Ring, Sleep};
use crate::io::refusal::{Refusal, SETUP};

/// Requests that cores send.
const REQUESTS: [u8; 6] = [
    opcode::Read::CODE,
    opcode::Write::CODE,
    opcode::Fsync::CODE,
    opcode::SyncFileRange::CODE,
    opcode::Fallocate::CODE,
    opcode::UnlinkAt::CODE,
];

/// Makes a ring as a core does, uses it and takes it down again.
pub(in crate::io) fn test_ring() -> Result<(), Refusal> {
    test_ring_for(&REQUESTS)
}

/// As [`test_ring`], with these requests to ask for.
pub(super) fn test_ring_for(requests: &[u8]) -> Result<(), Refusal> {
    let ring = Ring::open(queue::ENTRIES).map_err(Refusal::of(SETUP))?;
    let wakeup = Parker::new().map_err(|e| Refusal::of("eventfd2")(e.into()))?;
    ring.hold(wakeup.file()).map_err(Refusal::of("io_uring_register"))?;
    ring.check_requests(requests).map_err(Refusal::of("io_uring_register"))?;
    // SAFETY: the request names no memory and no descriptor.
    let pushed = unsafe { ring.push(&opcode::Nop::new().build()) };
    assert!(pushed, "a new ring is empty");
    let result = loop {
        ring.enter(Sleep::Forever).map_err(Refusal::of("io_uring_enter"))?;
        if let Some((_, result)) = ring.pop() {
            break result;
        }
    };
    if result < 0 {
        return Err(Refusal::of("io_uring_enter")(std::io::Error::from_raw_os_error(-result)));
    }
    ring.let_go().map_err(Refusal::of("io_uring_register"))
}

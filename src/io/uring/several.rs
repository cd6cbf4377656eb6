//! Several reads of a calling thread in flight together in its ring.
//!
//! The buffers are borrowed: whatever happens, this returns only when the kernel has none of them any more.

use std::os::fd::{AsFd, AsRawFd};

use io_uring::opcode;
use io_uring::types::Fd;
use rustix::io::Errno;

use super::flight::CANCELED_MAX;
use super::ring::{Ring, RingBroken, Sleep};
use crate::base::limits::REQUEST_LEN_MAX;
use crate::base::metrics::IoCounters;
use crate::io::{ReadAt, blocking};

/// Reads what is missing of each: the first bytes may be there, as many as its result says.
///
/// # Errors
/// The ring is of no use any more. What is missing then has to be read in another way.
pub(super) fn read_several(
    ring: &Ring,
    reads: &mut [ReadAt<'_>],
    counters: &IoCounters,
) -> Result<(), RingBroken> {
    // From the last to the first, so that they are sent in their order.
    let mut waiting: Vec<usize> = (0..reads.len()).rev().filter(|index| !reads[*index].is_full()).collect();
    let (mut in_flight, mut canceled) = (0, 0);
    loop {
        while in_flight < ring.in_flight_max()
            && let Some(index) = waiting.last()
            && push(ring, &mut reads[*index], *index as u64)
        {
            counters.ring_ops.add(1);
            in_flight += 1;
            waiting.pop();
        }
        if in_flight == 0 {
            return Ok(());
        }
        let may_send = !waiting.is_empty() && in_flight < ring.in_flight_max();
        // One wake-up for all that are left; while there are more to send, for half of those in flight.
        let count = if waiting.is_empty() { in_flight } else { in_flight / 2 };
        counters.ring_enters.add(1);
        let entered = ring.enter(if may_send { Sleep::No } else { Sleep::UntilThere(count as u32) });
        let before = in_flight;
        while let Some((index, result)) = ring.pop() {
            in_flight -= 1;
            let read = &mut reads[index as usize];
            if !take(read, result, &mut canceled) {
                waiting.push(index as usize);
            }
        }
        let Err(e) = entered else { continue };
        if in_flight == ring.unsent() {
            return Err(RingBroken(e));
        }
        if in_flight == before {
            // The kernel may yet write into memory that is the caller's again once we return, and
            // cannot be asked about it: somebody has closed or damaged the ring under us.
            tracing::error!("a ring broke with reads in flight: {e}");
            std::process::abort();
        }
    }
}

/// Queues the request for what comes next of a read; `false` if there is no room before the next enter.
fn push(ring: &Ring, read: &mut ReadAt<'_>, user_data: u64) -> bool {
    let filled = read.filled();
    let end = read.buffer.len().min(filled + REQUEST_LEN_MAX);
    let piece = &mut read.buffer[filled..end];
    let len = u32::try_from(piece.len()).expect("cut to REQUEST_LEN_MAX");
    let fd = Fd(read.file.as_fd().as_raw_fd());
    let entry = opcode::Read::new(fd, piece.as_mut_ptr(), len).offset(read.offset + filled as u64).build();
    // SAFETY: file and buffer are borrowed by `read_several`, which touches the buffer again, or returns, only with the
    // completion popped, or with the request never sent and the ring about to be dropped.
    unsafe { ring.push(&entry.user_data(user_data)) }
}

/// Notes what a request came to: a count, or a negative errno. `false` if the read has to go on.
fn take(read: &mut ReadAt<'_>, result: i32, canceled: &mut u32) -> bool {
    let filled = read.filled();
    match usize::try_from(result) {
        Ok(0) => true,
        Ok(len) => {
            read.result = Ok(filled + len);
            read.is_full()
        }
        Err(_) => match Errno::from_raw_os_error(-result) {
            Errno::INTR | Errno::AGAIN => false,
            Errno::CANCELED if *canceled < CANCELED_MAX => {
                *canceled += 1;
                false
            }
            Errno::CANCELED => {
                blocking::read_rest(read);
                true
            }
            e if blocking::ends_unaligned(e, filled) => true,
            e => {
                read.result = Err(e.into());
                true
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::base::options::IoBackend;
    use crate::io::{OpenMode, probe};

    #[test]
    fn more_reads_than_fit_into_the_ring_all_come_back_with_their_own_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 97) as u8).collect();
        std::fs::File::create(dir.path().join("file")).unwrap().write_all(&bytes).unwrap();
        for backend in [IoBackend::Auto, IoBackend::Blocking] {
            let io = probe::choose(backend).unwrap();
            let opened = io.open_dir(dir.path()).unwrap().unwrap();
            let file = io.open(&opened, "file", OpenMode::Read).unwrap();
            let places: Vec<usize> = (0..700).map(|number| number * 7919 % 1_000_500).collect();
            let mut buffers: Vec<Vec<u8>> = (0..700).map(|number| vec![0; number % 5000]).collect();
            let mut reads: Vec<ReadAt<'_>> = buffers
                .iter_mut()
                .zip(&places)
                .map(|(buffer, place)| ReadAt { file: &file, offset: *place as u64, buffer, result: Ok(0) })
                .collect();
            // Whatever of the file is in the page cache is not asked of the ring: both ways are taken.
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            io.read_many(&mut reads);
            let lens: Vec<usize> = reads.into_iter().map(|read| read.result.unwrap()).collect();
            for ((len, place), buffer) in lens.into_iter().zip(places).zip(&buffers) {
                let expected = &bytes[place.min(bytes.len())..(place + buffer.len()).min(bytes.len())];
                assert!(&buffer[..len] == expected, "{len} bytes at {place}");
            }
        }
    }
}

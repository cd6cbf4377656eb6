//! What the trial itself refuses. At the public boundary that does not show: cores that are denied a ring
//! later fall back as well.

use std::thread;

use super::trial::{test_ring, test_ring_for};
use crate::io::refusal::Refusal;

/// Set in the second argument of `io_uring_register` if the first is an index of a registered ring.
const IS_INDEX: u32 = 1 << 31;

/// From now on this thread gets `EPERM` from the system call, or from those of it with this second argument.
fn deny(call: libc::c_long, second: Option<u32>) {
    let statement = |op: u32, jt, jf, k| libc::sock_filter { code: op as u16, jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let second_differs = u8::from(second.is_some());
    let mut filter = [
        // The number of the call; from the 16th byte on its arguments, of eight bytes each.
        statement(load, 0, 0, 0),
        statement(jump, 0, 4, u32::try_from(call).unwrap()),
        statement(load, 0, 0, 24),
        statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, !IS_INDEX),
        statement(jump, 0, second_differs, second.unwrap_or(0)),
        statement(end, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(end, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 7, filter: filter.as_mut_ptr() };
    rustix::thread::set_no_new_privs(true).unwrap();
    // SAFETY: the program points to seven instructions, which the kernel checks and copies.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// Whether rings are permitted here; says so if not.
fn permitted() -> bool {
    let tried = test_ring();
    if let Err(refusal) = &tried {
        // ENXIO would be our mistake: nothing was held that could be let go.
        assert!(!text(refusal).contains("code: 6,"), "{refusal:?}");
        println!("not checked: {refusal:?}");
    }
    tried.is_ok()
}

#[test]
fn each_call_that_a_core_makes_is_part_of_the_trial() {
    if !permitted() {
        return;
    }
    // Numbers of `io_uring_register`: a file, a probe, and no file any more.
    let calls = [
        ("io_uring_setup", libc::SYS_io_uring_setup, None),
        ("eventfd2", libc::SYS_eventfd2, None),
        ("io_uring_register", libc::SYS_io_uring_register, Some(2)),
        ("io_uring_register", libc::SYS_io_uring_register, Some(8)),
        ("io_uring_register", libc::SYS_io_uring_register, Some(3)),
        ("io_uring_enter", libc::SYS_io_uring_enter, None),
    ];
    for (name, call, second) in calls {
        let scene = move || {
            deny(call, second);
            test_ring()
        };
        let refusal = thread::spawn(scene).join().unwrap().expect_err(&format!("{name} {second:?}"));
        let text = text(&refusal);
        assert!(text.contains(name) && text.contains("code: 1,"), "{second:?}: {text}");
    }
}

#[test]
fn a_ring_that_does_not_know_a_request_is_refused() {
    if !permitted() {
        return;
    }
    let refusal = test_ring_for(&[io_uring::opcode::Read::CODE, 250]).expect_err("there is no such request");
    let text = text(&refusal);
    assert!(text.contains("io_uring_register") && text.contains("Invalid argument"), "{text}");
}

fn text(refusal: &Refusal) -> String {
    format!("{refusal:?}")
}

//! What only tests ask of the system: a fork, a filter that denies system calls, a process for one test.

use std::ffi::c_long;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

/// A call that takes longer than this hangs.
const SECONDS_MAX: u32 = 20;

/// Runs a test that is ignored otherwise in a process of its own, and fails with its words if it
/// fails. Returns what it said.
pub fn run_alone(test: &str) -> String {
    let output = output_alone(test, &[]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// Runs a test that is ignored otherwise to its end in a process of its own.
pub fn output_alone(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command.envs(variables.iter().copied()).output().unwrap()
}

/// A forked child, which runs no other program.
pub struct Forked(Pid);

/// Forks; the child does as told and ends. If that takes too long, it is ended by SIGALRM.
pub fn fork(child: impl FnOnce()) -> Forked {
    // SAFETY: what the child does from here on is the very thing under test: it has one thread, and
    // memory as it was. It leaves by `_exit`, so that nothing of the test harness runs twice.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: plain system calls.
            unsafe { libc::alarm(SECONDS_MAX) };
            let done = catch_unwind(AssertUnwindSafe(child));
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        pid => Forked(Pid::from_raw(pid).expect("fork succeeds")),
    }
}

/// Forks; the child goes on where it is, as nothing in particular, and gets `None`. It is ended by SIGALRM if it is still
/// there after a time.
pub fn fork_and_go_on() -> Option<Forked> {
    // SAFETY: as in `fork`; here the child is to leave by itself, by the end of its one thread.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: a plain system call.
            unsafe { libc::alarm(SECONDS_MAX) };
            None
        }
        pid => Some(Forked(Pid::from_raw(pid).expect("fork succeeds"))),
    }
}

impl Forked {
    /// The child's process number.
    pub fn number(&self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Waits for the child's end; says what was wrong with it.
    pub fn wait(self) -> Result<(), String> {
        let (_, status) = waitpid(Some(self.0), WaitOptions::empty()).unwrap().expect("it has ended");
        match status.terminating_signal() {
            None if status.exit_status() == Some(0) => Ok(()),
            None => Err("the child panicked".to_owned()),
            Some(signal) if signal == Signal::ALARM.as_raw() => Err("the child hung".to_owned()),
            Some(signal) => Err(format!("the child was ended by signal {signal}")),
        }
    }

    /// Ends the child.
    pub fn kill(self) {
        rustix::process::kill_process(self.0, Signal::KILL).unwrap();
        waitpid(Some(self.0), WaitOptions::empty()).unwrap();
    }
}

/// From now on this thread, and every thread it starts, gets `errno` from the system call.
pub fn deny(call: c_long, errno: i32) {
    let [load, _, end] = STATEMENTS;
    filter(&mut [
        // The number of the system call is the first word that a filter sees.
        statement(load, 0, 0),
        is_equal(call, 1),
        statement(end, 0, refusal(errno)),
        statement(end, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

/// The same for those of the calls that have this second argument.
pub fn deny_with(call: c_long, second: c_long, errno: i32) {
    let [load, _, end] = STATEMENTS;
    filter(&mut [
        statement(load, 0, 0),
        is_equal(call, 3),
        // From the 16th byte on there are the arguments, of eight bytes each.
        statement(load, 0, 24),
        is_equal(second, 1),
        statement(end, 0, refusal(errno)),
        statement(end, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

/// Loads a word, jumps if it is equal, ends.
const STATEMENTS: [u32; 3] = [
    libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
    libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
    libc::BPF_RET | libc::BPF_K,
];

fn statement(op: u32, if_not: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(op).unwrap(), jt: 0, jf: if_not, k }
}

/// Goes on if the word is equal, and otherwise behind so many statements.
fn is_equal(word: c_long, if_not: u8) -> libc::sock_filter {
    statement(STATEMENTS[1], if_not, u32::try_from(word).unwrap())
}

fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap()
}

fn filter(statements: &mut [libc::sock_filter]) {
    let len = u16::try_from(statements.len()).unwrap();
    let program = libc::sock_fprog { len, filter: statements.as_mut_ptr() };
    rustix::thread::set_no_new_privs(true).unwrap();
    // SAFETY: the program points to so many instructions, which the kernel checks and copies.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// From now on this process ignores the signal.
pub fn ignore(signal: libc::c_int) {
    // SAFETY: runs no code of ours.
    let before = unsafe { libc::signal(signal, libc::SIG_IGN) };
    assert_ne!(before, libc::SIG_ERR);
}

/// From now on a signal interrupts this process every 200 us. Its handler does nothing.
pub fn interrupt_all_the_time() {
    extern "C" fn ignore(_: libc::c_int) {}
    let handler = ignore as extern "C" fn(libc::c_int);
    let time = libc::timeval { tv_sec: 0, tv_usec: 200 };
    let timer = libc::itimerval { it_interval: time, it_value: time };
    // SAFETY: the handler touches nothing, and may run anywhere; an action of zeros has no flags and blocks
    // nothing; both structures are only read.
    let failed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut())
            | libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut())
    };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
}

type Act = Box<dyn FnOnce() + Send>;

/// Runs `act` at the end of this thread, when all of Rust's thread-locals have been destroyed: by a
/// destructor of the C library's own thread-specific data, as a program in C would register it.
pub fn at_the_very_end(act: Act) {
    extern "C" fn run(act: *mut libc::c_void) {
        // SAFETY: what `at_the_very_end` stored, which the library hands out once.
        let act = unsafe { Box::from_raw(act.cast::<Act>()) };
        act();
    }
    let mut key = 0;
    // SAFETY: the key is written by the first call and used by the second; the value is a box that
    // the destructor takes back.
    let failed = unsafe {
        libc::pthread_key_create(&raw mut key, Some(run))
            | libc::pthread_setspecific(key, Box::into_raw(Box::new(act)).cast())
    };
    assert_eq!(failed, 0);
}

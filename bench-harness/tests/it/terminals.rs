//! Codes for terminals go to terminals: never into a file or a pipe, never colours against `NO_COLOR`.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::{Bench, Said};

/// A run on a database whose manifest ends in half an edit, of which the engine warns.
const RUN: &str = "run -p recordcount=50 -p operationcount=0 --duration 1 -s --dir db";

fn warned_of() -> Bench {
    let bench = Bench::new();
    bench.run("load -p recordcount=50 --dir db").expect(0, "");
    let entries = std::fs::read_dir(bench.path("db")).unwrap().map(|entry| entry.unwrap());
    let manifest = entries
        .into_iter()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("MANIFEST-"))
        .unwrap();
    let mut bytes = std::fs::read(manifest.path()).unwrap();
    bytes.extend(b"\x20\0\0\0half");
    std::fs::write(manifest.path(), bytes).unwrap();
    bench
}

/// Runs it with standard error on a terminal of its own.
fn on_terminal(bench: &Bench, arguments: &str, variables: &[(&str, &str)]) -> Said {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rabi-bench"));
    command.args(arguments.split_whitespace()).current_dir(bench.path("."));
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    let child = command.stdout(Stdio::piped()).stderr(theirs).spawn().unwrap();
    // The last descriptor of the other side goes with the child; then reading fails, which is the end.
    drop(command);
    let reader = std::thread::spawn(move || {
        let (mut err, mut ours) = (Vec::new(), File::from(ours));
        let _ = ours.read_to_end(&mut err);
        String::from_utf8_lossy(&err).into_owned()
    });
    let done = child.wait_with_output().unwrap();
    let out = String::from_utf8(done.stdout).unwrap();
    Said { code: done.status.code().unwrap(), out, err: reader.join().unwrap() }
}

/// Whether a text sets a colour or a style: `ESC [ numbers m`.
fn is_coloured(text: &str) -> bool {
    let codes = text.split("\u{1b}[").skip(1);
    codes
        .into_iter()
        .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[test]
fn without_a_terminal_there_are_no_codes_in_warnings_status_and_help() {
    let bench = warned_of();
    let said = bench.run(RUN).expect(0, "ignored a manifest edit whose commit never completed");
    assert!(!said.err.contains('\u{1b}') && !said.out.contains('\u{1b}'), "{}", said.err);
    assert!(said.err.contains(" ops/s"), "{}", said.err);
    for arguments in ["--help", "run --nonsense", "properties", "--smoke --engine memory --workloads a"] {
        let said = bench.run(arguments);
        assert!(!said.err.contains('\u{1b}') && !said.out.contains('\u{1b}'), "{arguments}: {}", said.err);
    }
}

#[test]
fn a_terminal_gets_a_bar_and_colours_unless_they_are_not_wanted() {
    let said = on_terminal(&warned_of(), RUN, &[]).expect(0, "ignored a manifest edit");
    assert!(is_coloured(&said.err) && said.err.contains("%  "), "{:?}", said.err);
    assert!(!said.out.contains('\u{1b}'), "standard output is no terminal: {}", said.out);
    let said = on_terminal(&warned_of(), RUN, &[("NO_COLOR", "1")]).expect(0, "ignored a manifest edit");
    assert!(!is_coloured(&said.err) && said.err.contains("%  "), "{:?}", said.err);
    assert!(is_coloured(&on_terminal(&warned_of(), "run --nonsense", &[("NO_COLOR", "")]).err));
    assert!(!is_coloured(&on_terminal(&warned_of(), "run --nonsense", &[("NO_COLOR", "1")]).err));
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines() {
    let said = on_terminal(&warned_of(), RUN, &[("TERM", "dumb")]).expect(0, "ignored a manifest edit");
    assert!(!said.err.contains('\u{1b}'), "{:?}", said.err);
    assert!(said.err.contains(" ops/s"), "the status is nowhere: {:?}", said.err);
}

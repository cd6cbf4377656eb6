//! Command lines and what is answered, from the files in `answers/`.
//!
//! Each paragraph is carried out in a directory of its own, line by line. `write FILE TEXT`, `mkdir DIR` and `link LINK FILE`
//! make files; `$ ARGUMENTS` runs the program. What follows is of the last command: a number is its exit status, with a
//! part of what stands in standard error; `not TEXT` must not be there; `out TEXT` is a part of standard output, `out`
//! alone says that there is none. `none PATH`, `holds DIR NAMES` and `read FILE TEXT` are of files. `\n`, `\t` and `\\` are
//! escapes, and `{a}` to `{f}` the core workloads.

use std::fs;

use crate::harness::{Bench, Said, names};

fn unescaped(text: &str) -> String {
    let text = text.replace("\\\\", "\u{0}").replace("\\n", "\n").replace("\\t", "\t");
    text.replace('\u{0}', "\\")
}

fn carry_out(bench: &Bench, said: &mut Option<Said>, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let last = said.as_ref();
    match word {
        "write" => bench.write(name, &unescaped(text)),
        "mkdir" => fs::create_dir(bench.path(name)).unwrap(),
        "link" => std::os::unix::fs::symlink(text, bench.path(name)).unwrap(),
        "none" => assert!(!bench.path(name).exists(), "{line}"),
        "holds" => assert_eq!(names(&bench.path(name)).join(" "), text, "{line}"),
        "read" => assert_eq!(fs::read_to_string(bench.path(name)).unwrap(), unescaped(text), "{line}"),
        "$" => *said = Some(bench.run(rest)),
        "out" if rest.is_empty() => assert_eq!(last.unwrap().out, ""),
        "out" => assert!(last.unwrap().out.contains(&unescaped(rest)), "{}", last.unwrap().out),
        "not" => assert!(!last.unwrap().err.contains(rest), "{}", last.unwrap().err),
        code => {
            let Ok(code) = code.parse::<i32>() else { panic!("what is '{line}'?") };
            let said = last.unwrap();
            assert_eq!(said.code, code, "{}{}", said.out, said.err);
            assert!(said.err.contains(&unescaped(rest)), "'{rest}' is not in:\n{}", said.err);
        }
    }
}

fn check(file: &str) {
    let text = fs::read_to_string(format!("{}/tests/it/answers/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for paragraph in text.split("\n\n") {
        let (bench, mut said) = (Bench::new(), None);
        for line in paragraph.lines().filter(|line| !line.starts_with('#')) {
            // The last one that is printed is the one that failed.
            eprintln!("{file}: {line}");
            carry_out(&bench, &mut said, line);
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    check("errors.txt");
}

#[test]
fn files_that_would_be_written_over_are_named() {
    check("outputs.txt");
}

#[test]
fn what_ycsb_calls_otherwise_is_answered_with_what_it_is_here() {
    check("ycsb.txt");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_done() {
    check("refused.txt");
}

#[test]
fn a_database_in_use_says_by_whom() {
    let bench = Bench::new();
    bench.run("load -p recordcount=5 --dir db").expect(0, "");
    let lock = fs::File::options().write(true).open(bench.path("db/LOCK")).unwrap();
    lock.lock().unwrap();
    bench
        .run("run -p recordcount=5 -p operationcount=5 --dir db")
        .expect(2, "db is in use by what process ")
        .expect(2, "close it there first");
}

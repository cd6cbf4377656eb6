//! What an output file held before is replaced by the whole result or by nothing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Bench, names};

const OUTPUTS: [(&str, &str); 6] = [
    ("--json", "x.json"),
    ("--csv", "x.csv"),
    ("--go-bench", "x.txt"),
    ("--openmetrics", "x.om"),
    ("--hdr-log", "x.hlog"),
    ("--record-trace", "x.trace"),
];

fn all_outputs() -> String {
    OUTPUTS.map(|(argument, file)| format!("{argument} {file}")).join(" ")
}

fn with_earlier() -> Bench {
    let bench = Bench::new();
    OUTPUTS.iter().for_each(|(_, file)| bench.write(file, "earlier"));
    bench
}

fn held(bench: &Bench) -> Vec<bool> {
    let earlier = |file: &str| std::fs::read_to_string(bench.path(file)).is_ok_and(|text| text == "earlier");
    OUTPUTS.iter().map(|(_, file)| earlier(file)).collect()
}

#[test]
fn a_run_that_is_refused_or_killed_leaves_earlier_files_as_they_were() {
    let bench = with_earlier();
    let outputs = all_outputs();
    bench.run(&format!("run -p recordcount=9 -p operationcount=0 --dir db {outputs}")).expect(2, "");
    bench.run(&format!("load -p recordcount=9 --engine null --dir db {outputs} --trace none")).expect(2, "");
    bench
        .run(&format!("load -p recordcount=9 --engine rabi --engine-option cores=x --dir db {outputs}"))
        .expect(2, "");
    assert_eq!(held(&bench), [true; 6]);
    let mut load = bench.start(&format!("load -p recordcount=100000000 --engine null --dir db {outputs}"));
    load.wait_for("warning: this is a debug build");
    std::thread::sleep(Duration::from_millis(200));
    load.signal(Signal::KILL);
    drop(load);
    assert_eq!(held(&bench), [true; 6]);
}

#[test]
fn other_commands_keep_earlier_files_too() {
    let bench = with_earlier();
    bench.run("search --slo p99=1ms -P {a} --dir no --json x.json").expect(2, "");
    bench.run("--engine rabi --engine-option cores=x --smoke --json x.json").expect(2, "");
    bench.run("crash -P {a} --full --dir . --json x.json").expect(2, "");
    bench.run("compare no no --json x.json").expect(2, "");
    assert_eq!(held(&bench), [true; 6]);
}

#[test]
fn a_whole_result_replaces_what_a_link_leads_to_and_nothing_else_is_left() {
    let bench = with_earlier();
    std::fs::create_dir(bench.path("elsewhere")).unwrap();
    bench.write("elsewhere/real.json", "earlier");
    let real = bench.path("elsewhere/real.json");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
    std::fs::remove_file(bench.path("x.json")).unwrap();
    symlink("elsewhere/real.json", bench.path("x.json")).unwrap();
    bench.run(&format!("load -p recordcount=9 --engine memory --dir db {}", all_outputs())).expect(0, "");
    assert_eq!(held(&bench), [false; 6]);
    assert!(bench.path("x.json").is_symlink());
    assert_eq!(bench.json("elsewhere/real.json")["records"], 9);
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    let mut left = names(&bench.path("."));
    left.sort();
    assert_eq!(left, ["db", "elsewhere", "x.csv", "x.hlog", "x.json", "x.om", "x.trace", "x.txt"]);
    assert_eq!(names(&bench.path("elsewhere")), ["real.json"]);
    // What is no file is written into, not replaced.
    bench.run("load -p recordcount=9 --engine memory --dir db2 --json /dev/null").expect(0, "");
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_run() {
    let bench = with_earlier();
    std::fs::create_dir(bench.path("directory")).unwrap();
    for (argument, _) in OUTPUTS {
        for place in ["no/where", "directory", "x.json/below"] {
            let said =
                bench.run(&format!("load -p recordcount=9 --engine memory --dir db {argument} {place}"));
            let said = said.expect(2, &format!("cannot create {place}; {argument} takes a file"));
            assert_eq!(said.out, "");
        }
    }
    assert_eq!(held(&bench), [true; 6]);
}

//! Every wrong input ends with a non-zero status and a message that says what to change.

use crate::harness::{Bench, core_workload};

fn loaded() -> Bench {
    let bench = Bench::new();
    let load = format!("load -P {} --engine memory --dir db", core_workload('a'));
    bench.run(&load).expect(0, "");
    bench
}

#[test]
fn a_missing_property_file() {
    Bench::new()
        .run("load -P nowhere --engine memory --dir db")
        .expect(2, "cannot read the property file nowhere: No such file")
        .expect(2, "-P takes the path of a file, for example workloads/workloada");
}

#[test]
fn a_property_file_that_is_a_directory_or_has_a_bad_line() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("dir")).unwrap();
    bench
        .run("load -P dir --engine memory --dir db")
        .expect(2, "cannot read the property file dir: Is a directory");
    bench.write("mix", "recordcount=5\n\nlabel=\\u00zz\n");
    bench
        .run("load -P mix --engine memory --dir db")
        .expect(2, "mix:3: \\u00zz is not a character; expected four hexadecimal digits");
    bench.write("mix", "recordcount=5\n=7\n");
    bench
        .run("load -P mix --engine memory --dir db")
        .expect(2, "mix:2: the line has no property name; expected name=value");
}

#[test]
fn a_length_histogram_that_is_missing_or_malformed() {
    let bench = Bench::new();
    let load = "load -p recordcount=5 -p fieldlengthdistribution=histogram --engine memory --dir db";
    bench
        .run(load)
        .expect(2, "cannot read hist.txt: No such file")
        .expect(2, "property fieldlengthhistogram names the file of fieldlengthdistribution=histogram");
    bench.write("hist.txt", "BlockSize\t10\n0\t1\n1 1\n");
    bench.run(load).expect(2, "hist.txt:3: expected 1, a tab and a count below 4294967296");
    bench.write("hist.txt", "BlockSize\t10\n0\t1\n1\t1\n");
    bench.run(load).expect(0, "");
}

#[test]
fn a_property_without_effect_is_a_warning_with_the_reason() {
    Bench::new()
        .run("load -p recordcount=5 -p dotransactions=false --engine memory --dir db")
        .expect(0, "warning: command line (-p): property dotransactions has no effect here: the commands")
        .expect(0, "load and run decide");
}

#[test]
fn a_bad_value_in_a_file_and_on_the_command_line() {
    let bench = Bench::new();
    bench.write("mix", "# a comment\nrecordcount=ten\n");
    bench
        .run("load -P mix --engine memory --dir db")
        .expect(2, "mix:2: property recordcount is 'ten'; allowed: a whole number of at least 0");
    bench.run("load -P mix -p recordcount=5 --threads 0 --engine memory --dir db").expect(
        2,
        "command line (--threads): property threadcount is '0'; allowed: a whole number from 1 \
         to 4096",
    );
    bench
        .run("load -p recordcount --engine memory --dir db")
        .expect(2, "-p recordcount: expected name=value");
}

#[test]
fn an_unknown_property_is_a_warning_and_no_error() {
    let bench = Bench::new();
    bench.write("mix", "recordcount=5\nfieldcuont=3\n");
    bench
        .run("load -P mix --engine memory --dir db")
        .expect(0, "warning: mix:2: unknown property fieldcuont; did you mean fieldcount?");
}

#[test]
fn an_unknown_engine_and_an_unknown_option() {
    let bench = Bench::new();
    bench
        .run("load -p recordcount=5 --engine memori --dir db")
        .expect(2, "unknown engine memori (meant memory?); available: ");
    bench
        .run("load -p recordcount=5 --engine memory --engine-option size=1 --dir db")
        .expect(2, "engine memory: option size=1: this engine has no options");
}

#[test]
fn a_durability_the_engine_does_not_have() {
    Bench::new()
        .run("load -p recordcount=5 --engine memory --durability power --dir db")
        .expect(2, "engine memory cannot offer durability power");
}

#[test]
fn a_run_without_its_directory_and_a_directory_that_is_a_file() {
    let bench = Bench::new();
    bench
        .run("run -p recordcount=5 -p operationcount=5 --engine memory --dir db")
        .expect(2, "there is no directory db; load the data set first");
    bench.write("file", "");
    bench
        .run("load -p recordcount=5 --engine memory --dir file")
        .expect(2, "cannot create the directory file");
}

#[test]
fn a_json_file_that_cannot_be_written_is_found_before_the_work() {
    let said = Bench::new()
        .run("load -p recordcount=5 --engine memory --dir db --json no/where.json")
        .expect(2, "cannot create no/where.json");
    assert_eq!(said.out, "");
}

#[test]
fn a_run_without_end() {
    loaded().run("run -p recordcount=5 --engine memory --dir db").expect(2, "the run would never end");
}

#[test]
fn an_unknown_workload_of_the_main_job() {
    Bench::new()
        .run("--engine memory --workloads a,g")
        .expect(2, "there is no workload 'g'; allowed: a, b, c, d, e, f");
}

#[test]
fn records_that_are_missing_fail_the_run() {
    let said = loaded()
        .run("run -p recordcount=5000 -p operationcount=1000 --engine memory --dir db")
        .expect(1, "READ: the record is not there");
    assert!(said.out.contains("[READ], Return=NOT_FOUND, "), "{}", said.out);
    // Their latencies stand apart, under the name YCSB gives them.
    assert!(said.out.contains("[READ-FAILED], 99thPercentileLatency(us), "), "{}", said.out);
}

#[test]
fn records_with_foreign_bytes_fail_a_verified_run() {
    Bench::new().run("run -p recordcount=5 -p operationcount=10 --engine null --dir . --verify").expect(
        1,
        "VERIFY: expected a record that was written under this key, found 0 bytes that were never",
    );
}

#[test]
fn a_damaged_dump_names_its_file() {
    let bench = loaded();
    bench.write("db/memory.dump", "not a dump");
    bench
        .run("run -p recordcount=5 -p operationcount=10 --engine memory --dir db")
        .expect(2, "db/memory.dump");
}

/// Arguments, the exit code, and what is said. `db` holds data of the engine memory, `file` is a file.
const WRONG: [(&str, &str); 12] = [
    ("load -p recordcount=5 --engine memory --dir file", "cannot create the directory file; name a place"),
    (
        "load -p recordcount=5 --engine rabi --dir db",
        "db holds the data of the engine memory; use --engine memory",
    ),
    (
        "run -p recordcount=5 -p operationcount=5 --engine rabi --dir db",
        "or name an empty or a new directory",
    ),
    ("--engine memory --dir file", "cannot use the directory file; name one that can be written, with --dir"),
    ("--engine memory --results file", "cannot create the results directory file; name a place"),
    ("--engine memory --json no/where.json", "cannot create no/where.json"),
    ("suite --engines memory --results file", "cannot create the results directory file; name a place"),
    ("suite --engines memory --dir file", "cannot make a directory for the databases in file; name another"),
    ("compare file file", "file: this is not JSON; was the run that wrote it cut off?"),
    ("compare db db", "there is no result of rabi-bench in it; give files written by --json"),
    ("compare other.json other.json", "other.json: this is not a result of rabi-bench"),
    (
        "--engine rabi --engine-option cash=1 --dir new",
        "there is no such option; the options are cache_size_bytes",
    ),
];

#[test]
fn wrong_places_files_and_options_are_answered_with_what_to_do() {
    let bench = loaded();
    bench.write("file", "text");
    bench.write("other.json", "{\"a\": 1}");
    for (arguments, expected) in WRONG {
        bench.run(arguments).expect(2, expected);
    }
    assert_eq!(std::fs::read_dir(bench.path("db")).unwrap().count(), 1, "files were put among foreign ones");
}

#[test]
fn a_device_that_fills_up_is_named_and_the_job_fails() {
    // Written to, it is always full.
    Bench::new()
        .run("load -p recordcount=5 --engine memory --dir db --csv /dev/full")
        .expect(2, "cannot write /dev/full: No space left on device");
}

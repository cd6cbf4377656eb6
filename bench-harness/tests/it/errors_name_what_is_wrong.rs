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
        .expect(2, "cannot read the property file dir: Is a directory (os error 21); -P takes")
        .expect(2, "for example workloads/workloada\n");
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
        .expect(2, "there is no directory db; load the data set first, with: rabi-bench load --dir db");
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
        .expect(1, "READ: the record is not there")
        .expect(1, "was the data set loaded by the same engine, with the same recordcount, insertorder");
    assert!(said.out.contains("[READ], Return=NOT_FOUND, "), "{}", said.out);
    // Their latencies stand apart, under the name YCSB gives them.
    assert!(said.out.contains("[READ-FAILED], 99thPercentileLatency(us), "), "{}", said.out);
}

#[test]
fn a_search_whose_operations_fail_says_so_and_does_not_blame_noise() {
    let search = "search --slo p99=1s -p recordcount=900000 --probe-seconds 0.05 --start-rate 200";
    let said = loaded().run(&format!("{search} --engine memory --dir db")).expect(3, " operations failed\n");
    let expected = " probes; was the data set loaded by the same engine, with the same recordcount?";
    assert!(said.out.contains(expected), "{}", said.out);
}

#[test]
fn an_engine_that_is_refused_by_its_own_run_still_leaves_a_report() {
    let said = Bench::new()
        .run("suite --smoke --engines memory --repeat 1 --threads 0")
        .expect(1, "property threadcount is '0'; allowed: a whole number from 1 to 4096");
    said.expect(1, "memory could not be run, and is left out: see its own message");
}

#[test]
fn a_database_in_use_says_by_whom() {
    let bench = Bench::new();
    bench.run("load -p recordcount=5 --dir db").expect(0, "");
    let lock = std::fs::File::options().write(true).open(bench.path("db/LOCK")).unwrap();
    lock.lock().unwrap();
    bench
        .run("run -p recordcount=5 -p operationcount=5 --dir db")
        .expect(2, "db is in use by what process ")
        .expect(2, "close it there first");
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
const WRONG: &[(&str, &str)] = &[
    ("run -p recordcount=5 --dir file", "error: file is a file; --dir takes the directory of a database"),
    (
        "run -p recordcount=5 -p operationcount=5 --dir empty",
        "the directory empty is empty; load the data set first",
    ),
    (
        "run --dir db",
        "error: property recordcount is not set; allowed: a whole number of at least 1; set it with -p",
    ),
    (
        "load -p recordcount=5 --threads ten --dir new",
        "expected a whole number in digits alone, such as 1000",
    ),
    ("load -p recordcount=5 --threads -1 --dir new", "expected a whole number in digits alone, such as 1000"),
    ("load -p recordcount=5 --duration 10s --dir new", "expected a number without a unit, such as 10 or 0.5"),
    (
        "load -p recordcount=5 --duration -1 --dir new",
        "(--duration): property maxexecutiontime is '-1'; allowed: a n",
    ),
    (
        "load -p recordcount=5 --dir new --csv no/x",
        "--csv takes a file in a directory that is there and can be writ",
    ),
    (
        "--smoke --json empty",
        "--json takes a file in a directory that is there and can be written: Is a directory",
    ),
    (
        "--smoke --join-group empty",
        "cannot join the control group empty; --join-group takes the directory of one",
    ),
    (
        "ci --update-baseline --dir nowhere",
        "cannot create a directory in nowhere; name a place that can be written",
    ),
    (
        "compare nowhere db",
        "cannot read nowhere; give a file written by --json, or a directory of them: No such file",
    ),
    (
        "compare nowhere --pairs 10 --results new",
        "there is no program nowhere; with --pairs, BASE takes the path of a rabi-bench: No",
    ),
    (
        "compare db --pairs 10 --results new",
        "db is no program; with --pairs, BASE takes the path of a rabi-bench",
    ),
    ("compare file --pairs 10", "--pairs needs --results DIR"),
    (
        "compare --calibrate db --pairs 10",
        "--calibrate takes either runs that were recorded, by BASE, or the arguments of new ones",
    ),
    (
        "compare file --pairs 10 --results file",
        "cannot use the directory file/base; name a place that can be written",
    ),
    ("compare /bin/true --pairs 10 --results r", "and left no results: it said nothing; is it a rabi-bench?"),
    (
        "compare file --pairs 10 --results new -- --json x",
        "--json cannot be given to the single runs; --results, before",
    ),
    (
        "compare --calibrate --out no/x -- --smoke",
        "cannot create no/x; --out takes a file in a directory that is there",
    ),
    (
        "search --slo p99=1ms -p recordcount=5 --engine memory --dir db --json no/x",
        "cannot create no/x; --json takes",
    ),
    (
        "search --slo p99=1ms -p recordcount=5 --dir db --duration 5",
        "--duration cannot be given to a search: each",
    ),
    ("search --slo p99=1ms -p recordcount=5 --dir db --confirm 0", "--confirm is 0; allowed: at least 1"),
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
    std::fs::create_dir(bench.path("empty")).unwrap();
    for (arguments, expected) in WRONG {
        bench.run(arguments).expect(2, expected);
    }
    assert_eq!(
        std::fs::read_dir(bench.path("empty")).unwrap().count(),
        0,
        "a file was put where nothing was asked"
    );
    assert_eq!(std::fs::read_dir(bench.path("db")).unwrap().count(), 1, "files were put among foreign ones");
}

#[test]
fn a_device_that_fills_up_is_named_and_the_job_fails() {
    // Written to, it is always full.
    Bench::new()
        .run("load -p recordcount=5 --engine memory --dir db --csv /dev/full")
        .expect(2, "cannot write /dev/full: No space left on device");
}

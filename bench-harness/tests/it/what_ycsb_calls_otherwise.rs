//! What YCSB's files and command lines ask for and is not offered here is refused, not run as something else.

use crate::harness::Bench;

/// As YCSB's `workloads/tsworkloada` begins.
const TIME_SERIES: &str = "# Yahoo! Cloud System Benchmark\n\
    recordcount=1000\n\
    operationcount=1000\n\
    workload=site.ycsb.workloads.TimeSeriesWorkload\n\
    readproportion=0.50\n\
    updateproportion=0.00\n";

#[test]
fn another_workload_class_is_refused_with_its_line_and_what_there_is() {
    let bench = Bench::new();
    bench.write("tsworkloada", TIME_SERIES);
    let expected = "tsworkloada:4: property workload is 'site.ycsb.workloads.TimeSeriesWorkload'; allowed: \
                    site.ycsb.workloads.CoreWorkload, com.yahoo.ycsb.workloads.CoreWorkload";
    bench.run("load -P tsworkloada --engine memory --dir db").expect(2, expected);
    bench.run("crash -P tsworkloada --dir db").expect(2, expected);
    let named =
        "property workload is 'site.ycsb.webservice.rest.RestWorkload'; allowed: site.ycsb.workloads.CoreWor";
    let rest = "-p workload=site.ycsb.webservice.rest.RestWorkload --engine memory";
    bench.run(&format!("--smoke {rest}")).expect(2, named);
    bench.run(&format!("load -p recordcount=5 {rest} --dir db")).expect(2, named);
    assert!(!bench.path("db").exists(), "a refused workload made a directory");
    for core in ["site.ycsb.workloads.CoreWorkload", "com.yahoo.ycsb.workloads.CoreWorkload"] {
        bench
            .run(&format!("load -p recordcount=5 -p workload={core} --engine memory --dir db"))
            .expect(0, "");
    }
}

#[test]
fn another_database_class_is_refused_with_the_engine_of_the_run() {
    let bench = Bench::new();
    bench.write("mix", "recordcount=5\ndb=com.yahoo.ycsb.db.rocksdb.RocksDBClient\n");
    bench
        .run("load -P mix --engine memory --dir db")
        .expect(2, "mix:2: property db is 'com.yahoo.ycsb.db.rocksdb.RocksDBClient'; allowed: memory, the engine of ")
        .expect(2, "this run; --engine rocksdb runs the one it names");
    bench.run("load -p recordcount=5 -p db=site.ycsb.BasicDB --engine memory --dir db").expect(
        2,
        "property db is 'site.ycsb.BasicDB'; allowed: memory, the engine of this run; --engine chooses ",
    );
    bench
        .run("--smoke --engine memory -p db=rabi")
        .expect(2, "allowed: memory, the engine of this run; --engine rabi ");
    bench
        .run("crash --dir db -p recordcount=5 -p db=lmdb")
        .expect(2, "property db is 'lmdb'; allowed: rabi, the eng");
    assert!(!bench.path("db").exists(), "a refused engine made a directory");
    bench.run("load -p recordcount=5 -p db=memory --engine memory --dir db").expect(0, "");
}

/// Arguments, and the hint below the error.
const FLAGS: &[(&str, &str)] = &[
    ("run -threads 4 --dir db", "YCSB's -threads is --threads here"),
    ("run -target 100 --dir db", "YCSB's -target is --target here"),
    ("run -db site.ycsb.BasicDB --dir db", "YCSB's -db is --engine here"),
    ("run -load --dir db", "YCSB's -load is the command load here: rabi-bench load "),
    ("-load -P mix", "YCSB's -load is the command load here: rabi-bench load "),
    ("-t -P mix", "YCSB's -t is the command run here: rabi-bench run "),
    ("run -l label --dir db", "YCSB's -l is the property label here: -p label="),
    ("run -cp some.jar --dir db", "YCSB's -cp has no equivalent here: there is no JVM"),
    ("load -jvm-args=-Xmx1g --dir db", "YCSB's -jvm-args has no equivalent here: there is no JVM"),
    ("run basic -P mix", "YCSB names the database by its place; here --engine does"),
    ("load rabi -P mix", "YCSB names the database by its place; here --engine does: --engine rabi"),
    ("shell basic", "YCSB's shell has no equivalent here"),
    ("-s", "YCSB's -s is an option of load and run here; the main job always shows how far it is"),
];

#[test]
fn the_flags_of_ycsb_are_answered_with_those_of_here() {
    let bench = Bench::new();
    for (arguments, hint) in FLAGS {
        bench.run(arguments).expect(2, "error: ").expect(2, hint);
    }
    // What is no flag of YCSB gets none, and neither does a value that looks like one.
    let said = bench.run("run --dir db --frobnicate").expect(2, "error: ");
    assert!(!said.err.contains("YCSB"), "{}", said.err);
    bench.run("load -p label=-threads -p recordcount=5 --engine memory --dir db").expect(0, "");
}

/// YCSB cuts the record numbers that it has drawn to 32 bits, and asks for records that nobody inserted.
#[test]
fn record_numbers_beyond_32_bits_are_numbers_like_any_other() {
    let bench = Bench::new();
    let mix = "-p recordcount=3000000100 -p insertstart=3000000000 -p insertcount=100 -p dataintegrity=true \
               --engine memory --dir db";
    bench.run(&format!("load {mix}")).expect(0, "");
    let said = bench.run(&format!("run {mix} -p operationcount=500 -p updateproportion=0")).expect(0, "");
    assert!(said.out.contains("[READ], Return=OK, 500\n"), "{}", said.out);
}

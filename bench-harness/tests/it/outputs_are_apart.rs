//! A command that would write two results into one file, or over what it reads, is refused before it runs.

use crate::harness::Bench;

const LOAD: &str = "load -p recordcount=5 --engine memory --dir db";

/// Arguments, and what is said. `link` leads to `out`, which is not there, and `mix` is a property file.
const CLASHES: &[(&str, &str)] = &[
    (
        "--json out --csv out",
        "--csv would overwrite out, which is the file of --json as well; name another file",
    ),
    (
        "--json out --hdr-log ./sub/../out",
        "--hdr-log would overwrite ./sub/../out, which is the file of --json",
    ),
    (
        "--json link --openmetrics out",
        "--openmetrics would overwrite out, which is the file of --json as well",
    ),
    ("--csv out --go-bench link", "--go-bench would overwrite link, which is the file of --csv as well"),
    (
        "--go-bench out --record-trace out",
        "--record-trace would overwrite out, which is the file of --go-bench",
    ),
    ("-P mix --json mix", "--json would overwrite mix, which is the file of -P as well"),
];

#[test]
fn two_outputs_to_one_file_are_refused_under_any_spelling() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("sub")).unwrap();
    std::os::unix::fs::symlink("out", bench.path("link")).unwrap();
    bench.write("mix", "recordcount=5\n");
    for (arguments, expected) in CLASHES {
        bench.run(&format!("{LOAD} {arguments}")).expect(2, expected);
        assert!(!bench.path("out").exists() && !bench.path("db").exists(), "{arguments}: something ran");
    }
    assert_eq!(std::fs::read_to_string(bench.path("mix")).unwrap(), "recordcount=5\n");
    bench
        .run(&format!("search --slo p99=1ms {} -P mix --json mix", &LOAD[5..]))
        .expect(2, "--json would overwrite mix");
    bench
        .run("crash -P mix --dir dbs --json ./mix")
        .expect(2, "--json would overwrite ./mix, which is the file of -P");
    bench
        .run(&format!("{LOAD} --json out --csv other --hdr-log /dev/null --go-bench /dev/null"))
        .expect(0, "");
}

#[test]
fn standard_output_in_a_file_is_an_output_too() {
    let bench = Bench::new();
    let out = std::fs::File::create(bench.path("out")).unwrap();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_rabi-bench"))
        .args(["--smoke", "--engine", "memory", "--json", "out"])
        .current_dir(bench.path("."))
        .stdout(out)
        .output()
        .unwrap();
    let err = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{err}");
    assert!(
        err.contains("--json would overwrite out, which is the file of standard output as well"),
        "{err}"
    );
}

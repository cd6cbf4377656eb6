//! A command that would write two results into one file, or over what it reads, is refused before it runs.

use crate::harness::Bench;

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

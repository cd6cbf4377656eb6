//! `ci` against baselines of its own: the same build passes, a slower one does not.

use serde_json::json;

use crate::harness::{Bench, engines};

const SIZE: &str = "--operations 400 --dir .";

#[test]
fn the_same_build_passes_and_a_changed_baseline_does_not() {
    let bench = Bench::new();
    bench
        .run(&format!("ci --engine memory {SIZE}"))
        .expect(2, "record one with: rabi-bench ci --update-baseline");
    bench.run(&format!("ci --engine memory {SIZE} --update-baseline")).expect(0, "");
    let said = bench.run(&format!("ci --engine memory {SIZE}")).expect(0, "");
    assert!(said.out.ends_with("NO REGRESSION of the counters\n"), "{}", said.out);
    let mut baseline = bench.json("results/ci-baseline.json");
    let allocations = &mut baseline["counters"]["insert allocations_per_op"];
    *allocations = json!(allocations.as_f64().unwrap() - 1.0);
    bench.write("results/ci-baseline.json", &baseline.to_string());
    let said = bench.run(&format!("ci --engine memory {SIZE}")).expect(1, "");
    assert!(said.out.contains("REGRESSION in 1 counters"), "{}", said.out);
    baseline["conditions"]["rustc"] = json!("rustc 0.1");
    bench.write("results/ci-baseline.json", &baseline.to_string());
    let said = bench.run(&format!("ci --engine memory {SIZE}")).expect(4, "");
    assert!(said.out.contains("  rustc: rustc 0.1 / rustc 1"), "{}", said.out);
    assert!(said.out.contains("\nNO VERDICT on "), "{}", said.out);
    bench.run(&format!("ci --engine memory {SIZE} --force")).expect(1, "warning: judged by --force");
}

#[test]
fn another_machine_is_no_excuse_for_allocations() {
    let bench = Bench::new();
    bench.run(&format!("ci --engine memory {SIZE} --update-baseline")).expect(0, "");
    let mut baseline = bench.json("results/ci-baseline.json");
    baseline["conditions"]["libc"] = json!("glibc 0.1");
    baseline["conditions"]["processor"] = json!("an abacus");
    // A baseline with instructions, also where nobody can count them.
    baseline["counters"]["insert instructions_per_op"] = json!(1e9);
    bench.write("results/ci-baseline.json", &baseline.to_string());
    let said = bench.run(&format!("ci --engine memory {SIZE}")).expect(4, "");
    let verdict = |counter: &str| said.out.lines().find(|line| line.starts_with(counter)).unwrap();
    assert!(verdict("insert allocations_per_op").ends_with("within the limit"), "{}", said.out);
    assert!(verdict("insert instructions_per_op").contains("no verdict: "), "{}", said.out);
    baseline["counters"]["insert allocations_per_op"] = json!(-1.0);
    bench.write("results/ci-baseline.json", &baseline.to_string());
    bench.run(&format!("ci --engine memory {SIZE}")).expect(1, "");
}

#[test]
fn three_percent_more_instructions_in_a_read_are_caught_and_nothing_else_is_blamed() {
    let engine = *engines().last().unwrap();
    let bench = Bench::new();
    let said = bench.run(&format!("ci --engine {engine} {SIZE} --update-baseline")).expect(0, "");
    if !said.out.contains("instructions by callgrind") {
        eprintln!("not tested: without valgrind instructions are not counted step by step");
        return;
    }
    let baseline = bench.json("results/ci-baseline.json");
    let of_read = baseline["counters"]["read-table instructions_per_op"].as_f64().unwrap();
    let injected = (of_read * 0.03).ceil() as u64 + 2;
    let said =
        bench.run(&format!("ci --engine {engine} {SIZE} --inject-instructions {injected}")).expect(1, "");
    let verdict = |counter: &str| said.out.lines().find(|line| line.starts_with(counter)).unwrap().to_owned();
    assert!(verdict("read-table instructions_per_op").ends_with("REGRESSION"), "{}", said.out);
    assert!(verdict("insert instructions_per_op").ends_with("within the limit"), "{}", said.out);
    assert!(verdict("scan-50 instructions_per_op").ends_with("within the limit"), "{}", said.out);
}

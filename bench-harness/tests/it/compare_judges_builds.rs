//! `compare` on result files whose truth is known: exit codes, texts, refusals.

use serde_json::json;

use crate::harness::Bench;

/// Relative deviations of ten repeats, as a quiet machine has them: about one percent.
const NOISE: [f64; 10] = [0.004, -0.011, 0.007, 0.0, -0.006, 0.012, -0.003, 0.009, -0.008, 0.002];

/// Writes repeats of a side whose rate is `factor` times that of others.
fn side(bench: &Bench, name: &str, repeats: usize, factor: f64, kernel: &str) {
    std::fs::create_dir_all(bench.path(name)).unwrap();
    for (repeat, noise) in NOISE.iter().cycle().take(repeats).enumerate() {
        // The second side's noise must not repeat that of the first.
        let noise = if name == "base" { *noise } else { -noise * 0.9 + 0.0005 };
        let rate = 100_000.0 * factor * (1.0 + noise);
        let latency = 1e6 / rate;
        let row = json!({"count": 50_000, "service_us": {"p50": latency, "p99": 3.0 * latency, "p999": 9.0 * latency}});
        let result = json!({
            "schema": 2, "engine": "rabi", "phase": "run", "workload": "workloadc", "threads": 2,
            "durability": "process", "records": 1000, "errors_total": 0, "operations_total": 50_000,
            "throughput_ops_s": rate, "operations": {"READ": row},
            "resources": {"cpu_us_per_operation": 2.0 * latency},
            "environment": {"kernel": kernel, "git_commit": name},
        });
        bench.write(&format!("{name}/{repeat:02}.json"), &result.to_string());
    }
}

fn both(repeats: usize, factor: f64, kernel: &str) -> Bench {
    let bench = Bench::new();
    side(&bench, "base", repeats, 1.0, "6.1");
    side(&bench, "new", repeats, factor, kernel);
    bench
}

#[test]
fn five_percent_less_is_a_regression_and_as_much_more_is_not() {
    let said = both(10, 0.95, "6.1").run("compare base new --json c.json").expect(1, "");
    assert!(said.out.contains("REGRESSION in 5 of 5 metrics"), "{}", said.out);
    assert!(said.out.contains("geometric mean of throughput, new over base: 0.949"), "{}", said.out);
    let bench = both(10, 1.05, "6.1");
    let said = bench.run("compare base new --json c.json").expect(0, "");
    assert!(said.out.contains("NO REGRESSION beyond the minimum effect in any of 5 metrics"), "{}", said.out);
    let json = bench.json("c.json");
    assert_eq!(json["verdict"], "no-regression");
    assert_eq!(json["lines"][0]["metric"], "throughput_ops_s");
    assert_eq!(json["lines"][0]["call"], "improvement");
    assert!((json["lines"][0]["change"].as_f64().unwrap() - 0.05).abs() < 0.01);
}

#[test]
fn equal_builds_are_the_same_and_too_few_repeats_are_inconclusive() {
    let said = both(10, 1.0, "6.1").run("compare base new").expect(0, "");
    assert!(said.out.contains("same within the minimum effect"), "{}", said.out);
    let said = both(4, 1.0, "6.1").run("compare base new").expect(3, "");
    assert!(said.out.contains("4 repeats; at least 5 a side are needed"), "{}", said.out);
    let said = both(1, 0.5, "6.1").run("compare base/00.json new/00.json").expect(3, "");
    assert!(said.out.contains("INCONCLUSIVE: 5 of 5 metrics"), "{}", said.out);
}

#[test]
fn unlike_conditions_are_refused_by_name_unless_forced() {
    let bench = both(10, 0.95, "6.9");
    let said = bench.run("compare base new").expect(2, "the conditions are unlike (base / new):");
    assert!(said.err.contains("  kernel: 6.1 / 6.9\n") && said.err.contains("--force"), "{}", said.err);
    bench.run("compare base new --force").expect(1, "warning: compared by --force");
}

#[test]
fn only_what_is_judged_has_to_be_alike() {
    let bench = both(10, 0.95, "6.1");
    let mut inserting = bench.json("base/00.json");
    inserting["workload"] = json!("workloade");
    for (path, records) in [("base/inserting.json", 1000), ("new/inserting.json", 1001)] {
        inserting["records"] = json!(records);
        bench.write(path, &inserting.to_string());
    }
    let said =
        bench.run("compare base new").expect(2, "records: 1000 / 1001\na workload that is bounded by time");
    assert!(said.err.contains("bound it by --operations, or judge others by --workloads"), "{}", said.err);
    let said = bench.run("compare base new --workloads workloadc").expect(1, "");
    assert!(said.out.contains("REGRESSION in 5 of 5 metrics"), "{}", said.out);
}

#[test]
fn failed_operations_are_no_measurement() {
    let bench = both(10, 1.0, "6.1");
    let mut result = bench.json("new/03.json");
    result["errors_total"] = json!(7);
    bench.write("new/03.json", &result.to_string());
    bench.run("compare base new").expect(2, "new/03.json: 7 operations failed");
}

#[test]
fn metrics_can_be_chosen_and_a_wrong_choice_is_answered() {
    let bench = both(10, 0.95, "6.1");
    let said = bench.run("compare base new --metrics throughput").expect(1, "");
    assert!(said.out.contains("REGRESSION in 1 of 1 metrics"), "{}", said.out);
    bench.run("compare base new --metrics no").expect(2, "that --metrics names");
    let said = bench.run("compare base new --workloads workloadc --metrics throughput").expect(1, "");
    assert!(said.out.contains("REGRESSION in 1 of 1 metrics"), "{}", said.out);
    let none = "--workloads names none that both sides have; allowed: workloadc";
    bench.run("compare base new --workloads workloadx").expect(2, none);
    bench.run("compare base none").expect(2, "cannot read none; give a file written by --json");
    bench.run("compare base new --alpha 2").expect(2, "--alpha is 2; allowed: between 0 and 1");
}

#[test]
fn a_calibration_raises_the_minimum_effect_to_the_noise_of_the_machine() {
    let bench = both(10, 1.0, "6.1");
    let said = bench.run("compare --calibrate . --out noise.json").expect(0, "");
    assert!(said.out.contains("called a regression in 0 of 5 metrics"), "{}", said.out);
    let mut noise = bench.json("noise.json");
    let floor = noise["floors"][0]["floor"].as_f64().unwrap();
    assert!(floor > 0.0 && floor < 0.02, "{floor}");
    for floor in noise["floors"].as_array_mut().unwrap() {
        floor["floor"] = json!(0.2);
    }
    bench.write("noise.json", &noise.to_string());
    side(&bench, "slow", 10, 0.95, "6.1");
    bench.run("compare base slow").expect(1, "");
    bench.run("compare base slow --noise noise.json").expect(0, "");
}

#[test]
fn two_builds_are_run_in_turn_and_compared_as_pairs() {
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_rabi-bench");
    let job = "--engine memory --records 300 --operations 3000 --workloads c --threads 1";
    let pairs = format!("compare {program} --pairs 5 --results r --metrics throughput -- {job}");
    let said = bench.run(&pairs);
    assert!([0, 1, 3].contains(&said.code), "{}", said.err);
    assert!(said.out.contains("5 and 5 repeats, paired"), "{}", said.out);
    assert!(said.err.contains("rabi-bench compare r/base r/new"), "{}", said.err);
    let (base, new) = (bench.json("r/base/02.json"), bench.json("r/new/02.json"));
    assert_eq!((&base["pairing"]["pair"], &new["pairing"]["pair"]), (&json!(1), &json!(1)));
    // B before A in the second pair.
    assert_eq!(base["pairing"]["order"], json!([1, 0]));
    let again = bench.run("compare r/base r/new --metrics throughput --json c.json");
    assert_eq!((again.code, again.out), (said.code, said.out), "{}", again.err);
    bench.run(&pairs).expect(2, "is not empty; results of other runs would be mixed in");
    bench
        .run(&format!("compare {program} --pairs 10 --results s -- --dir db"))
        .expect(2, "--dir cannot be given to the single runs");
}

#[test]
fn pairs_loaded_once_run_on_clones_and_say_how_they_were_made() {
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_rabi-bench");
    let pairs =
        |job: &str| bench.run(&format!("compare {program} --pairs 2 --results r --load-once -- {job}"));
    let said = pairs("--smoke --records 5000 --operations 500 --workloads c,a --verify")
        .expect(3, "cloned the data set: ");
    assert!(said.out.contains("2 repeats; at least 5 a side are needed"), "{}", said.out);
    assert_eq!(said.err.matches("load: ").count(), 2, "{}", said.err);
    for name in ["base/01", "base/02", "new/01", "new/02"] {
        let result = bench.json(&format!("r/{name}.json"));
        let phases = result["phases"].as_array().unwrap();
        let done: Vec<_> = phases.iter().map(|phase| (&phase["phase"], &phase["workload"])).collect();
        assert_eq!(
            done,
            [(&json!("run"), &json!("workloadc")), (&json!("run"), &json!("workloada"))],
            "{name}"
        );
        let bytes = |way: &str| result["pairing"]["cloned"][way].as_u64().unwrap();
        // 5000 records of 1 KB, settled: their tables are never copied where links are to be had.
        assert!(bytes("reflinked_bytes") + bytes("linked_bytes") > 5_000_000, "{}", result["pairing"]);
    }
    let [first, second] =
        ["01", "02"].map(|run| bench.json(&format!("r/base/{run}.json"))["pairing"].clone());
    assert_eq!(first["cloned"], second["cloned"], "a run changed the data set it was cloned from");
    let mut loading = bench.json("r/new/01.json");
    loading["pairing"].as_object_mut().unwrap().remove("cloned");
    bench.write("loading.json", &loading.to_string());
    bench.run("compare r/base loading.json").expect(2, "data_set: cloned / not recorded");
    std::fs::remove_dir_all(bench.path("r")).unwrap();
    pairs("--engine null --smoke").expect(2, "keeps nothing in its directory; leave --load-once out");
    pairs("--loaded").expect(2, "--loaded cannot be given to the single runs; --load-once");
}

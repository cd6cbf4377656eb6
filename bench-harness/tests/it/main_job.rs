//! The main job in its smoke size.

use crate::harness::{Bench, count, engines, read_json};

#[test]
fn the_smoke_job_runs_all_workloads_and_leaves_three_files() {
    // The peers have the load and the six workloads in their own test; some of them sync every
    // write, and would spend a minute here.
    for engine in engines().into_iter().filter(|engine| ["memory", "rabi"].contains(engine)) {
        check_smoke_job(engine);
    }
}

fn check_smoke_job(engine: &str) {
    let bench = Bench::new();
    let said = bench.run(&format!("--engine {engine} --smoke --verify")).expect(0, "");
    assert!(said.out.contains("workloade") && said.out.contains("READ-MODIFY-WRITE"));
    let about_levels =
        if engine == "rabi" { "L0 first seen filled at" } else { "This engine reports no levels." };
    assert!(said.out.contains(about_levels), "{}", said.out);
    let dir = bench.results();

    let report = read_json(&dir.join("results.json"));
    let phases = report["phases"].as_array().unwrap();
    let names: Vec<_> = phases[1..].iter().map(|p| p["workload"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "f", "e"].map(|letter| format!("workload{letter}")));
    assert_eq!(phases[0]["phase"], "load");
    assert_eq!(count(&phases[0], "INSERT"), 20_000);
    // What D inserted belongs to the data set of the phases after it.
    let inserted = count(&phases[4], "INSERT");
    assert!(inserted > 0);
    assert_eq!(phases[5]["records"].as_u64().unwrap(), 20_000 + inserted);
    for name in ["kernel", "cpu_model", "file_system", "git_commit", "build_profile"] {
        assert!(report["environment"][name].is_string(), "{name}");
    }
    let readme = std::fs::read_to_string(dir.join("README.md")).unwrap();
    assert!(readme.contains("| workload") && readme.contains(&format!("--engine {engine} --smoke")));
    let page = std::fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(page.contains("workloade") && page.ends_with("</html>\n"));
}

#[test]
fn a_named_directory_stays_and_must_have_been_empty() {
    let bench = Bench::new();
    let job = "--engine memory --records 500 --operations 200 --workloads c --dir db";
    bench.run(job).expect(0, "");
    assert!(bench.path("db/memory.dump").exists());
    bench.run(job).expect(2, "the directory db is not empty");
}

#[test]
fn two_jobs_in_one_second_have_results_of_their_own() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.run("--engine null --records 10 --operations 10 --workloads c").expect(0, "");
    }
    assert_eq!(std::fs::read_dir(bench.path("results")).unwrap().count(), 3);
}

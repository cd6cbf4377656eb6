//! `search`: the highest rate that meets a latency objective, and whose limit it is.

use crate::harness::Bench;

fn loaded() -> Bench {
    let bench = Bench::new();
    bench.run("load -P {c} --engine memory --dir db").expect(0, "");
    bench
}

#[test]
fn the_rate_of_calls_of_known_length_is_found_and_repeated() {
    let bench = loaded();
    // One thread and calls of 2 ms: at most 500 a second. How much less depends on how busy the
    // machine is, and so does whether all repeats hold.
    let search = "search --slo p50=20ms -P {c} --engine memory --dir db --threads 1 --inject-delay-ns 2000000 \
         --probe-seconds 0.5 --start-rate 50 --precision 0.3 --confirm 1 --json x.json";
    let said = bench.run(search);
    assert!([0, 3].contains(&said.code), "{}", said.err);
    let report = bench.json("x.json");
    assert_eq!((said.code == 0, &report["judged"]), (report["limit"] == "engine", &"response".into()));
    let probes = report["probes"].as_array().unwrap();
    assert_eq!(probes[0]["rate_ops_s"], 50.0);
    for probe in probes {
        let (rate, response_us) = (&probe["rate_ops_s"], probe["response_us"].as_f64().unwrap());
        // In half a second a rate of 700 brings 350 operations, of which 250 can be done.
        assert!(probe["met"] == false || rate.as_f64().unwrap() < 700.0, "{probe}");
        assert!(probe["met"] == false || response_us <= 20_000.0, "{probe}");
    }
    if let Some(found) = report["found_ops_s"].as_f64() {
        let repeated = |probe: &serde_json::Value| probe["confirms"] == true && probe["rate_ops_s"] == found;
        assert!(probes.iter().filter(|probe| repeated(probe)).all(|probe| probe["met"] == true));
        assert!(probes.iter().any(repeated));
    }
}

#[test]
fn an_objective_that_no_call_can_meet_ends_without_a_rate() {
    let bench = loaded();
    let search = "search --slo p50=1ms -P {c} --engine memory --dir db --threads 2 --inject-delay-ns 5000000 \
         --probe-seconds 0.3 --start-rate 20 --service --json x.json";
    let said = bench.run(search).expect(3, "");
    assert!(said.out.contains("no rate met p50 of at most 1000 us (service times)"), "{}", said.out);
    assert!(bench.json("x.json")["found_ops_s"].is_null());
}

//! A phase in the format of Go's benchmarks (golang.org/design/14313-benchmark-format), which
//! `benchstat` compares: append the files of several repeats to each other.
//!
//! A `Unit` line tells it that more operations a second are better; of all other units less is.
//!
//! One line per kind of operation, with its mean as ns/op, and one for the whole phase.

use super::PhaseReport;

/// Configuration lines and benchmark lines.
pub fn go_bench(report: &PhaseReport) -> String {
    let mut out = format!(
        "Unit ops/s better=higher\ngoos: {}\ngoarch: {}\nengine: {}\ndurability: {}\n",
        std::env::consts::OS,
        go_arch(std::env::consts::ARCH),
        report.info.engine,
        report.info.durability
    );
    if let Some(environment) = &report.environment {
        out += &format!("cpu: {}\ncommit: {}\n", environment.cpu_model, environment.git_commit);
    }
    let name = |row: &str| {
        format!(
            "Benchmark{}/workload={}/op={}-{}",
            capital(report.phase),
            one_word(&report.workload),
            one_word(row),
            report.threads
        )
    };
    let per_operation_ns = 1e9 / report.throughput_ops_s.max(1e-9);
    out += &format!(
        "{} {} {per_operation_ns:.1} ns/op {:.1} ops/s\n",
        name("ALL"),
        report.operations_total,
        report.throughput_ops_s
    );
    for row in &report.operations {
        out += &format!("{} {} {:.1} ns/op", name(row.row), row.count, row.service.mean_us * 1e3);
        for (unit, us) in [
            ("p50-ns", row.service.p50_us),
            ("p99-ns", row.service.p99_us),
            ("p99.9-ns", row.service.p999_us),
        ] {
            out += &format!(" {:.0} {unit}", us * 1e3);
        }
        if let Some(response) = &row.response {
            for (unit, us) in [("response-p50-ns", response.p50_us), ("response-p99-ns", response.p99_us)] {
                out += &format!(" {:.0} {unit}", us * 1e3);
            }
        }
        out.push('\n');
    }
    out
}

/// Names end at the first space and begin with a capital after the word Benchmark.
fn one_word(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_")
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_uppercase() + rest
}

fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_go_makes_them() {
        assert_eq!(capital("load"), "Load");
        assert_eq!(one_word("my work load"), "my_work_load");
        assert_eq!(go_arch("x86_64"), "amd64");
    }
}

//! What counters depend on besides the code, and which counter on what.
//!
//! Under another C library or processor the instructions are others, and the allocations, bytes and syncs are not: those
//! are held against the baseline on any machine.

use std::collections::BTreeMap;
use std::process::Command;

use crate::environment::cpu_model;

use super::CiArgs;
use super::instructions::Counter;

const OF_INSTRUCTIONS: [&str; 3] = ["instructions_by", "libc", "processor"];
/// Instructions are counted on system calls, whatever the other runs have.
const NOT_OF_INSTRUCTIONS: [&str; 1] = ["backend"];

pub fn of(arguments: &CiArgs, counter: &Counter, backend: Option<String>) -> BTreeMap<String, String> {
    let libc = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let libc = libc.map_or_else(|_| "unknown".to_owned(), |done| text_of(&done.stdout));
    let options: Vec<String> =
        arguments.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let facts = [
        ("engine", arguments.engine.clone()),
        ("engine_options", options.join(" ")),
        ("operations", arguments.operations.to_string()),
        ("build_profile", env!("RABI_BENCH_PROFILE").to_owned()),
        ("rustc", env!("RABI_BENCH_RUSTC").to_owned()),
        ("arch", std::env::consts::ARCH.to_owned()),
        ("libc", libc),
        ("processor", processor(counter)),
        ("instructions_by", counter.name()),
        ("backend", backend.unwrap_or_default()),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The C library picks its copying loops by the processor's features. Callgrind shows programs a processor of its
/// own, the same on all machines with or all without AVX2.
fn processor(counter: &Counter) -> String {
    match counter {
        Counter::Callgrind(_) if has_avx2() => "callgrind's, with AVX2".to_owned(),
        Counter::Callgrind(_) => "callgrind's, without AVX2".to_owned(),
        Counter::Perf(_) | Counter::Nobody(_) => cpu_model(),
    }
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether a counter depends on any of these differences, each of which begins with the name of its condition.
pub fn are_unlike_for(counter: &str, differences: &[String]) -> bool {
    let is_of_instructions = counter.ends_with("instructions_per_op");
    let matters = |difference: &String| {
        let condition = difference.split(':').next().unwrap_or_default();
        match is_of_instructions {
            true => !NOT_OF_INSTRUCTIONS.contains(&condition),
            false => !OF_INSTRUCTIONS.contains(&condition),
        }
    };
    differences.iter().any(matters)
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_library_is_no_excuse_for_what_does_not_depend_on_it() {
        let libc = ["libc: glibc 2.36 / glibc 2.39".to_owned()];
        assert!(are_unlike_for("insert instructions_per_op", &libc));
        assert!(!are_unlike_for("insert allocations_per_op", &libc));
        let backend = ["backend: uring / blocking".to_owned()];
        assert!(are_unlike_for("power syncs_per_write", &backend));
        assert!(!are_unlike_for("insert instructions_per_op", &backend));
        let rustc = ["rustc: rustc 1.94 / rustc 1.95".to_owned()];
        assert!(are_unlike_for("insert instructions_per_op", &rustc));
        assert!(are_unlike_for("insert allocations_per_op", &rustc));
        assert!(!are_unlike_for("insert allocations_per_op", &[]));
    }
}

//! The hash of an environment: equal hashes, comparable results.
//!
//! It covers every field except those of `FREE`. Memory counts in whole gibibytes, rounded: what the
//! firmware leaves of it differs by some pages from boot to boot.

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::Environment;

/// Fields that may differ between comparable results: what is under test, and what names the run.
pub const FREE: [&str; 7] =
    ["fingerprint", "started_utc", "git_commit", "command", "directory", "hostname", "crate_version"];

/// The hash, as 16 hexadecimal digits.
pub fn of(environment: &Environment) -> String {
    let value = serde_json::to_value(environment).expect("all its fields have a form in JSON");
    format!("{:016x}", xxh3_64(text(&value).as_bytes()))
}

/// The fields that count, one to a line, by name.
fn text(environment: &Value) -> String {
    let fields = environment.as_object().into_iter().flatten();
    let mut lines: Vec<String> = fields
        .filter(|(name, _)| !FREE.contains(&name.as_str()))
        .map(|(name, value)| match (name.as_str(), value.as_u64()) {
            ("memory_bytes", Some(bytes)) => format!("{name}={} GiB", (bytes + (1 << 29)) >> 30),
            _ => format!("{name}={value}"),
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_names_the_run_does_not_count_and_everything_else_does() {
        let environment = Environment::gather(Path::new("/"));
        assert_eq!(environment.fingerprint.len(), 16);
        let same = Environment {
            command: "other".to_owned(),
            started_utc: "later".to_owned(),
            git_commit: "new".to_owned(),
            memory_bytes: environment.memory_bytes + 4096,
            ..environment.clone()
        };
        assert_eq!(of(&same), environment.fingerprint);
        let value = serde_json::to_value(&environment).unwrap();
        for name in value.as_object().unwrap().keys() {
            let mut changed = value.clone();
            changed[name] = "changed".into();
            assert_eq!(text(&changed) == text(&value), FREE.contains(&name.as_str()), "{name}");
        }
    }
}

//! Records at build time what a result has to name later: the commit the harness was built
//! from, whether the tree had changes, the build profile and the compiler.
//! Outside a git checkout the commit is left empty and the reports say "unknown".

use std::env;
use std::process::Command;

fn main() {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]);
    let dirty = !output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let commit = match (commit.is_empty(), dirty) {
        (true, _) => String::new(),
        (false, true) => format!("{commit}-dirty"),
        (false, false) => commit,
    };
    set("RABI_BENCH_COMMIT", &commit);
    set("RABI_BENCH_PROFILE", &env::var("PROFILE").unwrap_or_default());
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    set("RABI_BENCH_RUSTC", &output(&rustc, &["--version"]));
    set("RABI_BENCH_BUILD", &flags());
    set("RABI_BENCH_VERSIONS", &versions());
    watch("../Cargo.lock");
    // A commit moves the log of HEAD, also in a worktree, where `.git` is a file.
    for file in ["HEAD", "logs/HEAD", "index"] {
        let path = output("git", &["rev-parse", "--git-path", file]);
        if !path.is_empty() {
            watch(&path);
        }
    }
}

/// The packages whose versions a comparison has to name.
const COMPARED: [&str; 9] =
    ["rabi", "rocksdb", "librocksdb-sys", "heed", "lmdb-master-sys", "fjall", "lsm-tree", "redb", "sled"];

/// Their names and versions in the lock file.
fn versions() -> String {
    let lock = std::fs::read_to_string("../Cargo.lock").unwrap_or_default();
    let version = |name: &&str| {
        let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
        let version = lines.nth(1)?.strip_prefix("version = ")?.trim_matches('"');
        Some(format!("{name} {version}"))
    };
    COMPARED.iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

/// How the compiler was asked to optimise, and for what.
fn flags() -> String {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let mut features: Vec<String> = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()))
        .collect();
    features.sort();
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    format!(
        "opt-level {}, debug assertions {}, {}, rustflags {}, features {}, [profile.release] {}",
        variable("OPT_LEVEL"),
        if env::var("CARGO_CFG_DEBUG_ASSERTIONS").is_ok() { "on" } else { "off" },
        variable("TARGET"),
        or_none(variable("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " ")),
        or_none(features.join(" ")),
        or_none(release_profile()),
    )
}

/// The settings of the release profile, which no variable tells.
fn release_profile() -> String {
    watch("../Cargo.toml");
    let manifest = std::fs::read_to_string("../Cargo.toml").unwrap_or_default();
    let lines = manifest.lines().skip_while(|line| *line != "[profile.release]").skip(1);
    let settings = lines.take_while(|line| !line.starts_with('[')).filter(|line| line.contains('='));
    settings.map(|line| line.replace(" = ", "=")).collect::<Vec<_>>().join(" ")
}

fn set(name: &str, value: &str) {
    println!("cargo::rustc-env={name}={value}");
}

fn watch(path: &str) {
    println!("cargo::rerun-if-changed={path}");
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(done) if done.status.success() => String::from_utf8_lossy(&done.stdout).trim().to_owned(),
        _ => String::new(),
    }
}

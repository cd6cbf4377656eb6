//! Rules of the house, held over the source text. Each message names what to do instead.

mod circles;
mod markdown;

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Which modules each module may import, lowest layer first.
const IMPORTS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("io", &["base"]),
    ("exec", &["base", "io"]),
    ("files", &["base", "io", "exec"]),
    ("memtable", &["base", "io"]),
    ("cache", &["base", "io"]),
    ("table", &["base", "io", "cache"]),
    ("wal", &["base", "io", "exec", "files"]),
    ("cursor", &["base", "memtable", "table"]),
    ("tree", &["base", "io", "exec", "files", "memtable", "cache", "table", "wal", "cursor"]),
    ("engine", &["base", "io", "exec", "files", "memtable", "cache", "table", "wal", "cursor", "tree"]),
    ("db", &["base", "exec", "wal", "engine"]),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// One source file.
struct Source {
    /// From the repository's root, such as `src/tree/plan.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The module of the first level it belongs to; `lib` for the root.
    fn module(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap();
        rest.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    /// Its numbered lines up to its tests, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test() { Some(0) } else { self.text.find("\n#[cfg(test)]\nmod tests {") };
        let code = &self.text[..end.unwrap_or(self.text.len())];
        let lines = code.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn collect(dir: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        // Programs of their own, such as `examples/axum/`, are built where they are.
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { path: relative.to_str().unwrap().to_owned(), text });
        }
    }
}

/// The sources of the engine.
fn sources() -> Vec<Source> {
    let sources = sources_in(&["src"]);
    assert!(sources.len() > 50, "the sources are not where they are looked for");
    sources
}

/// All sources: of the engine, of the crates beside it, of the examples and of all tests.
fn sources_of_workspace() -> Vec<Source> {
    let sources = sources_in(&["src", "bench-harness", "simulator", "examples", "tests"]);
    for dir in ["src/", "bench-harness/src/", "simulator/src/", "examples/", "tests/"] {
        assert!(sources.iter().any(|source| source.path.starts_with(dir)), "{dir} has no sources");
    }
    sources
}

fn sources_in(dirs: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for dir in dirs {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// Fails with all findings at once.
fn none(findings: &str, instead: &str) {
    assert!(findings.is_empty(), "\n{findings}Instead: {instead}\n");
}

/// Lines of code, outside of the modules named, that contain one of `words`.
fn lines_with(words: &[&str], allowed: &[&str]) -> String {
    let mut findings = String::new();
    for source in sources().iter().filter(|source| !allowed.contains(&source.module())) {
        for (number, line) in source.code() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                writeln!(findings, "{}:{number} names `{word}`", source.path).unwrap();
            }
        }
    }
    findings
}

#[test]
fn only_io_names_the_system() {
    let words = [
        "io_uring::",
        "rustix::",
        "std::fs",
        "std::net",
        "thread::spawn",
        "thread::Builder",
        "thread::sleep",
        "Instant::",
        "SystemTime",
        "RandomState",
    ];
    none(
        &lines_with(&words, &["io"]),
        "go through the trait `Io` (src/io/mod.rs): files, clock, randomness and threads come from there, so \
         that the engine can run on a simulated machine.",
    );
}

#[test]
fn locks_and_atomics_come_from_base() {
    let words = ["std::sync::Mutex", "std::sync::Arc", "std::sync::RwLock", "std::sync::atomic"];
    none(
        &lines_with(&words, &["base"]),
        "import from `crate::base::sync`, which has them under both std and loom.",
    );
}

/// The lints know functions; which types do nothing unless they are used, a reader knows.
#[test]
fn what_does_nothing_when_dropped_must_be_used() {
    let text: String = sources().into_iter().filter(|one| one.module() == "db").map(|one| one.text).collect();
    for name in [
        "WriteBatch",
        "Snapshot",
        "Range",
        "Keys",
        "Cursor",
        "Ticket",
        "AsyncRange",
        "AsyncSnapshot",
        "CoreRange",
        "Driver",
        "TokioUringRange",
        "CoreSnapshot",
        "Stepper",
        "OpeningDb",
    ] {
        let (before, _) = text.split_once(&format!("pub struct {name}")).expect(name);
        let attribute = before.trim_end().lines().next_back().unwrap();
        assert!(
            attribute.starts_with("#[must_use = "),
            "{name} may be dropped unused: `#[must_use = \"why\"]`"
        );
    }
}

#[test]
fn the_readme_states_the_rust_that_ci_checks() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (manifest, readme, ci) = (read("Cargo.toml"), read("README.md"), read(".github/workflows/ci.yml"));
    let version = manifest.split_once("\nrust-version = \"").unwrap().1.split('"').next().unwrap();
    assert!(readme.contains(&format!("- Rust {version} or later")), "the README must say Rust {version}");
    let reads = "version=$(sed -n 's/^rust-version = \"\\(.*\\)\"$/\\1/p' Cargo.toml)";
    let runs = "cargo \"+${{ steps.msrv.outputs.version }}\" check --workspace --locked";
    assert!(ci.contains(reads) && ci.contains(runs), "CI must check with `rust-version` of Cargo.toml");
}

#[test]
fn every_number_of_the_statistics_is_explained() {
    let source = sources().into_iter().find(|source| source.path == "src/engine/stats.rs").unwrap();
    let numbers =
        source.code().filter_map(|(_, line)| Some(line.trim().strip_prefix("(\"")?.split_once('"')?.0));
    let numbers: Vec<&str> = numbers.collect();
    assert!(numbers.len() > 30, "the numbers are not where they are looked for");
    let rows = source.text.lines().filter_map(|line| line.strip_prefix("/// | `"));
    let first_columns = rows.filter_map(|row| Some(row.split_once("` | ")?.0));
    let explained: Vec<&str> = first_columns.flat_map(|names| names.split("`, `")).collect();
    let mut findings = String::new();
    for name in numbers.iter().filter(|name| !explained.contains(name)) {
        writeln!(findings, "{name} is not explained").unwrap();
    }
    for name in explained.iter().filter(|name| !numbers.contains(name)) {
        writeln!(findings, "{name} is explained and not there").unwrap();
    }
    none(&findings, "one row for each in the tables above `Stats`");
}

#[test]
fn no_call_needs_what_a_thread_lacks_at_its_end() {
    // Simulated worlds stay on a thread that is not about to end; a thread that begins knows itself.
    let exempt = ["src/base/coverage.rs", "src/tree/retired.rs", "src/io/host.rs", "src/io/sim/"];
    let findings = lines_with(&["thread::current", "thread::park", ".with(|"], &[]);
    let findings: String = findings
        .split_inclusive('\n')
        .filter(|line| !exempt.iter().any(|path| line.starts_with(path)))
        .collect();
    none(
        &findings,
        "calls work in the destructors of thread-locals: reach a local by `try_with`, and do without it; sleep \
         in `base::sync::parker`.",
    );
}

#[test]
fn every_public_call_is_made_in_a_forked_child() {
    let made = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/forked.rs")).unwrap();
    let mut findings = String::new();
    for source in sources_in(&["src/db"]) {
        // A batch is memory of the caller's; some are for simulations; what stays on a core is forked there, in
        // tests/it/guests.rs.
        let exempt = ["batch.rs", "simulated.rs", "stepper.rs"];
        let exempt = exempt.iter().chain(&[
            "core_db.rs",
            "core_range.rs",
            "core_snapshot.rs",
            "driver.rs",
            "uring_db.rs",
        ]);
        if exempt.into_iter().any(|name| source.path.ends_with(name)) {
            continue;
        }
        for (number, line) in source.code() {
            let line = line.trim_start().replacen("pub async fn ", "pub fn ", 1);
            let Some(rest) = line.strip_prefix("pub fn ") else { continue };
            let name = rest.split(['(', '<']).next().unwrap();
            let is_made =
                [".NAME(", ".NAME::<"].iter().any(|call| made.contains(&call.replace("NAME", name)));
            if !name.starts_with("open") && !is_made {
                writeln!(findings, "{}:{number} `{name}` is not called there", source.path).unwrap();
            }
        }
    }
    none(
        &findings,
        "call it in `Held::use_all` of tests/it/forked.rs: it gives `Error::Forked` and takes no lock.",
    );
}

#[test]
fn imports_go_down_only() {
    let mut findings = String::new();
    for source in sources() {
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let known = IMPORTS.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = known else {
            writeln!(findings, "{} belongs to no layer", source.path).unwrap();
            continue;
        };
        for (number, line) in source.code() {
            for after in line.split("crate::").skip(1) {
                let name: String =
                    after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if name != module && !allowed.contains(&name.as_str()) && !name.is_empty() {
                    writeln!(findings, "{}:{number} imports `{name}`", source.path).unwrap();
                }
            }
        }
    }
    none(
        &findings,
        "pass a value, or a small trait defined by the lower layer; the order is `IMPORTS` in this file.",
    );
}

/// Whether `unsafe` occurs as a word of the code: not in a comment, nor within a text.
fn has_unsafe(text: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let has = |line: &str| {
        // What is left of quotes begins or ends a text; texts hold every other part.
        let line = line.replace(r#"'"'"#, "").replace(r#"\""#, "");
        let mut words = line
            .split('"')
            .step_by(2)
            .flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'));
        words.any(|word| word == "unsafe")
    };
    code.into_iter().any(has)
}

#[test]
fn unsafe_occurs_in_the_listed_files_only() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("\n## Unsafe\n").nth(1).expect("ARCHITECTURE.md has a section `Unsafe`");
    let section = section.split("\n## ").next().unwrap();
    let listed: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next()).collect();
    let mut findings = String::new();
    for source in sources_of_workspace() {
        let has = has_unsafe(&source.text);
        if has != listed.contains(&source.path.as_str()) {
            let what = if has { "has unsafe code and is not listed" } else { "is listed and has none" };
            writeln!(findings, "{} {what}", source.path).unwrap();
        }
    }
    for path in listed.iter().filter(|path| !Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()) {
        writeln!(findings, "{path} is listed and does not exist").unwrap();
    }
    none(
        &findings,
        "use a safe construction; if there is none, add the file with its reason to the section `Unsafe` of \
         ARCHITECTURE.md, and take files without from it.",
    );
}

/// Functions that may take two bare `u64`, by path and name; and why.
const MAY_TAKE_TWO_U64: &[(&str, &str)] = &[
    // The simulated machine counts its changes and processes, and is checked from outside.
    ("src/io/sim/", ""),
    // A part and a whole: the order in which they are spoken of.
    ("src/tree/plan.rs", "per_mille"),
];

#[test]
fn no_function_takes_two_u64_that_could_be_swapped() {
    let mut findings = String::new();
    for source in sources() {
        let lines: Vec<(usize, &str)> = source.code().collect();
        for (at, (number, line)) in lines.iter().enumerate() {
            let Some((_, signature)) = line.split_once("fn ") else { continue };
            let name = signature.split(['(', '<']).next().unwrap();
            let may =
                |(path, function): &(&str, &str)| source.path.starts_with(path) && name.contains(function);
            if MAY_TAKE_TWO_U64.iter().any(may) {
                continue;
            }
            // The source is formatted: a signature ends with the first line that ends with its body or a `;`.
            let rest = lines[at..].iter().map(|(_, line)| *line);
            let end = rest.clone().position(|line| line.ends_with(['{', ';', '}'])).unwrap_or(0);
            let parameters: String = rest.take(end + 1).collect();
            let parameters = parameters.split("->").next().unwrap();
            if parameters.matches(": u64").count() > 1 || parameters.contains("u64, u64") {
                writeln!(findings, "{}:{number} {name}", source.path).unwrap();
            }
        }
    }
    none(
        &findings,
        "give one of them a type of its own (`Lsn`, `SeqNo`, `FileId` in src/base), take a range, or a struct.",
    );
}

#[test]
fn files_stay_short() {
    let mut findings = String::new();
    for source in sources_of_workspace() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            writeln!(findings, "{} has {lines} lines", source.path).unwrap();
        }
    }
    none(&findings, "split the file: one noun, one file, one main type; at most 500 lines.");
}

#[test]
fn functions_stay_short() {
    let mut findings = String::new();
    for source in sources_of_workspace() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            // The source is formatted: the closing brace stands under the function's first line.
            if !words.contains(&"fn") || line.trim_start().starts_with("//") || line.ends_with(['}', ';']) {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let len = lines[start..].iter().position(|line| *line == end).map_or(0, |len| len + 1);
            if len > FUNCTION_LINES_MAX {
                writeln!(findings, "{}:{} a function of {len} lines", source.path, start + 1).unwrap();
            }
        }
    }
    none(&findings, "leave the branches in it and give its loops and leaves functions of their own.");
}

#[test]
fn each_file_begins_by_saying_what_it_is() {
    let mut findings = String::new();
    for source in sources_of_workspace().iter().filter(|source| !source.text.starts_with("//! ")) {
        writeln!(findings, "{}:1 does not begin with `//! `", source.path).unwrap();
    }
    none(&findings, "begin with a few lines of `//!`: what it is, what always holds, who may call it.");
}

#[test]
fn no_code_panics_on_what_the_world_does() {
    none(
        &lines_with(&[".unwrap()"], &[]),
        "return an `Error` if the world can cause it, else `expect(\"why it cannot fail\")`.",
    );
    none(
        &lines_with(&["todo!", "dbg!", "unimplemented!", "println!", "eprintln!"], &[]),
        "finish it, or leave it out; what people should know goes through `tracing`.",
    );
}

#[test]
fn nothing_is_commented_out_or_left_for_later() {
    let mut findings = String::new();
    for source in sources() {
        let mut in_example = false;
        for (index, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            let Some(comment) = line.strip_prefix("//") else { continue };
            if comment.trim_start_matches(['/', '!']).trim().starts_with("```") {
                in_example = !in_example;
            }
            let is_code = !comment.starts_with(['/', '!']) && comment.ends_with([';', '{', '}']);
            let is_note = ["TODO", "FIXME", "XXX", "HACK"].iter().any(|word| comment.contains(word));
            if (is_code && !in_example) || is_note {
                writeln!(findings, "{}:{} {line}", source.path, index + 1).unwrap();
            }
        }
    }
    none(&findings, "delete it (the history keeps it), or write the sentence that it stands for.");
}

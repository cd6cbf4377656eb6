//! No module of a crate imports one that imports it, whether directly or by way of others.
//!
//! [`circles_in`] looks at one folder of sources: each file and each folder right below it is a module, and
//! whatever a module names by `crate::` or `super::` is an import, tests left aside. A folder counts
//! as a whole; ask for its own path to look into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Source, none, sources_in};

/// Folders whose modules import in one direction only.
const WITHOUT_CIRCLES: &[&str] = &[
    "src",
    "src/exec",
    "src/wal",
    "src/cache",
    "src/tree",
    "src/memtable",
    "src/engine",
    "src/files",
    "src/base",
    "src/db",
    "src/io",
    "src/io/sim",
    "src/io/uring",
    "src/table",
    "src/cursor",
    "bench-harness/src",
    "bench-harness/src/trace",
    "bench-harness/src/stats",
    "bench-harness/src/runner",
    "bench-harness/src/arguments",
    "bench-harness/src/environment",
    "bench-harness/src/engine",
    "bench-harness/src/report",
    "bench-harness/src/report/page",
    "bench-harness/src/generator",
    "bench-harness/src/suite",
    "bench-harness/src/compare",
    "bench-harness/src/properties",
    "bench-harness/src/resources",
    "bench-harness/src/workload",
    "bench-harness/src/measure",
    "bench-harness/src/commands",
    "bench-harness/src/commands/crash",
    "bench-harness/src/commands/search",
    "bench-harness/src/commands/ci",
    "bench-harness/src/commands/suite",
    "bench-harness/src/commands/compare",
    "bench-harness/src/commands/main_job",
    "simulator/src",
];

/// What the file of the folder itself (`main.rs`, `lib.rs`, `mod.rs`) is called in messages.
const ROOT: &str = "(root)";

/// Modules by name, each with those it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The circles among the modules of `dir`, from the repository's root, one a line; empty if there is none.
pub(super) fn circles_in(dir: &str) -> String {
    circles_among(dir, &sources_in(&[dir]))
}

fn circles_among(dir: &str, sources: &[Source]) -> String {
    let imports = imports_in(dir, sources);
    let mut findings = String::new();
    let mut told = BTreeSet::new();
    for name in imports.keys() {
        let reached = reached_from(name, &imports);
        let circle: Vec<&str> = imports
            .keys()
            .filter(|other| reached.contains(*other) && reached_from(other, &imports).contains(name))
            .map(String::as_str)
            .collect();
        if !circle.is_empty() && told.insert(circle.clone()) {
            writeln!(findings, "{dir}: a circle of {}:", circle.join(", ")).unwrap();
            for name in &circle {
                let within = imports[*name].iter().map(String::as_str).filter(|to| circle.contains(to));
                let within: Vec<&str> = within.collect();
                writeln!(findings, "  {name} imports {}", within.join(", ")).unwrap();
            }
        }
    }
    findings
}

/// Every module that `start` leads to by one import or more.
fn reached_from<'a>(start: &str, imports: &'a Imports) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = imports.get(start).into_iter().flatten().collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(imports.get(name).into_iter().flatten());
        }
    }
    reached
}

fn imports_in(dir: &str, sources: &[Source]) -> Imports {
    // Modules are named from the crate's root, which is the folder `src`.
    let inner = dir.split_once("src").map_or("", |(_, inner)| inner);
    let prefix: Vec<String> = inner.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut imports = Imports::new();
    for source in sources {
        imports.entry(module_of(dir, &source.path)).or_default();
    }
    let modules: BTreeSet<String> = imports.keys().cloned().collect();
    for source in sources {
        let from = module_of(dir, &source.path);
        let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
        let place = path_of(&source.path);
        for path in paths_in(&code, &place) {
            let Some(below) = path.strip_prefix(prefix.as_slice()) else { continue };
            let to = below.first().filter(|name| modules.contains(*name)).map_or(ROOT, String::as_str);
            if to != from {
                imports.entry(from.clone()).or_default().insert(to.to_owned());
            }
        }
    }
    if prefix.is_empty() {
        // A crate's root names all of its modules: what imports from it is in a circle.
        let others = modules.into_iter().filter(|name| name != ROOT);
        imports.entry(ROOT.to_owned()).or_default().extend(others);
    } else {
        // A folder's own file is its face, and may hold what its parts have in common.
        imports.remove(ROOT);
        imports.values_mut().for_each(|to| to.retain(|name| name != ROOT));
    }
    imports
}

/// The module right below `dir` that a file belongs to.
fn module_of(dir: &str, path: &str) -> String {
    let rest = path.strip_prefix(dir).expect("a source of the folder").trim_start_matches('/');
    match rest.split('/').next().expect("a path is not empty") {
        "main.rs" | "lib.rs" | "mod.rs" => ROOT.to_owned(),
        name => name.trim_end_matches(".rs").to_owned(),
    }
}

/// The path of a file's module from the root of its crate.
fn path_of(path: &str) -> Vec<String> {
    let inner = path.split_once("src/").map_or(path, |(_, inner)| inner);
    let parts = inner.trim_end_matches(".rs").split('/').map(str::to_owned);
    let mut parts: Vec<String> = parts.collect();
    if parts.last().is_some_and(|name| ["main", "lib", "mod"].contains(&name.as_str())) {
        parts.pop();
    }
    parts
}

/// All that code in the module `place` names by a path within its crate, from the crate's root.
fn paths_in(code: &str, place: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = code[..at].chars().next_back();
        // Not the end of another word, nor a step of a path that was begun before.
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let (mut rest, mut start) = (&code[at..], Vec::new());
        if rest.starts_with("crate::") {
            rest = &rest["crate::".len()..];
        } else {
            start = place.to_vec();
            while let Some(above) = rest.strip_prefix("super::") {
                start.pop();
                rest = above;
            }
        }
        expand(rest, &start, &mut found);
    }
    found
}

/// Adds each path that `text` begins with, below `above`; a group in braces is several. Returns what
/// follows.
fn expand<'a>(text: &'a str, above: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, above, found);
            // A new name (`as`) is of no interest.
            rest = rest.trim_start_matches(|c| c != ',' && c != '}');
            let Some(more) = rest.strip_prefix(',') else { return rest.strip_prefix('}').unwrap_or(rest) };
            rest = more.trim_start();
            if let Some(behind) = rest.strip_prefix('}') {
                return behind;
            }
        }
    }
    let rest = text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    let name = &text[..text.len() - rest.len()];
    let mut path = above.to_vec();
    if !name.is_empty() && name != "self" {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(below) => expand(below, &path, found),
        None => {
            found.push(path);
            rest
        }
    }
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    let findings: String = WITHOUT_CIRCLES.iter().map(|dir| circles_in(dir)).collect();
    none(
        &findings,
        "move what both need into a module below them, or pass a value; the crate's head (`main.rs`, `lib.rs`, \
         `mod.rs`) lists its layers.",
    );
}

/// What the list of layers in the head of a crate's root names, from the lowest layer up: an item each, and in it
/// words in backticks.
fn layers_of(head: &str) -> Vec<Vec<&str>> {
    let mut layers: Vec<Vec<&str>> = Vec::new();
    for line in head.lines().map_while(|line| line.strip_prefix("//!")) {
        if line.starts_with(" - ") {
            layers.push(Vec::new());
        }
        if let Some(layer) = layers.last_mut() {
            layer.extend(line.split('`').skip(1).step_by(2));
        }
    }
    layers
}

#[test]
fn modules_of_the_harness_import_from_their_own_layer_and_below_only() {
    let sources = sources_in(&["bench-harness/src"]);
    let root = sources.iter().find(|source| source.path == "bench-harness/src/main.rs").unwrap();
    let layers = layers_of(&root.text);
    let layer = |name: &String| layers.iter().position(|layer| layer.contains(&name.as_str()));
    let mut findings = String::new();
    for (from, imports) in imports_in("bench-harness/src", &sources) {
        let Some(own) = layer(&from) else {
            if from != ROOT {
                writeln!(findings, "{from} is in no layer").unwrap();
            }
            continue;
        };
        for to in imports.iter().filter(|to| layer(to).is_none_or(|of| of > own)) {
            writeln!(findings, "{from} imports {to}, which is not below it").unwrap();
        }
    }
    none(
        &findings,
        "move what is imported down, or pass a value; the order is the list in the head of \
         bench-harness/src/main.rs.",
    );
}

#[test]
fn circles_are_found_through_groups_and_folders_and_nothing_else_is_one() {
    let source = |(path, text): &(&str, &str)| Source { path: (*path).into(), text: (*text).into() };
    let circles = |sources: &[(&str, &str)]| {
        let sources: Vec<Source> = sources.iter().map(source).collect();
        circles_among("some/src", &sources)
    };
    let straight = [
        ("some/src/main.rs", "mod a;\nmod b;\nmod c;\nuse a::A;\n"),
        ("some/src/a.rs", "use crate::b::{self, inner::{Deep, Other as New}};\n// crate::a is a comment\n"),
        ("some/src/b/mod.rs", "mod inner;\nuse inner::Deep;\nuse crate::c;\n"),
        ("some/src/b/inner.rs", "use super::Above;\nuse super::super::c::C;\n"),
        ("some/src/c.rs", "//! C.\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
    ];
    assert_eq!(circles(&straight), "");
    let mut round = straight.to_vec();
    round[4].1 = "fn f() { crate::{\n    a::g(),\n} }\n";
    let found = circles(&round);
    let expected = "some/src: a circle of a, b, c:\n  a imports b\n  b imports c\n  c imports a\n";
    assert_eq!(found, expected);
    let mut upward = straight.to_vec();
    upward[4].1 = "use crate::Setting;\n";
    assert!(circles(&upward).contains("(root), a, b, c"), "{}", circles(&upward));
}

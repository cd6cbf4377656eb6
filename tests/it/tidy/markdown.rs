//! The documents: wrapped alike, and what they link to is there.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::none;

const MARKDOWN_COLUMNS_MAX: usize = 120;

/// All documents of the repository but those of single results.
fn documents() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories = ["", "docs", "bench-harness", "bench-harness/docs", "results"];
    let entries = directories.iter().flat_map(|dir| fs::read_dir(root.join(dir)).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let documents = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.map(|path| (path.strip_prefix(root).unwrap().display().to_string(), path)).collect()
}

/// Prose in Markdown. Tables and code are as wide as they have to be.
#[test]
fn markdown_is_wrapped_alike() {
    let mut findings = String::new();
    for (name, path) in documents() {
        let mut in_code = false;
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            let is_prose = !in_code && !line.starts_with('|') && !line.starts_with("![");
            if is_prose && line.chars().count() > MARKDOWN_COLUMNS_MAX {
                writeln!(findings, "{name}:{} has {} columns", index + 1, line.chars().count()).unwrap();
            }
        }
    }
    none(&findings, "wrap prose at 120 columns; tables, code and pictures stay on their lines.");
}

#[test]
fn what_markdown_links_to_is_there() {
    let (mut findings, mut links) = (String::new(), 0);
    for (name, path) in documents() {
        for target in link_targets(&fs::read_to_string(&path).unwrap()) {
            links += 1;
            if !path.with_file_name(&target).exists() {
                writeln!(findings, "{name}: {target}").unwrap();
            }
        }
    }
    assert!(links > 20, "links are found at all");
    none(&findings, "add what is linked to (a result with `git add -f`), or mend the link.");
}

/// Where links lead to, but those to other places and within a document.
fn link_targets(text: &str) -> Vec<String> {
    let behind = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = behind.map(|target| target.split('#').next().unwrap_or_default().replace('\n', ""));
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

//! Every property that claims an effect changes the workload, once what it depends on is set.

use std::path::Path;

use super::Workload;
use crate::properties::{Properties, used_names};

/// A line with spaces in place of ends of lines.
const CHANGES: &str = include_str!("effects.txt");

fn shown(dir: &Path, text: &str) -> String {
    let mut properties = Properties::of("recordcount=1000");
    // Files are named in the directory of the test.
    let text = text.replace("fieldlengthhistogram=", &format!("fieldlengthhistogram={}/", dir.display()));
    properties.add_text(Path::new("mix"), &text).unwrap();
    format!("{:?}", Workload::from_properties(&properties).unwrap())
}

#[test]
fn every_property_that_claims_an_effect_has_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hist.txt"), "BlockSize\t8\n0\t1\n1\t1\n").unwrap();
    std::fs::write(dir.path().join("other.txt"), "BlockSize\t9\n0\t1\n1\t1\n").unwrap();
    let changes = || CHANGES.lines().filter(|line| !line.starts_with('#'));
    for line in changes() {
        let (change, needs) = line.split_once(' ').unwrap_or((line, ""));
        let mut needs = needs.replace(' ', "\n");
        if change.starts_with("fieldlengthhistogram=") {
            needs += "\nfieldlengthhistogram=hist.txt";
        }
        let (before, after) = (shown(dir.path(), &needs), shown(dir.path(), &format!("{needs}\n{change}")));
        assert_ne!(before, after, "{change} changed nothing");
    }
    for name in used_names() {
        let tried = changes().any(|line| line.split('=').next() == Some(name));
        assert!(tried, "no line tries {name}");
    }
}

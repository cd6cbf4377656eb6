//! What the command line's arguments have in common: how numbers are read, and how files that were named are made.

use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};

/// A whole number, for clap.
pub fn count<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number in digits alone, such as 1000".to_owned())
}

/// A number, for clap.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number without a unit, such as 10 or 0.5".to_owned())
}

/// Creates the file that an argument names. Called before the work, so that a wrong path does not cost a run.
pub fn create_file(argument: &str, path: &Path) -> Result<File> {
    File::create(path).with_context(|| cannot_create(argument, path))
}

/// Finds out whether the file that an argument names can be written, and leaves what is in it.
pub fn check_file(argument: &str, path: &Path) -> Result<()> {
    let opened = File::options().append(true).create(true).open(path);
    opened.map(drop).with_context(|| cannot_create(argument, path))
}

fn cannot_create(argument: &str, path: &Path) -> String {
    format!(
        "cannot create {}; {argument} takes a file in a directory that is there and can be written",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_answered_with_an_example() {
        assert_eq!(count::<u64>("12"), Ok(12));
        assert_eq!(number("0.5"), Ok(0.5));
        assert!(count::<u32>("-1").unwrap_err().contains("such as 1000"));
        assert!(number("10s").unwrap_err().contains("such as 10 or 0.5"));
    }

    #[test]
    fn a_file_that_is_checked_keeps_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "old").unwrap();
        check_file("--out", &file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        let error = check_file("--out", &dir.path().join("no/file")).unwrap_err().to_string();
        assert!(
            error.ends_with("; --out takes a file in a directory that is there and can be written"),
            "{error}"
        );
    }
}

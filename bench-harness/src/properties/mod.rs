//! The property layers of one invocation: files in the order of `-P`, then `-p name=value`.
//!
//! A later layer wins over an earlier one, as in YCSB. Every value keeps its origin, so that an
//! error can name the file and line it came from. Values are checked when they are asked for,
//! by typed getters which state what is allowed; the defaults live in `known`.
//! Used by `workload::spec` to build a workload and by `cli` to layer the inputs.

mod known;
mod nearest;
mod syntax;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use known::{Effect, KNOWN, Kind};
pub use nearest::nearest;

/// Every known property as a table in Markdown.
pub fn table() -> String {
    let rows: Vec<String> = KNOWN.iter().map(known::Known::markdown).collect();
    format!("| property | default | values | effect |\n| --- | --- | --- | --- |\n{}\n", rows.join("\n"))
}

/// The words a property may have, if it is a choice.
pub fn choices(name: &str) -> &'static [&'static str] {
    match known::lookup(name).map(|known| known.kind) {
        Some(Kind::Choice(words)) => words,
        _ => &[],
    }
}

/// The names of the properties that do something.
#[cfg(test)]
pub fn used_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().filter(|known| known.effect == Effect::Used).map(|known| known.name)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    File {
        path: Arc<PathBuf>,
        /// The line on which the property begins, counted from one.
        line: usize,
    },
    /// A `-p name=value` argument.
    CommandLine,
    /// A command-line flag that stands for a property, such as `--threads`.
    Flag(&'static str),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::CommandLine => f.write_str("command line (-p)"),
            Origin::Flag(name) => write!(f, "command line ({name})"),
            Origin::Default => f.write_str("default"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PropertyError {
    #[error("cannot read the property file {}: {cause}; -P takes the path of a file, for example \
             workloads/workloada", path.display())]
    Read {
        path: PathBuf,
        /// What the system said. As a source it would be printed a second time.
        cause: std::io::Error,
    },
    #[error("cannot read {}: {cause}; property fieldlengthhistogram names the file of \
             fieldlengthdistribution=histogram", path.display())]
    Histogram { path: PathBuf, cause: std::io::Error },
    #[error("{origin}: {what}")]
    Syntax { origin: Origin, what: String },
    #[error("-p {argument}: expected name=value, for example -p recordcount=1000")]
    Argument { argument: String },
    #[error("{}; allowed: {allowed}{}", subject(origin, name, value), advice(origin, name))]
    Value { origin: Origin, name: &'static str, value: String, allowed: String },
}

/// What is wrong with a value, also if it is one that nobody chose.
fn subject(origin: &Origin, name: &str, value: &str) -> String {
    match origin {
        Origin::Default => format!("property {name} is not set"),
        origin => format!("{origin}: property {name} is '{value}'"),
    }
}

/// How to set what nobody has set.
fn advice(origin: &Origin, name: &str) -> String {
    match origin {
        Origin::Default => format!("; set it with -p {name}=..., or in a file for -P"),
        _ => String::new(),
    }
}

#[derive(Debug, Clone)]
struct Entry {
    value: String,
    origin: Origin,
}

/// All properties of one invocation with their origins.
#[derive(Debug, Default, Clone)]
pub struct Properties {
    entries: HashMap<String, Entry>,
}

impl Properties {
    /// For tests: those of a file named `mix` with this text.
    #[cfg(test)]
    pub fn of(text: &str) -> Properties {
        let mut properties = Properties::default();
        properties.add_text(Path::new("mix"), text).unwrap();
        properties
    }

    /// Layers a property file over what is there.
    pub fn add_file(&mut self, path: &Path) -> Result<(), PropertyError> {
        let bytes =
            std::fs::read(path).map_err(|cause| PropertyError::Read { path: path.to_owned(), cause })?;
        self.add_text(path, &String::from_utf8_lossy(&bytes))
    }

    /// Layers the text of a property file over what is there; `path` is the name used in errors.
    pub fn add_text(&mut self, path: &Path, text: &str) -> Result<(), PropertyError> {
        let path = Arc::new(path.to_owned());
        for (line, pair) in syntax::parse(text) {
            let origin = Origin::File { path: Arc::clone(&path), line };
            match pair {
                Ok((name, value)) => self.set(name, value, origin),
                Err(what) => return Err(PropertyError::Syntax { origin, what }),
            }
        }
        Ok(())
    }

    /// Layers one `-p name=value` over what is there.
    pub fn add_argument(&mut self, argument: &str) -> Result<(), PropertyError> {
        match argument.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                self.set(name.trim().to_owned(), value.trim().to_owned(), Origin::CommandLine);
                Ok(())
            }
            _ => Err(PropertyError::Argument { argument: argument.to_owned() }),
        }
    }

    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.entries.insert(name.into(), Entry { value: value.into(), origin });
    }

    /// The value of a known property as text, and where it was written.
    pub fn text(&self, name: &'static str) -> (&str, Origin) {
        match self.entries.get(name) {
            Some(entry) => (entry.value.trim(), entry.origin.clone()),
            None => (known::lookup(name).map_or("", |known| known.default), Origin::Default),
        }
    }

    /// Whether the property was set by anyone.
    pub fn is_set(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A whole number within the range the property allows.
    pub fn count(&self, name: &'static str) -> Result<u64, PropertyError> {
        let (min, max) = match known::lookup(name).map(|known| known.kind) {
            Some(Kind::Count { min, max }) => (min, max),
            _ => (0, u64::MAX),
        };
        let allowed = match max {
            u64::MAX => format!("a whole number of at least {min}"),
            _ => format!("a whole number from {min} to {max}"),
        };
        self.parse(name, &allowed, |value: &u64| (min..=max).contains(value))
    }

    /// A number within the range the property allows.
    pub fn number(&self, name: &'static str) -> Result<f64, PropertyError> {
        let (min, max) = match known::lookup(name).map(|known| known.kind) {
            Some(Kind::Number { min, max }) => (min, max),
            _ => (f64::MIN, f64::MAX),
        };
        self.parse(name, &format!("a number from {min} to {max}"), |value: &f64| (min..=max).contains(value))
    }

    /// A number above zero within the range the property allows.
    pub fn positive(&self, name: &'static str) -> Result<f64, PropertyError> {
        match self.number(name)? {
            number if number > 0.0 => Ok(number),
            _ => Err(self.refuse(name, "a number above 0")),
        }
    }

    /// `true` or `false`, in any case.
    pub fn flag(&self, name: &'static str) -> Result<bool, PropertyError> {
        match self.text(name).0.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.refuse(name, "true or false")),
        }
    }

    /// One of the words the property allows.
    pub fn choice(&self, name: &'static str) -> Result<&'static str, PropertyError> {
        let words = choices(name);
        let word = words.iter().find(|word| **word == self.text(name).0).copied();
        word.ok_or_else(|| self.refuse(name, &words.join(", ")))
    }

    /// The error that says that the value of `name` is not among what is `allowed`.
    pub fn refuse(&self, name: &'static str, allowed: &str) -> PropertyError {
        let (value, origin) = self.text(name);
        PropertyError::Value { origin, name, value: value.to_owned(), allowed: allowed.to_owned() }
    }

    /// One sentence for each property that is unknown, or asks for what is not offered here.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .entries
            .iter()
            .filter_map(|(name, entry)| {
                let origin = &entry.origin;
                match known::lookup(name) {
                    Some(known) => match known.effect {
                        Effect::Without(why) if entry.value.trim() != known.default => {
                            Some(format!("{origin}: property {name} has no effect here: {why}"))
                        }
                        _ => None,
                    },
                    None => Some(match nearest(name, KNOWN.iter().map(|known| known.name)) {
                        Some(near) => {
                            format!("{origin}: unknown property {name}; did you mean {near}?")
                        }
                        None => format!("{origin}: unknown property {name}; it is ignored"),
                    }),
                }
            })
            .collect();
        warnings.sort();
        warnings
    }

    fn parse<T: std::str::FromStr>(
        &self,
        name: &'static str,
        allowed: &str,
        accept: impl Fn(&T) -> bool,
    ) -> Result<T, PropertyError> {
        match self.text(name).0.parse::<T>() {
            Ok(value) if accept(&value) => Ok(value),
            _ => Err(self.refuse(name, allowed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_files_and_a_later_file_over_an_earlier_one() {
        let mut layers = Properties::of("recordcount=1\noperationcount=1\n");
        layers.add_text(Path::new("second"), "recordcount=2\noperationcount=2\n").unwrap();
        layers.add_argument("recordcount=3").unwrap();
        assert_eq!(layers.count("recordcount").unwrap(), 3);
        assert_eq!(layers.count("operationcount").unwrap(), 2);
    }

    #[test]
    fn every_default_is_a_value_its_own_property_accepts() {
        let none = Properties::default();
        for known in KNOWN.iter().filter(|known| known.effect == Effect::Used) {
            let accepted = match known.kind {
                Kind::Count { .. } => known.default.is_empty() || none.count(known.name).is_ok(),
                Kind::Number { .. } => none.number(known.name).is_ok(),
                Kind::Flag => none.flag(known.name).is_ok(),
                Kind::Choice(_) => none.choice(known.name).is_ok(),
                Kind::Text => true,
            };
            assert!(accepted, "{} = {}", known.name, known.default);
        }
    }
}

//! How a command that could be carried out has ended.

use std::process::ExitCode;

/// How a command that could be carried out has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything went as it should.
    Good,
    /// It ran, and what it showed is a failure.
    Bad,
    /// It ran, and what it showed does not suffice to tell.
    Inconclusive,
    /// It ran, and there was nothing to hold all of it against.
    None,
}

impl Verdict {
    /// The exit status it stands for; 2 is of commands that could not be carried out.
    pub fn status(self) -> ExitCode {
        ExitCode::from(match self {
            Verdict::Good => 0,
            Verdict::Bad => 1,
            Verdict::Inconclusive => 3,
            Verdict::None => 4,
        })
    }
}

//! Text for the user on standard output and standard error, and what standard error may be sent besides text. Help is
//! clap's, which looks at each stream for itself.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Writes results to standard output. A reader that went away, such as `head`, is no error.
pub fn output(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Warns the user on standard error.
pub fn warn(what: impl Display) {
    notice(&format!("warning: {what}"));
}

/// Writes a line for the user to standard error.
pub fn notice(text: &str) {
    // Without standard error there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether a bar can be drawn: something on the other side understands how to move the cursor.
pub fn moves_cursor() -> bool {
    let understands = std::env::var_os("TERM").is_some_and(|kind| !kind.is_empty() && kind != "dumb");
    understands && std::io::stderr().is_terminal()
}

/// Whether text may be coloured: it can be, and nobody has asked for none (<https://no-color.org>).
pub fn colours() -> bool {
    moves_cursor() && std::env::var_os("NO_COLOR").is_none_or(|wish| wish.is_empty())
}

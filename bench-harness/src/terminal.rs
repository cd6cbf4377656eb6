//! What standard error may be sent besides text. Standard output gets text alone; help is clap's, which looks at each
//! stream for itself.

use std::io::IsTerminal;

/// Whether a bar can be drawn: something on the other side understands how to move the cursor.
pub fn moves_cursor() -> bool {
    let understands = std::env::var_os("TERM").is_some_and(|kind| !kind.is_empty() && kind != "dumb");
    understands && std::io::stderr().is_terminal()
}

/// Whether text may be coloured: it can be, and nobody has asked for none (<https://no-color.org>).
pub fn colours() -> bool {
    moves_cursor() && std::env::var_os("NO_COLOR").is_none_or(|wish| wish.is_empty())
}

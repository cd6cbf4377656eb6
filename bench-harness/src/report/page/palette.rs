//! One colour per engine, the same on every page, in light and in dark.
//!
//! Colour is the engine and the pattern of a line is what it shows of it, such as READ or the 99th
//! percentile, so that no chart is read by colour alone. The colours were searched for the
//! greatest distance between any two as seen with each kind of colour blindness; the tests hold
//! them to a distance, and to the contrast that WCAG 2.1 asks of graphics.

use std::fmt::Write;

/// An engine's name, its colour on white, its colour on the dark page, and the class that has them.
type Colour = (&'static str, &'static str, &'static str, &'static str);

const COLOURS: [Colour; 8] = [
    ("rabi", "#0040fd", "#6094ff", "e-rabi"),
    ("rocksdb", "#e37000", "#d76e16", "e-rocksdb"),
    ("lmdb", "#0a9f63", "#4afd99", "e-lmdb"),
    ("fjall", "#c336c9", "#c275af", "e-fjall"),
    ("redb", "#5c006a", "#7940ff", "e-redb"),
    ("sled", "#802c06", "#ffe73b", "e-sled"),
    ("memory", "#1f302b", "#ccf5ff", "e-memory"),
    ("null", "#a886a9", "#757056", "e-null"),
];

/// The class that gives an element the colour of an engine; engines without one share the ink.
pub fn class(engine: &str) -> &'static str {
    COLOURS.iter().find(|(name, ..)| *name == engine).map_or("e-other", |(.., class)| class)
}

/// The rules that define the classes.
pub fn css() -> String {
    let mut out = String::from(".e-other { --c: var(--ink); }\n");
    for (_, light, dark, class) in COLOURS {
        let written = writeln!(
            out,
            ".{class} {{ --c: {light}; }}\n@media (prefers-color-scheme: dark) {{ .{class} {{ --c: {dark}; }} }}"
        );
        written.expect("writing to a string does not fail");
    }
    out
}

#[cfg(test)]
#[path = "palette_tests.rs"]
mod tests;

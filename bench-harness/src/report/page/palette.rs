//! One colour per engine, the same on every page, in light and in dark.
//!
//! Colour is the engine and the pattern of a line is what it shows of it, such as READ or the 99th
//! percentile, so that no chart is read by colour alone. The colours were searched for the
//! greatest distance between any two as seen with each kind of colour blindness; the tests hold
//! them to a distance, and to the contrast that WCAG 2.1 asks of graphics.

use std::fmt::Write;

/// An engine's name, its colour on white and its colour on the dark page.
type Colour = (&'static str, &'static str, &'static str);

const COLOURS: [Colour; 8] = [
    ("rabi", "#0040fd", "#6094ff"),
    ("rocksdb", "#e37000", "#d76e16"),
    ("lmdb", "#0a9f63", "#4afd99"),
    ("fjall", "#c336c9", "#c275af"),
    ("redb", "#5c006a", "#7940ff"),
    ("sled", "#802c06", "#ffe73b"),
    ("memory", "#1f302b", "#ccf5ff"),
    ("null", "#a886a9", "#757056"),
];

/// The class that gives an element the colour of an engine; engines without one share the ink.
pub fn class(engine: &str) -> &'static str {
    match COLOURS.iter().position(|(name, ..)| *name == engine) {
        Some(0) => "e-rabi",
        Some(1) => "e-rocksdb",
        Some(2) => "e-lmdb",
        Some(3) => "e-fjall",
        Some(4) => "e-redb",
        Some(5) => "e-sled",
        Some(6) => "e-memory",
        Some(_) => "e-null",
        None => "e-other",
    }
}

/// The rules that define the classes.
pub fn css() -> String {
    let mut out = String::from(".e-other { --c: var(--ink); }\n");
    for (name, light, dark) in COLOURS {
        let written = writeln!(
            out,
            ".{class} {{ --c: {light}; }}\n@media (prefers-color-scheme: dark) {{ .{class} {{ --c: {dark}; }} }}",
            class = class(name)
        );
        written.expect("writing to a string does not fail");
    }
    out
}

#[cfg(test)]
#[path = "palette_tests.rs"]
mod tests;

//! How the kernel is set: block layer, memory, limits, processor.
//!
//! Each function reads one or two files and returns a short text; "unknown" if it cannot.

use std::fs;
use std::path::Path;

use crate::resources::Device;

use super::{field_of, line_of, unknown};

/// The word in brackets of a file such as `none [mq-deadline] kyber`.
fn chosen(text: &str) -> String {
    let inside = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or_else(|| text.trim().to_owned(), |(word, _)| word.to_owned())
}

/// The device below a directory: its name, its scheduler, its write cache, whether it rotates.
pub fn device(dir: &Path) -> String {
    let Some(device) = Device::of(dir) else {
        return unknown();
    };
    let queue = |name| device.queue(name).unwrap_or_else(unknown);
    let rotational = match queue("rotational").as_str() {
        "0" => "not rotational",
        "1" => "rotational",
        _ => "unknown whether rotational",
    };
    let (scheduler, cache) = (chosen(&queue("scheduler")), queue("write_cache"));
    let fua = match queue("fua").as_str() {
        "1" => ", FUA",
        _ => "",
    };
    format!(
        "{}, scheduler {scheduler}, {cache}{fua}, {rotational}, {} requests, read-ahead {} KiB, blocks of {}/{} bytes",
        device.name(),
        queue("nr_requests"),
        queue("read_ahead_kb"),
        queue("logical_block_size"),
        queue("physical_block_size"),
    )
}

/// Open files and locked memory, soft and hard.
pub fn limits() -> String {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let parts: Vec<String> = ["Max open files", "Max locked memory", "Max address space", "Max processes"]
        .into_iter()
        .filter_map(|name| Some(format!("{} {}", &name[4..], limit(&text, name)?)))
        .collect();
    if parts.is_empty() { unknown() } else { parts.join(", ") }
}

/// `soft/hard` of one line of `/proc/self/limits`.
fn limit(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let mut words = line.split_whitespace();
    Some(format!("{}/{}", words.next()?, words.next()?))
}

/// Transparent huge pages, threads per core, clock and microcode.
pub fn processor_settings() -> String {
    let pages = |file| chosen(&line_of(&format!("/sys/kernel/mm/transparent_hugepage/{file}")));
    format!(
        "transparent huge pages {} (defragmentation {}), threads per core {}, clock {}, microcode {}",
        pages("enabled"),
        pages("defrag"),
        line_of("/sys/devices/system/cpu/smt/control"),
        line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        field_of("/proc/cpuinfo", "microcode").unwrap_or_else(unknown),
    )
}

/// The frequency governor of the first processor.
pub fn governor() -> String {
    line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
}

/// Dirty page limits of the kernel, which decide when buffered writes begin to hurt.
pub fn writeback() -> String {
    let value = |name| line_of(&format!("/proc/sys/vm/{name}"));
    format!(
        "dirty_background_ratio {}, dirty_ratio {}, swappiness {}",
        value("dirty_background_ratio"),
        value("dirty_ratio"),
        value("swappiness")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_in_use_is_the_one_in_brackets() {
        assert_eq!(chosen("none [mq-deadline] kyber bfq"), "mq-deadline");
        assert_eq!(chosen("none\n"), "none");
    }

    #[test]
    fn limits_are_soft_and_hard() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            1024                 524288               files\n\
                    Max locked memory         unlimited            unlimited            bytes\n";
        assert_eq!(limit(text, "Max open files").as_deref(), Some("1024/524288"));
        assert_eq!(limit(text, "Max locked memory").as_deref(), Some("unlimited/unlimited"));
        assert_eq!(limit(text, "Max stack size"), None);
    }
}

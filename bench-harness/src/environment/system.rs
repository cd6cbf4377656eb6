//! What the kernel allows and how it is set: block layer, memory, limits, io_uring.
//!
//! Each function reads one or two files and returns a short text; "unknown" if it cannot.

use std::fs;
use std::path::Path;

use crate::resources::Device;

use super::{line_of, unknown};

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
    format!("{}, scheduler {scheduler}, {cache}{fua}, {rotational}", device.name())
}

/// Whether io_uring may be used at all; see `kernel.io_uring_disabled` in the kernel's
/// documentation. A container may still forbid it: the engine's `backend` says what happened.
pub fn io_uring() -> String {
    match line_of("/proc/sys/kernel/io_uring_disabled").as_str() {
        "0" => "allowed".to_owned(),
        "1" => "allowed for privileged processes and one group".to_owned(),
        "2" => "forbidden by kernel.io_uring_disabled=2".to_owned(),
        _ => "no such setting in this kernel".to_owned(),
    }
}

/// Open files and locked memory, soft and hard.
pub fn limits() -> String {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let parts: Vec<String> = ["Max open files", "Max locked memory", "Max address space"]
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

/// Transparent huge pages and the frequency governor.
pub fn processor_settings() -> String {
    let pages = chosen(&line_of("/sys/kernel/mm/transparent_hugepage/enabled"));
    let governor = line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    format!("transparent huge pages {pages}, governor {governor}")
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

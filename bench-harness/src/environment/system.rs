//! How the kernel is set: block layer, memory, limits, processor.
//!
//! Each function reads one or two files and returns a short text; "unknown" if it cannot.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

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

/// Resource limits of this process, soft and hard.
pub fn limits() -> String {
    let limits = [
        ("open files", Resource::Nofile),
        ("locked memory", Resource::Memlock),
        ("address space", Resource::As),
        ("processes", Resource::Nproc),
    ];
    let shown = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let parts = limits.map(|(name, resource)| {
        let limit = getrlimit(resource);
        format!("{name} {}/{}", shown(limit.current), shown(limit.maximum))
    });
    parts.join(", ")
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
}

//! io_uring: what the setting says, and whether a ring can be made.
//!
//! A container may forbid what `kernel.io_uring_disabled` allows, so one is made and dropped.

use io_uring::{IoUring, Probe};

use super::line_of;

/// Stands before the reason where no ring can be made.
pub const DENIED: &str = "no ring can be made: ";

/// The setting, described in the kernel's documentation, and what came of trying.
pub fn status() -> String {
    let setting = match line_of("/proc/sys/kernel/io_uring_disabled").as_str() {
        "0" => "allowed",
        "1" => "allowed for privileged processes and one group",
        "2" => "forbidden by kernel.io_uring_disabled=2",
        _ => "no such setting in this kernel",
    };
    format!("{setting}; {}", tried())
}

fn tried() -> String {
    let ring = match IoUring::new(8) {
        Ok(ring) => ring,
        Err(error) => return format!("{DENIED}{error}"),
    };
    let mut probe = Probe::new();
    match ring.submitter().register_probe(&mut probe) {
        Ok(()) => {
            let operations = (0..=u8::MAX).filter(|code| probe.is_supported(*code)).count();
            format!("a ring can be made and knows {operations} operations")
        }
        Err(error) => format!("a ring can be made and does not say what it knows: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_agrees_with_making_a_ring() {
        let status = status();
        assert_eq!(IoUring::new(8).is_err(), status.contains(DENIED), "{status}");
    }
}

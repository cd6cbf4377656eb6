//! File systems other than the usual: none may send a signal to the program that embeds the engine, and none
//! is refused for what it does not support.
//!
//! Needs the right to mount and the programs that make the file systems; a test that is skipped says so.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rabi::{Db, Options};

use crate::device::{Device, Kind, succeeds};
use crate::scratch::{Scratch, contents, small};

const DIR: &str = "RABI_SHUTDOWN_DIR";
const HOW: &str = "RABI_SHUTDOWN_HOW";

/// Writes, lets `trouble` happen, and goes on writing until an error comes or the trouble turns out to be none.
fn write_through_trouble(dir: &Path, trouble: impl FnOnce()) {
    let db = Db::open(dir, small().memtable_size_bytes(1 << 20)).unwrap();
    for number in 0..200_u32 {
        db.put(number.to_be_bytes(), [7; 100]).unwrap();
    }
    trouble();
    for number in 0..2000_u32 {
        if let Err(error) = db.put(number.to_be_bytes(), [8; 100]) {
            println!("told: {error}");
            return;
        }
    }
    println!("never told");
}

/// Takes all space there is, and brings it to the device.
fn fill(dir: &Path) {
    let mut file = fs::File::create(dir.join("filler")).unwrap();
    let (mut step, mut random) = (1 << 20, 1_u64);
    while step >= 512 {
        let bytes: Vec<u8> = (0..step)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 56) as u8
            })
            .collect();
        if std::io::Write::write(&mut file, &bytes).is_err() {
            step /= 2;
        }
    }
    // What is in the page cache alone would still be there after the shutdown.
    let _full = file.sync_all();
    rustix::fs::sync();
}

#[test]
#[ignore = "the child process of the tests below; does nothing on its own"]
fn child_that_meets_trouble() {
    let (Ok(root), Ok(how)) = (std::env::var(DIR), std::env::var(HOW)) else { return };
    let root = Path::new(&root);
    write_through_trouble(&root.join("db"), || match how.as_str() {
        "fill" => fill(root),
        _ => {
            // Pages that were written back ask the file system again before the next store.
            rustix::fs::sync();
            let mut shutdown = Command::new("xfs_io");
            assert!(shutdown.args(["-x", "-c", "shutdown"]).arg(root).status().unwrap().success());
        }
    });
}

/// A child works on the file system until the trouble comes; whatever that is, no signal may end it.
fn check_no_signal(kind: Kind, how: &str) {
    let scratch = Scratch::new();
    if how == "shutdown" && !succeeds(Command::new("xfs_io").arg("-V")) {
        return;
    }
    let Some(device) = Device::mount(kind, &scratch, 320) else { return };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "file_systems::child_that_meets_trouble"])
        .env(DIR, device.root())
        .env(HOW, how)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert_eq!(child.status.signal(), None, "{kind:?}, {how}: the process was killed: {said}");
    assert!(said.contains("told"), "{kind:?}, {how}: {said} {}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn a_shut_down_ext4_sends_no_signal() {
    check_no_signal(Kind::Ext4, "shutdown");
}

#[test]
fn a_shut_down_ext4_with_a_journal_of_data_sends_no_signal() {
    check_no_signal(Kind::Ext4Journalled, "shutdown");
}

#[test]
fn a_shut_down_ext4_that_never_delays_allocation_sends_no_signal() {
    check_no_signal(Kind::Ext4Undelayed, "shutdown");
}

#[test]
fn a_shut_down_ext3_sends_no_signal() {
    check_no_signal(Kind::Ext3, "shutdown");
}

#[test]
fn a_shut_down_xfs_sends_no_signal() {
    check_no_signal(Kind::Xfs, "shutdown");
}

#[test]
fn a_full_btrfs_sends_no_signal() {
    check_no_signal(Kind::Btrfs, "fill");
}

#[test]
fn a_full_xfs_sends_no_signal() {
    check_no_signal(Kind::Xfs, "fill");
}

#[test]
fn a_full_ext4_sends_no_signal() {
    check_no_signal(Kind::Ext4, "fill");
}

/// How writes get into the stage there, in a directory that `prepare` has made ready.
fn stage_mode_on(kind: Kind, prepare: impl FnOnce(&Path) -> bool) -> Option<String> {
    let scratch = Scratch::new();
    let device = Device::mount(kind, &scratch, 128)?;
    let dir = device.path("db");
    fs::create_dir(&dir).unwrap();
    prepare(&dir).then(|| Db::open(&dir, Options::new()).unwrap().stats().stage)
}

#[test]
fn ext4_is_mapped_unless_something_makes_it_unsafe() {
    let journal = |dir: &Path| succeeds(Command::new("chattr").arg("+j").arg(dir));
    let options = Path::new("/proc/fs/ext4");
    if let (Some(stage), true) = (stage_mode_on(Kind::Ext4, |_| true), options.exists()) {
        assert_eq!(stage, "mapped");
    }
    for (kind, word) in [(Kind::Ext4Undelayed, "nodelalloc"), (Kind::Ext4Journalled, "data=journal")] {
        if let Some(stage) = stage_mode_on(kind, |_| true) {
            assert!(stage.starts_with("written: ") && (stage.contains(word) || !options.exists()), "{stage}");
        }
    }
    if let Some(stage) = stage_mode_on(Kind::Ext4, journal) {
        assert!(stage.starts_with("written: "), "{stage}");
        assert!(stage.contains("journalled") || !options.exists(), "{stage}");
    }
}

/// Everything works there, and is there again.
fn check_works(kind: Kind, size_mib: u64) {
    let scratch = Scratch::new();
    let Some(device) = Device::mount(kind, &scratch, size_mib) else { return };
    let dir = device.path("db");
    for round in 0..3_u32 {
        let db = Db::open(&dir, Options::new()).unwrap();
        assert_eq!(contents(&db).len() as u32, round * 3000);
        for number in 0..3000_u32 {
            db.put((round * 3000 + number).to_be_bytes(), [1; 40]).unwrap();
            if number % 500 == 0 {
                db.flush().unwrap();
            }
        }
        if round == 1 {
            db.close().unwrap();
        }
    }
}

#[test]
fn a_file_system_without_fallocate_will_do() {
    check_works(Kind::Ext3, 128);
}

#[test]
fn eight_mebibytes_of_memory_will_do() {
    check_works(Kind::Memory, 8);
}

#[test]
fn xfs_and_btrfs_will_do() {
    check_works(Kind::Xfs, 320);
    check_works(Kind::Btrfs, 128);
}

#[test]
fn one_key_takes_little_space() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    let db = Db::open(scratch.dir(), Options::new()).unwrap();
    db.put("key", "value").unwrap();
    let taken = || -> u64 {
        let entries = fs::read_dir(scratch.dir()).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
    };
    let open = taken();
    db.close().unwrap();
    let closed = taken();
    assert!(open <= 1 << 20 && closed <= 1 << 20, "{open} bytes while open, {closed} closed");
}

//! File systems other than the usual: none is refused for what it does not support.
//!
//! Needs the right to mount and the programs that make the file systems; a test that is skipped says so.

use rabi::{Db, Options};

use crate::device::{Device, Kind};
use crate::scratch::{Scratch, contents};

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

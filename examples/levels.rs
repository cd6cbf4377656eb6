//! Fills all four levels, reads every record back, and again after reopening.
//!
//! `cargo run --release --example levels -- 5000000` loads five million records of 100 bytes with a
//! 16 MiB memtable, prints the levels, checks that the partitions are disjoint and cover what they
//! hold, and reads every record.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Instant;

use rabi::{Db, Options, Stats};

const VALUE_LEN: usize = 100;

/// Keys in scattered order: multiplying by an odd number visits each 32-bit number once.
fn key(number: u32) -> [u8; 12] {
    let mut key = *b"user00000000";
    key[4..].copy_from_slice(format!("{:08x}", number.wrapping_mul(0x9e37_79b1)).as_bytes());
    key
}

fn value(number: u32) -> [u8; VALUE_LEN] {
    let mut value = [b'.'; VALUE_LEN];
    for (index, byte) in value.iter_mut().enumerate() {
        *byte = (number as usize * 31 + index * 7) as u8;
    }
    value
}

fn main() -> Result<(), Box<dyn Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(200_000), |word| word.parse())?;
    let dir = tempfile::tempdir()?;
    let options = Options::new().memtable_size_bytes(16 << 20);

    let start = Instant::now();
    let db = Db::open(dir.path(), options.clone())?;
    for number in 0..count {
        db.put(key(number), value(number))?;
    }
    report("loaded", count, start);
    show_levels(&db.stats())?;
    check_all(&db, count)?;
    db.close()?;

    let start = Instant::now();
    let db = Db::open(dir.path(), options)?;
    report("reopened", 1, start);
    show_levels(&db.stats())?;
    check_all(&db, count)?;
    db.close()?;
    Ok(())
}

fn report(what: &str, count: u32, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {count} in {seconds:.2} s, {:.0} a second", f64::from(count) / seconds);
}

fn check_all(db: &Db, count: u32) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    for number in 0..count {
        match db.get(key(number))? {
            Some(found) if found[..] == value(number) => {}
            found => return Err(format!("record {number} reads as {found:?}").into()),
        }
    }
    report("read back right", count, start);
    Ok(())
}

fn show_levels(stats: &Stats) -> Result<(), Box<dyn Error>> {
    let number = |name| stats.get(name).unwrap_or(0);
    println!(
        "  L0 {} KiB, L1 {} memtables, L2 {} files, L3 {} partitions, backend {}",
        number("memtable_bytes") >> 10,
        number("frozen_memtables"),
        stats.flushed.len(),
        stats.partitions.len(),
        stats.backend,
    );
    for (index, partition) in stats.partitions.iter().enumerate() {
        let upper = stats.partitions.get(index + 1).map(|next| &next.lower_bound);
        for run in &partition.runs {
            let is_below = |upper: &Vec<u8>| run.max_key < *upper;
            if run.min_key < partition.lower_bound || !upper.is_none_or(is_below) {
                return Err(format!("partition {index} holds keys of its neighbours").into());
            }
            println!(
                "  partition {index:2}: {:6} KiB, {:7} entries, {} to {}",
                run.bytes >> 10,
                run.entries,
                run.min_key.escape_ascii(),
                run.max_key.escape_ascii(),
            );
        }
    }
    Ok(())
}

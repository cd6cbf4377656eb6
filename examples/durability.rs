//! What the two kinds of durability cost: one client, one write after the other, measured here.
//!
//! `cargo run --release --example durability`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::{Duration, Instant};

use rabi::{Db, Durability, Options, WriteOptions};

fn main() -> Result<(), Box<dyn Error>> {
    // A temporary directory in memory (tmpfs) would make `Power` look free; the current directory
    // is more likely to be on a device.
    let dir = tempfile::tempdir_in(".")?;
    let db = Db::open(dir.path(), Options::new())?;
    println!("100-byte values in {}, backend {}", dir.path().display(), db.stats().backend);
    measure(&db, Durability::Process, 20_000, "survives kill -9")?;
    measure(&db, Durability::Power, 500, "survives loss of power")?;
    db.close()?;
    Ok(())
}

fn measure(db: &Db, durability: Durability, writes: u32, what: &str) -> Result<(), Box<dyn Error>> {
    let options = WriteOptions::new().durability(durability);
    let mut times = Vec::new();
    for number in 0..writes {
        let start = Instant::now();
        db.put_with(number.to_be_bytes(), [b'x'; 100], options)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let total: Duration = times.iter().sum();
    println!(
        "{durability:?} ({what}): {:.1} us on average, median {:.1}, 99 % within {:.1} us",
        us(total / writes),
        us(times[times.len() / 2]),
        us(times[times.len() * 99 / 100]),
    );
    Ok(())
}

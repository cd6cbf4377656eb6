//! Embedding Rabi: open, write, read, iterate, close, and find everything there again.
//!
//! `cargo run --example hello`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use rabi::{Db, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;

    let db = Db::open(dir.path(), Options::new())?;
    db.put("planet:3", "earth")?;
    db.put("planet:4", "mars")?;
    db.put("star", "sun")?;
    db.delete("star")?;
    if let Some(name) = db.get("planet:3")? {
        println!("the third planet is {}", name.escape_ascii());
    }
    println!("a star? {}", db.get("star")?.is_some());
    db.close()?;

    let db = Db::open(dir.path(), Options::new())?;
    println!("after opening again, outermost first:");
    for entry in db.prefix("planet:").rev() {
        let (key, value) = entry?;
        println!("  {} = {}", key.escape_ascii(), value.escape_ascii());
    }
    println!("backend: {}", db.stats().backend);
    db.close()?;
    Ok(())
}

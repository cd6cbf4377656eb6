//! Runs the planner of compactions over uniform writes without a disk, and prints what they cost.
//!
//! `cargo run --release --features sim --example amplification -- 1000` goes up to a terabyte of data, in
//! steps of four, with the default options: a load in scattered order, and then one overwrite of each byte.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use rabi::sim::{Amplification, Uniform, amplification};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let max_gigabytes = arguments.next().transpose()?.unwrap_or(64);
    let max_runs = arguments.next().transpose()?.unwrap_or(8) as usize;
    println!("| data | load: writes | files | space | overwrites: writes | files | space | at worst |");
    println!("| --: | --: | --: | --: | --: | --: | --: | --: |");
    let mut gigabytes = 1;
    while gigabytes <= max_gigabytes {
        let uniform =
            Uniform { data_bytes: gigabytes << 30, memtable_bytes: 64 << 20, max_runs, garbage_percent: 25 };
        let (load, overwrites) = amplification(&uniform);
        let show =
            |costs: &Amplification| format!("{:.1} | {:.0} | {:.2}", costs.write, costs.read, costs.space);
        println!(
            "| {gigabytes} GiB | {} | {} | {:.2} |",
            show(&load),
            show(&overwrites),
            overwrites.space_max
        );
        gigabytes *= 4;
    }
    Ok(())
}

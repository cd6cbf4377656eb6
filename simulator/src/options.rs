//! The engine's options, drawn anew for each opening: small levels, so that minutes of work pass
//! through all of them, and every option now and then at an end of its range.

use rabi::{Durability, Options, StageMode};

use crate::random::Random;

/// Options for one opening, and the durability among them. `is_made` says that the database exists, so
/// that an opening which cannot find it is a loss.
pub(crate) fn draw(random: &mut Random, cores: usize, is_made: bool) -> (Options, Durability) {
    let durability = random.pick(&[Durability::Process, Durability::Power]);
    let options = Options::new()
        .create_if_missing(!is_made || random.chance(50))
        .cores(cores)
        .durability(durability)
        .memtable_size_bytes(random.pick(&[4 << 10, 8 << 10, 16 << 10, 64 << 10]))
        .max_frozen_memtables(random.pick(&[1, 2, 3, 8]))
        .max_flushed_files(random.pick(&[2, 3, 4, 6, 12]))
        .partition_size_bytes(random.pick(&[16 << 10, 16 << 10, 64 << 10, 256 << 10]))
        .block_size_bytes(random.pick(&[512, 512, 1024, 4096, 64 << 10]))
        .filter_bits_per_key(random.pick(&[0, 1, 10, 10, 32]))
        .cache_size_bytes(random.pick(&[0, 4 << 10, 64 << 10, 1 << 20]))
        .wal_segment_size_bytes(random.pick(&[64 << 10, 64 << 10, 68 << 10, 256 << 10]))
        .stage_size_bytes(random.pick(&[64 << 10, 64 << 10, 128 << 10, 256 << 10]))
        .stage_mode(random.pick(&[StageMode::Auto, StageMode::Auto, StageMode::Mapped, StageMode::Written]));
    (options, durability)
}

/// The share of garbage that compaction permits in one opening of a run.
pub(crate) fn garbage_percent(seed: u64, opening: u64) -> u32 {
    Random::new(seed.wrapping_add(opening), "garbage").pick(&[0, 1, 25, 25, 25, 100])
}

/// How many runs a partition may have in one opening of a run.
pub(crate) fn max_runs(seed: u64, opening: u64) -> usize {
    Random::new(seed.wrapping_add(opening), "runs").pick(&[1, 2, 3, 8, 8])
}

/// Whether tables are read past the page cache in one opening of a run.
pub(crate) fn direct_reads(seed: u64, opening: u64) -> bool {
    Random::new(seed.wrapping_add(opening), "direct").chance(30)
}

/// The options as text, for the record of a run: only what was drawn.
pub(crate) fn describe(options: &Options) -> String {
    let text = format!("{options:?}");
    let inner = text.trim_start_matches("Options { ").trim_end_matches(" }");
    inner.split(", ").filter(|field| !field.starts_with("io_backend")).collect::<Vec<_>>().join(" ")
}

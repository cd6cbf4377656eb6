//! YCSB-style workload runner.
fn main() {}

//! `cargo run --release -p enforce-benches --bin bytes`: what an allocator is asked for, for each of a million live
//! executions.
//!
//! By itself, because a counting allocator would slow down what `ratios` times.

use enforce_benches::resident::Crowd;

const LIVE: u32 = 1_000_000;

fn main() {
    let mut crowd = Crowd::empty();
    let counted = allocation_counter::measure(|| crowd.register(LIVE));
    println!("{} bytes for each of {LIVE} live executions", counted.bytes_current / i64::from(LIVE));
    println!("{} allocations for each", counted.count_current / i64::from(LIVE));
}

//! `cargo run --release -p enforce-benches --bin halt`: how long after the call of `halt` what runs is dropped.

use std::time::Duration;

use enforce_benches::halting::{Stops, Work, halted};

fn main() {
    println!(
        "what runs                               median       99 %    longest   (halt itself: median, 99 %, longest)"
    );
    for (name, rounds, tasks, work) in [
        ("a task that waits", 10_000, 1, Work::Asleep),
        ("a task that is polled all the time", 10_000, 1, Work::Busy),
        ("1,000 tasks that wait", 300, 1_000, Work::Asleep),
    ] {
        let stops = halted(rounds, tasks, work);
        let [dropped, returned] = [&stops.dropped, &stops.returned].map(|times| Stops::spread(times).map(micros));
        println!("{name:<36} {}   ({})", dropped.join(" "), returned.join(" "));
    }
}

fn micros(time: Duration) -> String {
    format!("{:>7.1} µs", time.as_secs_f64() * 1e6)
}

//! `cargo run --release -p enforce-benches --bin expiry`: what it costs to expire once a second, with a million live
//! executions that are touched three times within their idle timeout.

use enforce_benches::expiring::{Spent, each_second};

const LIVE: u64 = 1_000_000;

fn main() {
    println!("idle timeout   of one core   longest call   first call   halted");
    for timeout in [30, 300, 1_800] {
        let Spent { first, share, longest, halted } = each_second(LIVE, timeout);
        let [longest, first] = [longest, first].map(|took| took.as_secs_f64() * 1e3);
        println!("{timeout:>10} s   {:>9.2} %   {longest:>9.1} ms   {first:>7.1} ms   {halted}", share * 100.0);
    }
}

//! `cargo run --release -p enforce-benches --bin ratios [-- --json]`: every target that is a ratio, measured side by side
//! in one process.

use std::io::IsTerminal;
use std::process::ExitCode;

use enforce_benches::report::{Row, Table, Target};
use enforce_benches::targets::{self, ROUNDS, SHARED_ROUNDS};
use enforce_benches::{arguments, resident};

/// How many executions live while their memory is measured.
const LIVE: u32 = 1_000_000;

fn main() -> ExitCode {
    let json = match arguments::json("ratios") {
        Ok(json) => json,
        Err(code) => return code,
    };
    let about = |subject: &str| {
        if std::io::stderr().is_terminal() {
            eprintln!("measuring {subject} …");
        }
    };
    // Memory first: what later cases allocate and free would be used again and not be seen.
    about("memory");
    let bytes = resident::bytes_per_execution(LIVE);
    let mut rows = targets::rows(about);
    let size = |bytes| Row::bytes("resident bytes per live execution, 1M", bytes, Target::AtMostBytes(512.0));
    rows.extend(bytes.map(size));
    if json {
        return arguments::print(&rows);
    }
    println!(
        "Medians of the quieter half of {ROUNDS} rounds (of all {SHARED_ROUNDS} on two threads), in each of which"
    );
    println!("all cases of a subject took a turn in one process. Ratios are taken round by round: half lie in the");
    println!("middle half.\n");
    print!("{}", Table(&rows));
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    println!("\nTargets missed: {missed}.");
    ExitCode::SUCCESS
}

//! `cargo run --release -p enforce-benches --bin counts [-- --store]`: instructions of the hot paths beside those that are
//! stored in `benches/counts.json`. It fails if one of them has become a quarter more.

use std::path::Path;
use std::process::ExitCode;

use enforce_benches::counts::{self, Baseline, Callgrind};

const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.json");

/// Other processors have other instructions.
const STORED_ON: &str = "x86_64";

const USAGE: &str = "usage: counts [--store]";

fn count(callgrind: &Callgrind) -> Result<Vec<(&'static str, f64)>, counts::CountError> {
    counts::PATHS.iter().map(|(name, _)| Ok((*name, counts::of(name, callgrind)?))).collect()
}

fn compare(counted: &[(&str, f64)]) -> ExitCode {
    let stored = match Baseline::load(Path::new(STORED)) {
        Ok(stored) => stored,
        Err(error) => {
            eprintln!("{STORED} cannot be read: {error}; `counts --store` writes it");
            return ExitCode::FAILURE;
        }
    };
    let changes: Vec<_> = counted.iter().map(|(name, count)| stored.compare(name, *count)).collect();
    for change in &changes {
        println!("{change}");
    }
    if changes.iter().any(counts::Change::is_gross) {
        println!("A path takes a quarter more instructions than are stored. If that is meant: `counts --store`.");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn store(counted: &[(&str, f64)]) -> ExitCode {
    let mut baseline = Baseline::default();
    for (name, count) in counted {
        baseline.put(name, *count);
    }
    match baseline.store(Path::new(STORED)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{STORED} cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let then = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare,
        ["--store"] => store,
        // What callgrind runs.
        ["--run", name, times] if times.parse().is_ok_and(|times| counts::run(name, times)) => {
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if std::env::consts::ARCH != STORED_ON {
        println!("skipped: the stored counts are of {STORED_ON}");
        return ExitCode::SUCCESS;
    }
    let Some(callgrind) = Callgrind::find() else {
        println!("skipped: no valgrind");
        return ExitCode::SUCCESS;
    };
    match count(&callgrind) {
        Ok(counted) => then(&counted),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

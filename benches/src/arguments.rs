//! What the binaries are asked for, and how they answer programs.

use std::process::ExitCode;

use serde::Serialize;

/// Whether `--json` is there, for a binary that knows nothing else.
///
/// # Errors
/// The exit status, when its usage has been printed because something else was asked.
pub fn json(binary: &str) -> Result<bool, ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Ok(false),
        ["--json"] => Ok(true),
        _ => {
            eprintln!("usage: {binary} [--json]");
            Err(ExitCode::from(2))
        }
    }
}

/// Prints `rows` as JSON.
pub fn print(rows: &impl Serialize) -> ExitCode {
    match serde_json::to_string_pretty(rows) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

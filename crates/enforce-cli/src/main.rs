//! `enforce`: replays recorded agent traffic against limits and prices model calls, exactly.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

mod args;
mod output;
mod price;
mod progress;
mod replay;
mod trace;

use args::{Cli, Command};

/// What clap exits with too.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let to = &mut io::stdout().lock();
    let done = match Cli::parse().command {
        Command::Replay(args) => replay::run(&args, to).map_err(|error| error.to_string()),
        Command::Price(args) => price::run(&args, to).map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is gone as well, the status has to do.
            drop(writeln!(io::stderr(), "enforce: {error}"));
            ExitCode::from(UNUSABLE)
        }
    }
}

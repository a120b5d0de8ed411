//! `enforce`: replays recorded agent traffic against limits, exactly.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

mod args;
mod output;
mod progress;
mod replay;
mod trace;

use args::{Cli, Command};

/// What clap exits with too.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let Command::Replay(args) = Cli::parse().command;
    match replay::run(&args, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is gone as well, the status has to do.
            drop(writeln!(io::stderr(), "enforce: {error}"));
            ExitCode::from(UNUSABLE)
        }
    }
}

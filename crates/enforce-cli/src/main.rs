//! `enforce`: replays recorded agent traffic against limits, prices model calls, and holds the library to its laws.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

mod args;
mod figures;
mod output;
mod price;
mod progress;
mod replay;
mod stress;
mod trace;

use args::{Cli, Command};

/// A law was broken.
const BROKEN: u8 = 1;

/// What clap exits with too.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let to = &mut io::stdout().lock();
    match Cli::parse().command {
        Command::Replay(args) => match replay::run(&args, to) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit(UNUSABLE, &error),
        },
        Command::Price(args) => match price::run(&args, to) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit(UNUSABLE, &error),
        },
        Command::Stress(args) => match stress::run(&args, to) {
            Ok(None) => ExitCode::SUCCESS,
            Ok(Some(broken)) => exit(BROKEN, &broken),
            Err(error) => exit(UNUSABLE, &error),
        },
    }
}

/// Says why, and what the status is.
fn exit(status: u8, why: &impl Display) -> ExitCode {
    // If standard error is gone as well, the status has to do.
    drop(writeln!(io::stderr(), "enforce: {why}"));
    ExitCode::from(status)
}

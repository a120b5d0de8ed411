//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::stress::Protocol;
use crate::trace::Format;

/// Limits for agent executions, tried on recorded traffic.
#[derive(Debug, Parser)]
#[command(name = "enforce", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay recorded traces against limits and report what is admitted and what is refused
    ///
    /// Time is the trace's own: a replay never waits, and the same files give the same report. Exits with 0 when a
    /// report was made, with 2 when the trace, the policy or an output file cannot be used.
    Replay(ReplayArgs),
    /// Compute what a model call costs
    ///
    /// Exits with 0 when there is a cost, with 2 when the table, the model or the usage cannot be used.
    Price(PriceArgs),
    /// Run random operations on many threads at once and hold the library to its laws of conservation
    ///
    /// Nothing of it needs a file or a network. With one thread the same seed gives the same decisions. Exits with 0 when
    /// all laws held, with 1 when one was broken, with 2 when the run cannot be made.
    Stress(StressArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Limits, in TOML; without it nothing is limited
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The trace's format, instead of what its files show
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// What a step sets aside before it runs
    #[arg(long, value_enum, default_value_t = Reserve::None)]
    pub(crate) reserve: Reserve,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a letter a line for each row: A admitted, R refused, H halted here, P paused, C refused by concurrency,
    /// S skipped
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
    /// Write a JSON object a line for each execution, in the order of their ends
    #[arg(long, value_name = "FILE")]
    pub(crate) per_execution: Option<PathBuf>,
    /// Write a JSON object a line for each event: what was refused, halted, near a limit, and how often
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Recorded traces, all of one format
    #[arg(required = true, value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
}

/// What a step reserves; either way it settles what it really used before the next row is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reserve {
    /// The amounts that were asked for, or used where the trace records no asking: nothing passes a limit
    Recorded,
    /// One token and one nano-dollar: the step that reaches a limit runs
    None,
}

#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// Prices: our own TOML, genai-prices' data.json, or LiteLLM's table
    #[arg(long, value_name = "FILE")]
    pub(crate) table: PathBuf,
    /// The model's name in the table
    #[arg(long, value_name = "NAME")]
    pub(crate) model: String,
    /// Tokens in, those from a cache included
    #[arg(long, value_name = "N")]
    pub(crate) input: u64,
    /// The part of them that was read from a cache
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) cached: u64,
    /// Tokens out
    #[arg(long, value_name = "N")]
    pub(crate) output: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StressArgs {
    /// Threads that work at once [default: the cores there are]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_024))]
    pub(crate) threads: Option<u64>,
    /// Operations of all threads together
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), conflicts_with = "seconds")]
    pub(crate) operations: Option<u64>,
    /// How long to go on, instead [default: 10]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=31_536_000))]
    pub(crate) seconds: Option<u64>,
    /// Executions that are kept alive at a time
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=4_000_000))]
    pub(crate) executions: u64,
    /// What everything random follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How a step is let in
    #[arg(long, value_enum, default_value_t = Protocol::Reserve)]
    pub(crate) protocol: Protocol,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

//! `enforce price`: what a model call costs.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use enforce_core::Clock;
use enforce_prices::{CachedInside, PriceError, PriceTable, TableError, TokenUsage, UsageError};
use serde_json::json;

use crate::args::PriceArgs;
use crate::trace::{excerpt, file_name, printable};

/// The largest table.
const MAX_TABLE_BYTES: u64 = 64 << 20;

/// Prints the cost at the prices that hold now.
pub(crate) fn run(args: &PriceArgs, to: &mut impl Write) -> Result<(), CostError> {
    let table = table(&args.table)?;
    let model = table.find(&args.model).map_err(CostError::Price)?;
    let reported = CachedInside {
        prompt_tokens: args.input,
        cached_tokens: args.cached,
        completion_tokens: args.output,
        ..CachedInside::default()
    };
    let usage = TokenUsage::try_from(reported).map_err(CostError::Usage)?;
    let cost = model.cost(&usage, Clock::system().now()).map_err(CostError::Price)?;
    let printed = if args.json {
        writeln!(to, "{}", json!({"model": model.name(), "cost_usd": cost, "cost_nano_usd": cost.get()}))
    } else {
        writeln!(to, "{}: {cost}", printable(model.name()))
    };
    printed.and_then(|()| to.flush()).map_err(|error| CostError::Unusable("standard output".into(), error))
}

/// Reads a table in the format that its beginning shows.
fn table(path: &Path) -> Result<PriceTable, CostError> {
    let unusable = |error| CostError::Unusable(path.to_path_buf(), error);
    let mut text = String::new();
    let file = File::open(path).map_err(unusable)?;
    file.take(MAX_TABLE_BYTES + 1).read_to_string(&mut text).map_err(unusable)?;
    if text.len() as u64 > MAX_TABLE_BYTES {
        return Err(unusable(io::Error::other("found more than 64 MiB, expected a price table")));
    }
    PriceTable::read(&text).map_err(|error| CostError::Table(path.to_path_buf(), error))
}

/// One clear line for each thing that can be wrong.
#[derive(Debug)]
pub(crate) enum CostError {
    /// A file cannot be read or written.
    Unusable(PathBuf, io::Error),
    /// The table says what cannot be.
    Table(PathBuf, TableError),
    /// The tokens contradict each other.
    Usage(UsageError),
    /// The table has no price for it.
    Price(PriceError),
}

impl fmt::Display for CostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(path, error) => write!(f, "{}: {}", file_name(path), excerpt(&error.to_string())),
            Self::Table(path, error) => write!(f, "{}: {}", file_name(path), printable(&error.to_string())),
            Self::Usage(error) => error.fmt(f),
            Self::Price(error) => error.fmt(f),
        }
    }
}

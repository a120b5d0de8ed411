//! Which prices hold when, and for which sizes of input.

use std::fmt;

use enforce_core::Timestamp;

use crate::pico::PicoUsd;
use crate::usage::Billed;

/// What holds from a moment on, for calls whose input is above a number of tokens.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) from: Timestamp,
    pub(crate) above: u64,
    pub(crate) prices: Prices,
}

/// A price for whatever may be billed; what has none is not sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prices {
    input: Option<PicoUsd>,
    cache_read: Option<PicoUsd>,
    cache_write: Option<PicoUsd>,
    cache_write_hour: Option<PicoUsd>,
    output: Option<PicoUsd>,
    /// Where it differs from other output.
    reasoning: Option<PicoUsd>,
    request: Option<PicoUsd>,
}

impl Prices {
    /// The price of a token that is billed as this, or of the request.
    pub(crate) fn get(&self, what: Option<Billed>) -> Option<PicoUsd> {
        match what {
            Some(Billed::Input) => self.input,
            Some(Billed::CacheRead) => self.cache_read,
            Some(Billed::CacheWrite) => self.cache_write,
            Some(Billed::CacheWriteHour) => self.cache_write_hour,
            Some(Billed::Output) => self.output,
            Some(Billed::Reasoning) => self.reasoning.or(self.output),
            None => self.request,
        }
    }

    pub(crate) fn set(&mut self, what: Option<Billed>, price: Option<PicoUsd>) {
        *match what {
            Some(Billed::Input) => &mut self.input,
            Some(Billed::CacheRead) => &mut self.cache_read,
            Some(Billed::CacheWrite) => &mut self.cache_write,
            Some(Billed::CacheWriteHour) => &mut self.cache_write_hour,
            Some(Billed::Output) => &mut self.output,
            Some(Billed::Reasoning) => &mut self.reasoning,
            None => &mut self.request,
        } = price;
    }
}

/// One price for one size of input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizedPrice {
    /// What is billed; the request where it is none.
    pub(crate) what: Option<Billed>,
    pub(crate) above: u64,
    pub(crate) price: PicoUsd,
}

/// Rows of single prices, where a larger size keeps what it has no other price for.
pub(crate) fn by_size(from: Timestamp, mut prices: Vec<SizedPrice>) -> Result<Vec<Row>, RowsError> {
    prices.sort_by_key(|price| price.above);
    let mut rows: Vec<Row> = Vec::new();
    let mut current = Prices::default();
    if prices.is_empty() {
        // Not nothing at all: what held before would hold on.
        return Err(RowsError::NoInput);
    }
    for same in prices.chunk_by(|one, other| one.above == other.above) {
        for (index, price) in same.iter().enumerate() {
            if same.iter().take(index).any(|earlier| earlier.what == price.what) {
                return Err(RowsError::Twice);
            }
            current.set(price.what, Some(price.price));
        }
        let above = same.first().map_or(0, |price| price.above);
        rows.push(Row { from, above, prices: current });
    }
    Ok(rows)
}

/// The rows by `from`, and then by `above`: at least one; of each `from` one with `above` 0; of each `from` and `above`
/// no more than one; and every one with a price of input.
pub(crate) fn ordered(mut rows: Vec<Row>) -> Result<Vec<Row>, RowsError> {
    rows.sort_by_key(|row| (row.from, row.above));
    let mut before = None;
    for row in &rows {
        if before == Some((row.from, row.above)) {
            return Err(RowsError::Twice);
        }
        if row.above > 0 && before.is_none_or(|(from, _)| from != row.from) {
            return Err(RowsError::NoBase);
        }
        if row.prices.input.is_none() {
            return Err(RowsError::NoInput);
        }
        before = Some((row.from, row.above));
    }
    if rows.is_empty() { Err(RowsError::NoInput) } else { Ok(rows) }
}

/// Why rows do not make the prices of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsError {
    /// Two prices of the same thing, date and size.
    Twice,
    /// A date that has prices of large inputs alone.
    NoBase,
    /// No price of input.
    NoInput,
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Twice => "two prices for the same date and size of input: leave one out",
            Self::NoBase => "prices of large inputs alone: add those that hold below",
            Self::NoInput => "it has no price of input",
        })
    }
}

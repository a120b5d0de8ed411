//! Why there is no price.

use std::fmt;

use enforce_core::{NanoUsd, Timestamp};

use crate::usage::Billed;

/// How much of a name or a value an error repeats, in characters.
const LONGEST_QUOTE: usize = 60;

/// How much of what a parser says, in characters.
const LONGEST_MESSAGE: usize = 300;

/// What is said of a name or key that is there already.
pub(crate) const TWICE: &str = "comes twice: leave one out";

/// Why a call has no cost. There is no cost that stands in for one that is not known.
///
/// ```
/// use enforce_prices::PriceTable;
///
/// let table = PriceTable::parse("[[price]]\nmodel = \"acme-large\"\ninput = \"2\"")?;
/// let error = table.find("acme-lrage").unwrap_err();
/// assert_eq!(error.to_string(), "no price of the model \"acme-lrage\"; did you mean \"acme-large\"?");
/// # Ok::<(), enforce_prices::TableError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriceError {
    /// The table has no such model.
    UnknownModel {
        /// The name that was looked for.
        model: String,
        /// Up to three names that are near, the nearest first.
        nearest: Vec<String>,
    },
    /// The table has the model, and prices it in a way that would not be billed rightly.
    Unsupported {
        /// The model's name in the table.
        model: String,
        /// What is not supported, in words.
        what: String,
    },
    /// Tokens were used that the model has no price for.
    NotPriced {
        /// The model's name in the table.
        model: String,
        /// What they would be billed as.
        billed: Billed,
        /// How many.
        tokens: u64,
    },
    /// The call was made before the model's first price.
    NotYet {
        /// The model's name in the table.
        model: String,
        /// From when on it has prices.
        from: Timestamp,
    },
    /// The cost is above the largest amount of money.
    TooLarge {
        /// The model's name in the table.
        model: String,
    },
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownModel { model, nearest } => {
                write!(f, "no price of the model {}", quoted(model))?;
                match nearest.as_slice() {
                    [] => f.write_str("; name it as the price table does, or add its prices"),
                    [first, others @ ..] => {
                        write!(f, "; did you mean {}", quoted(first))?;
                        others.iter().try_for_each(|name| write!(f, " or {}", quoted(name)))?;
                        f.write_str("?")
                    }
                }
            }
            Self::Unsupported { model, what } => {
                write!(
                    f,
                    "the prices of {} cannot be used: {what}; give its prices in a file of your own",
                    quoted(model)
                )
            }
            Self::NotPriced { model, billed, tokens } => {
                write!(f, "{tokens} tokens of {billed} have no price with {}; add one", quoted(model))
            }
            Self::NotYet { model, from } => {
                let nanos = from.as_nanos();
                write!(f, "{} has prices only from Unix time {} s on", quoted(model), nanos / 1_000_000_000)
            }
            Self::TooLarge { model } => {
                let model = quoted(model);
                write!(f, "a call of {model} would cost above {}: check its tokens and its prices", NanoUsd::MAX)
            }
        }
    }
}

impl std::error::Error for PriceError {}

/// Why a price table is refused, and where. Prints as one line that lacks only the file's name.
///
/// ```
/// use enforce_prices::PriceTable;
///
/// let error = PriceTable::parse("[[price]]\nmodel = \"acme-large\"\ninput = 2.5").unwrap_err();
/// assert_eq!((error.line, error.column), (Some(3), Some(9)));
/// assert_eq!(error.message, "a float is not an exact price: write it as a string: \"2.5\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableError {
    /// The line, counted from 1; `None` where the parser knows no place.
    pub line: Option<usize>,
    /// The column in characters, counted from 1.
    pub column: Option<usize>,
    /// The model, or the model and the key, as far as they are known.
    pub place: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl TableError {
    /// An error at this byte of the text.
    pub(crate) fn at(text: &str, offset: usize, place: Option<String>, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let (lines, last) =
            before.rsplit_once('\n').map_or((0, before), |(lines, last)| (lines.matches('\n').count() + 1, last));
        Self { line: Some(lines + 1), column: Some(last.chars().count() + 1), place, message: message.into() }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for TableError {}

/// What a parser says, on one line and of a bearable length: it may repeat what it found.
pub(crate) fn said(message: &str) -> String {
    let beginning: String = message.chars().take(LONGEST_MESSAGE).collect();
    let more = if beginning.len() < message.len() { "…" } else { "" };
    format!("{}{more}", beginning.replace(char::is_control, " "))
}

/// The beginning of a text, escaped and in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let beginning: String = text.chars().take(LONGEST_QUOTE).collect();
    let more = if beginning.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", beginning.escape_debug())
}

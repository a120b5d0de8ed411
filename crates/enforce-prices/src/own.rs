//! This crate's own format: TOML, one `[[price]]` for each model, date and size of input.

use std::fmt;
use std::ops::Range;

use enforce_core::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use toml::Spanned;
use toml::value::Datetime;

use crate::date;
use crate::error::{TWICE, TableError, quoted, said};
use crate::model::ModelPrices;
use crate::pico::{Per, PicoUsd};
use crate::rows::{Prices, Row};
use crate::table::{Entry, PriceTable};
use crate::usage::Billed;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    price: Vec<Spanned<RowText>>,
}

/// A `[[price]]`: all prices of a model that hold from a day on and above a size of input.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText {
    model: String,
    from: Option<Day>,
    above_input_tokens: Option<u64>,
    input: PerMillion,
    cache_read: Option<PerMillion>,
    cache_write: Option<PerMillion>,
    cache_write_1h: Option<PerMillion>,
    output: Option<PerMillion>,
    reasoning: Option<PerMillion>,
    request: Option<PerOne>,
}

pub(crate) fn read(text: &str) -> Result<PriceTable, TableError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let message = said(error.message());
        match error.span() {
            Some(span) => TableError::at(text, span.start, None, message),
            None => TableError { line: None, column: None, place: None, message },
        }
    })?;
    let mut rows: Vec<(String, Row, Range<usize>)> = Vec::with_capacity(file.price.len());
    for row in file.price {
        let span = row.span();
        let (model, row) = row.into_inner().into_row();
        rows.push((model, row, span));
    }
    // A stable sort: of two rows of the same model, date and size the second is the one that comes twice.
    let key = |(model, row, _): &(String, Row, _)| (model.clone(), row.from, row.above);
    rows.sort_by_cached_key(key);
    let mut table = PriceTable::default();
    for same in rows.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some((model, _, first)) = same.first() else { continue };
        let twice = same.windows(2).find_map(|pair| match pair {
            [(_, one, _), (_, other, span)] => ((one.from, one.above) == (other.from, other.above)).then_some(span),
            _ => None,
        });
        let wrong = |message: String| TableError::at(text, twice.unwrap_or(first).start, Some(quoted(model)), message);
        let of_model = same.iter().map(|(_, row, _)| row.clone()).collect();
        let prices = ModelPrices::new(model.clone(), of_model).map_err(|error| wrong(error.to_string()))?;
        table.add(Entry::Priced(prices)).map_err(|_| wrong(TWICE.to_owned()))?;
    }
    Ok(table)
}

impl RowText {
    fn into_row(self) -> (String, Row) {
        let mut prices = Prices::default();
        let million = [
            (Billed::Input, Some(self.input)),
            (Billed::CacheRead, self.cache_read),
            (Billed::CacheWrite, self.cache_write),
            (Billed::CacheWriteHour, self.cache_write_1h),
            (Billed::Output, self.output),
            (Billed::Reasoning, self.reasoning),
        ];
        for (billed, price) in million {
            prices.set(Some(billed), price.map(|price| price.0));
        }
        prices.set(None, self.request.map(|price| price.0));
        let from = self.from.map_or(Timestamp::ZERO, |day| day.0);
        (self.model, Row { from, above: self.above_input_tokens.unwrap_or(0), prices })
    }
}

/// A day, as the time at which it begins.
struct Day(Timestamp);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let day = Datetime::deserialize(deserializer)?;
        let begins = date::beginning(&day).map(Self);
        begins.ok_or_else(|| D::Error::custom("expected a day from 1970 to 2553, such as 2026-03-13"))
    }
}

/// The price of one, in dollars per million.
struct PerMillion(PicoUsd);

impl<'de> Deserialize<'de> for PerMillion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PriceVisitor(Per::Million)).map(Self)
    }
}

/// The price of one, in dollars.
struct PerOne(PicoUsd);

impl<'de> Deserialize<'de> for PerOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PriceVisitor(Per::One)).map(Self)
    }
}

/// Reads a price, written as a decimal string or as an integer of whole dollars.
struct PriceVisitor(Per);

impl Visitor<'_> for PriceVisitor {
    type Value = PicoUsd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dollars as a decimal string such as \"2.50\" or as a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PicoUsd, E> {
        PicoUsd::read(text, self.0).map_err(|problem| E::custom(format_args!("{problem}: {}", quoted(text))))
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<PicoUsd, E> {
        self.visit_str(&dollars.to_string())
    }

    fn visit_f64<E: Error>(self, dollars: f64) -> Result<PicoUsd, E> {
        Err(E::custom(format_args!("a float is not an exact price: write it as a string: \"{dollars:?}\"")))
    }
}

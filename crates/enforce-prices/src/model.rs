//! The prices of one model, and what a call of it costs.

use enforce_core::{Actual, Demand, NanoUsd, Timestamp};

use crate::error::PriceError;
use crate::pico::PicoUsd;
use crate::rows::{self, Prices, Row, RowsError};
use crate::usage::{Billed, TokenUsage};

/// Pico-dollars in a nano-dollar.
const PICO: u128 = 1_000;

/// The prices of one model: by what is billed, by the size of the input, and by date, as far as its table has them.
///
/// A cost is counted in pico-dollars, in 128 bits, and rounded once, half up, to a nano-dollar.
///
/// ```
/// use enforce_core::{NanoUsd, Timestamp};
/// use enforce_prices::{Billed, CachedInside, PriceError, PriceTable, TokenUsage};
///
/// let table = PriceTable::parse(
///     r#"
///     [[price]]
///     model = "acme-large"
///     input = "2.80"
///     cache_read = "0.28"
///     output = "4.20"
///     "#,
/// )?;
/// let model = table.find("acme-large")?;
/// let reported = CachedInside { prompt_tokens: 2_036, cached_tokens: 320, completion_tokens: 77, ..Default::default() };
/// assert_eq!(model.cost(&TokenUsage::try_from(reported)?, Timestamp::ZERO)?, NanoUsd::new(5_217_800)?);
///
/// // What has no price is not free.
/// let reported = CachedInside { cache_write_tokens: 10, ..reported };
/// let error = model.cost(&TokenUsage::try_from(reported)?, Timestamp::ZERO).unwrap_err();
/// assert!(matches!(error, PriceError::NotPriced { billed: Billed::CacheWrite, tokens: 10, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelPrices {
    name: String,
    /// As [`rows::ordered`] leaves them.
    rows: Vec<Row>,
}

impl ModelPrices {
    pub(crate) fn new(name: String, rows: Vec<Row>) -> Result<Self, RowsError> {
        Ok(Self { name, rows: rows::ordered(rows)? })
    }

    /// The model's name in its table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a call cost that was made at this time: the tokens, and the request where that has a price.
    ///
    /// # Errors
    /// [`PriceError::NotPriced`] if tokens were used that the model has no price for, [`PriceError::NotYet`] before its
    /// first price, [`PriceError::TooLarge`] above [`NanoUsd::MAX`].
    pub fn cost(&self, usage: &TokenUsage, at: Timestamp) -> Result<NanoUsd, PriceError> {
        let rows = self.rows_at(at)?;
        let row = rows.iter().rev().find(|row| row.above == 0 || usage.input() > row.above);
        let prices = row.map_or(Prices::default(), |row| row.prices);
        let mut parts = [0; 6];
        for (cost, (billed, tokens)) in parts.iter_mut().zip(usage.parts()) {
            *cost = self.times(tokens, prices.get(Some(billed)), billed)?;
        }
        self.rounded(parts.iter().sum::<u128>() + wide(prices.get(None)))
    }

    /// What a call used and cost, to settle its hold with.
    ///
    /// # Errors
    /// As [`ModelPrices::cost`].
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, Timestamp};
    /// use enforce_prices::{PriceTable, TokenUsage};
    ///
    /// let table = PriceTable::parse("[[price]]\nmodel = \"acme-large\"\ninput = \"2\"\noutput = \"8\"")?;
    /// let model = table.find("acme-large")?;
    /// let run = Enforcer::builder().build()?.execution("exec_1", "tenant_a").register()?;
    /// let hold = run.reserve(Demand::step())?;
    /// hold.settle(model.actual(&TokenUsage::new(1_000, 500)?, Timestamp::ZERO)?);
    /// assert_eq!(run.finish().cost_nano_usd, 6_000_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn actual(&self, usage: &TokenUsage, at: Timestamp) -> Result<Actual, PriceError> {
        Ok(Actual::from(*usage).cost(self.cost(usage, at)?))
    }

    /// The most that a call can cost which is made at this time with at most so many tokens in and out: no usage within
    /// them that has a cost has a higher one, whatever part of it is cached, written into a cache, or reasoning.
    ///
    /// Where nothing is ever written into a cache, [`ModelPrices::cost`] of the same tokens is lower and suffices.
    ///
    /// # Errors
    /// As [`ModelPrices::cost`].
    ///
    /// ```
    /// use enforce_core::Timestamp;
    /// use enforce_prices::{PriceError, PriceTable};
    ///
    /// let table = PriceTable::parse("[[price]]\nmodel = \"acme-embed\"\ninput = \"2\"\ncache_write = \"2.50\"")?;
    /// let model = table.find("acme-embed")?;
    /// assert_eq!(model.upper_bound(1_000, 0, Timestamp::ZERO)?.to_string(), "$0.0025");
    /// assert!(matches!(model.upper_bound(1_000, 1, Timestamp::ZERO), Err(PriceError::NotPriced { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upper_bound(&self, input: u64, output: u64, at: Timestamp) -> Result<NanoUsd, PriceError> {
        let rows = self.rows_at(at)?;
        let reached = || rows.iter().filter(|row| row.above == 0 || input > row.above).map(|row| &row.prices);
        let dearest =
            |kinds: &[Billed]| reached().flat_map(|row| kinds.iter().filter_map(|kind| row.get(Some(*kind)))).max();
        let ins = [Billed::Input, Billed::CacheRead, Billed::CacheWrite, Billed::CacheWriteHour];
        let input_cost = self.times(input, dearest(&ins), Billed::Input)?;
        let output_cost = self.times(output, dearest(&[Billed::Output, Billed::Reasoning]), Billed::Output)?;
        self.rounded(input_cost + output_cost + wide(reached().filter_map(|row| row.get(None)).max()))
    }

    /// One step with at most so many tokens in and out, and the most that it can cost.
    ///
    /// # Errors
    /// As [`ModelPrices::upper_bound`].
    ///
    /// ```
    /// use enforce_core::{Demand, Timestamp};
    /// use enforce_prices::{PriceError, PriceTable};
    ///
    /// let table = PriceTable::parse("[[price]]\nmodel = \"acme-large\"\ninput = \"2\"\noutput = \"8\"")?;
    /// let model = table.find("acme-large")?;
    /// let by_hand = Demand::step().tokens(1_000, 500).cost("0.006".parse()?);
    /// assert_eq!(model.demand(1_000, 500, Timestamp::ZERO)?, by_hand);
    /// assert!(matches!(model.demand(u64::MAX, 500, Timestamp::ZERO), Err(PriceError::TooLarge { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn demand(&self, input: u64, output: u64, at: Timestamp) -> Result<Demand, PriceError> {
        Ok(Demand::step().tokens(input, output).cost(self.upper_bound(input, output, at)?))
    }

    /// The rows that hold at this time, by `above`; not empty.
    fn rows_at(&self, at: Timestamp) -> Result<&[Row], PriceError> {
        let begun = self.rows.partition_point(|row| row.from <= at);
        let (begun, later) = self.rows.split_at(begun);
        match (begun.last(), later.first()) {
            (Some(last), _) => {
                let superseded = begun.partition_point(|row| row.from < last.from);
                Ok(begun.split_at(superseded).1)
            }
            (None, first) => {
                let from = first.map_or(Timestamp::ZERO, |row| row.from);
                Err(PriceError::NotYet { model: self.name.clone(), from })
            }
        }
    }

    /// Tokens at a price: below 2¹²⁰, so that no sum of a few overflows 128 bits.
    fn times(&self, tokens: u64, price: Option<PicoUsd>, billed: Billed) -> Result<u128, PriceError> {
        match price {
            _ if tokens == 0 => Ok(0),
            // Below 2⁶⁴ tokens, of at most 2⁵⁶ − 1 pico-dollars each.
            Some(price) => Ok(u128::from(tokens) * u128::from(price.get())),
            None => Err(PriceError::NotPriced { model: self.name.clone(), billed, tokens }),
        }
    }

    fn rounded(&self, pico: u128) -> Result<NanoUsd, PriceError> {
        let nanos = u64::try_from((pico + PICO / 2) / PICO).ok();
        nanos
            .and_then(|nanos| NanoUsd::new(nanos).ok())
            .ok_or_else(|| PriceError::TooLarge { model: self.name.clone() })
    }
}

fn wide(price: Option<PicoUsd>) -> u128 {
    price.map_or(0, |price| u128::from(price.get()))
}

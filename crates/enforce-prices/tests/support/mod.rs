//! What the tests have in common.
#![allow(dead_code, reason = "each test binary uses its part")]
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use enforce_core::{NanoUsd, Timestamp};
use enforce_prices::{CachedBeside, CachedInside, ModelPrices, TokenUsage};

/// A time after every date in these tests' tables.
pub(crate) const LATE: Timestamp = Timestamp::from_nanos(u64::MAX);

/// Text as a time: whole seconds since 1970.
pub(crate) const fn second(second: u64) -> Timestamp {
    Timestamp::from_nanos(second * 1_000_000_000)
}

pub(crate) fn usage(input: u64, output: u64) -> TokenUsage {
    TokenUsage::new(input, output).unwrap()
}

pub(crate) fn inside(prompt_tokens: u64, cached_tokens: u64, completion_tokens: u64) -> TokenUsage {
    CachedInside { prompt_tokens, cached_tokens, completion_tokens, ..Default::default() }.try_into().unwrap()
}

pub(crate) fn beside(reported: CachedBeside) -> TokenUsage {
    reported.try_into().unwrap()
}

/// Nano-dollars.
pub(crate) fn cost(model: &ModelPrices, usage: TokenUsage) -> u64 {
    model.cost(&usage, LATE).map(NanoUsd::get).unwrap()
}

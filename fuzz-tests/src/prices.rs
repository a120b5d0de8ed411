//! Price tables in three formats, and what a call costs by them.

use enforce_core::Timestamp;
use enforce_prices::{CachedBeside, CachedInside, ModelPrices, PriceTable, TableError, TokenUsage};

use crate::text;

pub(crate) fn own(data: &[u8]) {
    read(data, PriceTable::parse);
}

pub(crate) fn genai(data: &[u8]) {
    read(data, PriceTable::from_genai_prices);
}

pub(crate) fn litellm(data: &[u8]) {
    read(data, PriceTable::from_litellm);
}

fn read(data: &[u8], read: fn(&str) -> Result<PriceTable, TableError>) {
    let Some(text) = text(data) else { return };
    match read(text) {
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line: {error}"),
        Ok(table) => {
            assert!(table.models().count() <= table.len());
            for model in table.models() {
                assert_eq!(table.find(model.name()).expect("its own model").name(), model.name());
                prices(model);
            }
            // A name that nobody has: with names that are near, or none.
            drop(table.find("no/such-model"));
            drop(table.find(""));
        }
    }
}

const MAX: u64 = (1 << 56) - 1;
const SIZES: [u64; 7] = [0, 1, 999, 128_000, 200_000, 200_001, MAX];
/// 1970, 2026, and the end of all time.
const TIMES: [Timestamp; 3] =
    [Timestamp::ZERO, Timestamp::from_nanos(1_790_000_000_000_000_000), Timestamp::from_nanos(u64::MAX)];

/// A bound is one, and a larger call has none that is lower.
fn prices(model: &ModelPrices) {
    for at in TIMES {
        let mut before = None;
        for size in SIZES {
            let Ok(bound) = model.upper_bound(size, 999, at) else { continue };
            assert!(before.is_none_or(|before| before <= bound), "{}: a larger call with a lower bound", model.name());
            before = Some(bound);
            for usage in calls(size) {
                if let Ok(cost) = model.cost(&usage, at) {
                    assert!(cost <= bound, "{}: {usage:?} costs {cost}, more than {bound}", model.name());
                }
            }
        }
    }
}

/// Calls of so many tokens in and 999 out, whatever of them was cached.
fn calls(input: u64) -> impl Iterator<Item = TokenUsage> {
    let (half, rest) = (input / 2, input - input / 2);
    let inside =
        [(0, 0, 0), (input, 0, 999), (half, rest, 1)].map(|(cached_tokens, cache_write_tokens, reasoning_tokens)| {
            let parts = CachedInside { cached_tokens, cache_write_tokens, reasoning_tokens, ..CachedInside::default() };
            TokenUsage::try_from(CachedInside { prompt_tokens: input, completion_tokens: 999, ..parts })
        });
    let beside = [(half, 0), (0, half)].map(|(cache_creation_input_tokens, cache_read_input_tokens)| {
        let parts = CachedBeside { cache_creation_input_tokens, cache_read_input_tokens, ..CachedBeside::default() };
        let hour = cache_creation_input_tokens / 2;
        TokenUsage::try_from(CachedBeside {
            input_tokens: rest,
            output_tokens: 999,
            ephemeral_1h_input_tokens: hour,
            ..parts
        })
    });
    inside.into_iter().chain(beside).map(|call| call.expect("its parts are not more than the whole"))
}

//! LiteLLM's `model_prices_and_context_window.json`: dollars per token, under keys of one flat object per model.

use std::collections::HashSet;

use enforce_core::Timestamp;
use serde_json::value::RawValue;

use crate::error::{TWICE, TableError, quoted};
use crate::json::{Pairs, Source};
use crate::model::ModelPrices;
use crate::pico::{Per, PicoUsd};
use crate::rows::{SizedPrice, by_size};
use crate::table::{Entry, PriceTable};
use crate::usage::Billed;

/// Explains the format to its readers, and is no model.
const SPECIMEN: &str = "sample_spec";

/// Its request always searches, at a price beside the tokens'.
const ALWAYS_SEARCHES: &str = "perplexity";

/// Endings of prices that hold where a request asks for them, which these prices are not for.
const ON_REQUEST: [&str; 6] = ["_batches", "_flex", "_priority", "_ultrafast", "_balanced", "_decisions"];

/// Parts of the names of prices for what is no text token, or not in the usage of a call unless it asked for it.
const BESIDE_TEXT: [&str; 15] = [
    "_audio",
    "_image",
    "_video",
    "_pixel",
    "_dbu",
    "_per_query",
    "_per_page",
    "_per_session",
    "_per_credit",
    "_per_1k_",
    "_per_gb_",
    "_per_unit",
    "_above_12hr",
    "_token_cache_hit",
    "_text_message",
];

/// What a key says.
enum Meaning {
    /// The price of what is billed as this (or of the request), above a size of input.
    Price(Option<Billed>, u64),
    Passed,
    Unsupported,
}

pub(crate) fn read(text: &str) -> Result<PriceTable, TableError> {
    let source = Source(text);
    let mut table = PriceTable::default();
    let mut qualified = Vec::new();
    let Pairs(models) = source.read(text, None)?;
    for (name, raw) in models {
        if name == SPECIMEN {
            continue;
        }
        let (entry, provider) = model(source, &name, raw)?;
        let at = table.add(entry).map_err(|_| source.wrong(raw, &name, "", TWICE.to_owned()))?;
        qualified.extend(provider.map(|provider| (format!("{provider}/{name}"), at)));
    }
    for (name, at) in qualified {
        // A name that is a model's own stays that model's; so does one that came before.
        let _taken = table.add_name(name, at);
    }
    Ok(table)
}

fn model<'a>(source: Source<'a>, name: &str, raw: &'a RawValue) -> Result<(Entry, Option<String>), TableError> {
    let Pairs(pairs) = source.read(raw.get(), Some(name))?;
    let (mut prices, mut provider, mut unsupported) = (Vec::new(), None, None);
    let (mut searches, mut beside_tokens, mut seen) = (false, false, HashSet::new());
    for (key, raw) in pairs {
        searches |= key == "search_context_cost_per_query";
        if key == "litellm_provider" && raw.get() != "null" {
            provider = Some(source.read::<String>(raw.get(), Some(name))?);
        }
        match meaning(&key) {
            _ if raw.get() == "null" => {}
            Meaning::Price(what, above) => {
                let price = source.price(name, &key, raw, Per::One)?;
                if !seen.insert((what, above)) {
                    return Err(source.wrong(raw, name, &key, TWICE.to_owned()));
                }
                prices.push(SizedPrice { what, above, price });
            }
            // An image, a query or a page that costs something.
            Meaning::Passed => beside_tokens |= key.contains("cost") && has_digits(raw.get()),
            Meaning::Unsupported => unsupported = unsupported.or(Some(key)),
        }
    }
    let what = if let Some(key) = unsupported {
        format!("{} is not supported", quoted(&key))
    } else if searches && provider.as_deref() == Some(ALWAYS_SEARCHES) {
        "each request is billed for its search".to_owned()
    } else if beside_tokens && !prices.is_empty() && prices.iter().all(|price| price.price == PicoUsd::ZERO) {
        "its tokens are free, and it is billed by something else".to_owned()
    } else {
        match by_size(Timestamp::ZERO, prices).and_then(|rows| ModelPrices::new(name.to_owned(), rows)) {
            Ok(model) => return Ok((Entry::Priced(model), provider)),
            Err(error) => error.to_string(),
        }
    };
    Ok((Entry::Unsupported { name: name.to_owned(), what }, provider))
}

fn meaning(key: &str) -> Meaning {
    if !key.contains("cost") && !key.contains("pricing") {
        return Meaning::Passed;
    }
    let size = key.rsplit_once("_above_").and_then(|(base, size)| Some((base, thousands(size)?)));
    let (base, above) = size.unwrap_or((key, 0));
    let what = match base {
        "input_cost_per_token" => Some(Billed::Input),
        "cache_read_input_token_cost" => Some(Billed::CacheRead),
        "cache_creation_input_token_cost" => Some(Billed::CacheWrite),
        "cache_creation_input_token_cost_above_1hr" => Some(Billed::CacheWriteHour),
        "output_cost_per_token" => Some(Billed::Output),
        "output_cost_per_reasoning_token" => Some(Billed::Reasoning),
        "input_cost_per_request" => None,
        _ if ON_REQUEST.iter().any(|ending| key.ends_with(ending)) => return Meaning::Passed,
        _ if BESIDE_TEXT.iter().any(|part| key.contains(part)) => return Meaning::Passed,
        _ => return Meaning::Unsupported,
    };
    Meaning::Price(what, above)
}

/// Whether a number is not 0.
fn has_digits(number: &str) -> bool {
    number.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The number of tokens in `200k_tokens`.
fn thousands(size: &str) -> Option<u64> {
    size.strip_suffix("k_tokens")?.parse::<u64>().ok()?.checked_mul(1_000)
}

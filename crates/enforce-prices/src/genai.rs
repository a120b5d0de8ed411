//! genai-prices' `data.json`: providers with models, which have names by clauses and dollars per million tokens.

use enforce_core::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use toml::value::Datetime;

use crate::clause::Clause;
use crate::date;
use crate::error::{TWICE, TableError, quoted};
use crate::json::{Pairs, Source};
use crate::model::ModelPrices;
use crate::pico::Per;
use crate::rows::{Row, RowsError, SizedPrice, by_size};
use crate::table::{Entry, PriceTable, Provider};
use crate::usage::Billed;

/// Prices of what is not in the usage of a call of text.
const BESIDE_TEXT: [&str; 3] = ["input_audio_mtok", "output_audio_mtok", "cache_audio_read_mtok"];

#[derive(Deserialize)]
struct ProviderText<'a> {
    id: String,
    model_match: Option<Clause>,
    #[serde(borrow)]
    models: Vec<ModelText<'a>>,
}

#[derive(Deserialize)]
struct ModelText<'a> {
    id: String,
    r#match: Clause,
    #[serde(borrow)]
    prices: &'a RawValue,
}

/// Prices with the day from which they hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatedText<'a> {
    #[serde(borrow)]
    constraint: Option<Pairs<'a>>,
    #[serde(borrow)]
    prices: &'a RawValue,
}

/// A price that depends on the size of the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TieredText<'a> {
    #[serde(borrow)]
    base: &'a RawValue,
    #[serde(borrow)]
    tiers: Vec<TierText<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierText<'a> {
    start: u64,
    #[serde(borrow)]
    price: &'a RawValue,
}

/// What keeps a model from being priced: an error of the text, or a feature that is not supported.
enum Problem {
    Table(TableError),
    Unsupported(String),
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// The text and the model that is being read from it.
#[derive(Clone, Copy)]
struct Reader<'a, 'n> {
    source: Source<'a>,
    name: &'n str,
}

pub(crate) fn read(text: &str) -> Result<PriceTable, TableError> {
    let source = Source(text);
    let mut table = PriceTable::default();
    for provider in source.read::<Vec<ProviderText<'_>>>(text, None)? {
        let prefix = format!("{}/", provider.id);
        let mut models = Vec::with_capacity(provider.models.len());
        for ModelText { id, r#match: clause, prices: raw } in provider.models {
            let name = format!("{prefix}{id}");
            let entry = match (Reader { source, name: &name }).model(raw) {
                Ok(model) => Entry::Priced(model),
                Err(Problem::Unsupported(what)) => Entry::Unsupported { name: name.clone(), what },
                Err(Problem::Table(error)) => return Err(error),
            };
            let twice = |_| source.wrong(raw, &name, "", TWICE.to_owned());
            models.push((clause, table.add(entry).map_err(twice)?));
        }
        table.add_provider(Provider { prefix, model_match: provider.model_match, models });
    }
    Ok(table)
}

impl<'a> Reader<'a, '_> {
    fn model(self, raw: &'a RawValue) -> Result<ModelPrices, Problem> {
        let mut rows = Vec::new();
        if raw.get().starts_with('[') {
            for dated in self.source.read::<Vec<DatedText<'a>>>(raw.get(), Some(self.name))? {
                let from = self.begins(dated.constraint)?;
                // Of several that hold the last counts: by date only where they stand in that order.
                if rows.last().is_some_and(|last: &Row| last.from >= from) {
                    return Err(Problem::Unsupported("its dates do not ascend".to_owned()));
                }
                self.push_rows(from, dated.prices, &mut rows)?;
            }
        } else {
            self.push_rows(Timestamp::ZERO, raw, &mut rows)?;
        }
        ModelPrices::new(self.name.to_owned(), rows).map_err(unusable)
    }

    /// From when on a constraint lets prices hold; without one, from the beginning.
    fn begins(self, constraint: Option<Pairs<'a>>) -> Result<Timestamp, Problem> {
        let Some(Pairs(pairs)) = constraint else { return Ok(Timestamp::ZERO) };
        let [(key, raw)] = pairs.as_slice() else {
            return Err(Problem::Unsupported("prices that depend on the time of day are not supported".to_owned()));
        };
        if key != "start_date" {
            return Err(Problem::Unsupported(format!("the constraint {} is not supported", quoted(key))));
        }
        let day: String = self.source.read(raw.get(), Some(self.name))?;
        let begins = day.parse::<Datetime>().ok().as_ref().and_then(date::beginning);
        let message = || "expected a day from 1970 to 2553, such as \"2026-03-13\"".to_owned();
        begins.ok_or_else(|| Problem::Table(self.source.wrong(raw, self.name, key, message())))
    }

    /// The prices that hold from this time on.
    fn push_rows(self, from: Timestamp, raw: &'a RawValue, rows: &mut Vec<Row>) -> Result<(), Problem> {
        let Pairs(pairs) = self.source.read(raw.get(), Some(self.name))?;
        let mut prices = Vec::new();
        for (index, (key, raw)) in pairs.iter().enumerate() {
            if pairs.iter().take(index).any(|(earlier, _)| earlier == key) {
                return Err(Problem::Table(self.source.wrong(raw, self.name, key, TWICE.to_owned())));
            }
            let (what, per) = match key.as_str() {
                "input_mtok" => (Some(Billed::Input), Per::Million),
                "cache_read_mtok" => (Some(Billed::CacheRead), Per::Million),
                "cache_write_mtok" => (Some(Billed::CacheWrite), Per::Million),
                "output_mtok" => (Some(Billed::Output), Per::Million),
                "requests_kcount" => (None, Per::Thousand),
                key if BESIDE_TEXT.contains(&key) => continue,
                key => return Err(Problem::Unsupported(format!("{} is not supported", quoted(key)))),
            };
            let mut push = |above, raw| {
                let price = self.source.price(self.name, key, raw, per)?;
                prices.push(SizedPrice { what, above, price });
                Ok::<(), TableError>(())
            };
            if raw.get().starts_with('{') {
                let TieredText { base, tiers } = self.source.read(raw.get(), Some(self.name))?;
                push(0, base)?;
                tiers.into_iter().try_for_each(|tier| push(tier.start, tier.price))?;
            } else {
                push(0, raw)?;
            }
        }
        rows.extend(by_size(from, prices).map_err(unusable)?);
        Ok(())
    }
}

fn unusable(error: RowsError) -> Problem {
    Problem::Unsupported(error.to_string())
}

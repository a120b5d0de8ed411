//! Usage, as an upstream reports it and as it is settled.

use enforce_core::{Actual, Demand, NanoUsd, Timestamp};
use enforce_prices::{CachedInside, ModelPrices, PriceError, TokenUsage};
use serde::Deserialize;
use serde_json::Value;

/// `usage` of a completion or of a chunk.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Reported {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    audio_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
    #[serde(default)]
    audio_tokens: Option<u64>,
}

impl Reported {
    /// The usage that is said there; `None` if it is none, or contradicts itself.
    pub(crate) fn read(said: Value) -> Option<TokenUsage> {
        serde_json::from_value::<Self>(said).ok()?.usage()
    }

    fn usage(self) -> Option<TokenUsage> {
        let prompt = self.prompt_tokens_details.unwrap_or_default();
        let completion = self.completion_tokens_details.unwrap_or_default();
        let [cached, sound_in] = [prompt.cached_tokens, prompt.audio_tokens].map(Option::unwrap_or_default);
        let [reasoning, sound_out] =
            [completion.reasoning_tokens, completion.audio_tokens].map(Option::unwrap_or_default);
        let inside = CachedInside {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: cached,
            completion_tokens: self.completion_tokens,
            reasoning_tokens: reasoning,
            audio_tokens: sound_in.saturating_add(sound_out),
            ..CachedInside::default()
        };
        TokenUsage::try_from(inside).ok()
    }
}

/// The prices of one call: those of its model at its time.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    pub(crate) prices: ModelPrices,
    pub(crate) at: Timestamp,
}

impl Bill {
    /// The most that a call of so many tokens may use.
    pub(crate) fn demand(&self, input: u64, output: u64) -> Result<Demand, PriceError> {
        self.prices.demand(input, output, self.at)
    }

    /// What a call used and cost. Tokens that have no price of their own (of a cache, say) cost the most that they can.
    pub(crate) fn actual(&self, usage: &TokenUsage) -> Actual {
        self.prices.actual(usage, self.at).unwrap_or_else(|_| {
            let most = self.prices.upper_bound(usage.input(), usage.output(), self.at);
            Actual::from(*usage).cost(most.unwrap_or(NanoUsd::MAX))
        })
    }

    /// What so many more output tokens of a call with so much input can cost, rounded up.
    pub(crate) fn more(&self, input: u64, output: u64) -> NanoUsd {
        let [with, without] = [output, 0].map(|output| self.prices.upper_bound(input, output, self.at));
        match (with, without) {
            (Ok(with), Ok(without)) => {
                // Both were rounded to the nearest.
                let more = with.get().saturating_sub(without.get()).saturating_add(1);
                NanoUsd::new(more).unwrap_or(NanoUsd::MAX)
            }
            _ => NanoUsd::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enforce_prices::PriceTable;

    fn bill(prices: &str) -> Bill {
        let table = PriceTable::parse(&format!("[[price]]\nmodel = \"m\"\n{prices}")).unwrap();
        Bill { prices: table.find("m").unwrap().clone(), at: Timestamp::ZERO }
    }

    fn reported(text: &str) -> Option<TokenUsage> {
        serde_json::from_str::<Reported>(text).unwrap().usage()
    }

    #[test]
    fn usage_is_read_with_and_without_details() {
        assert_eq!(reported(r#"{"prompt_tokens": 5}"#), TokenUsage::new(5, 0).ok());
        let details = r#"{"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": null}}"#;
        assert_eq!(reported(details).unwrap().cache_read(), 3);
        assert_eq!(
            reported(&details.replace("\"cached_tokens\": 3", "\"cached_tokens\": 6")),
            None,
            "more than came in"
        );
    }

    #[test]
    fn tokens_without_a_price_of_their_own_cost_the_most_that_they_can() {
        let usage = reported(r#"{"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 400}}"#).unwrap();
        let priced = bill("input = \"2\"\ncache_read = \"1\"").actual(&usage);
        let unpriced = bill("input = \"2\"").actual(&usage);
        assert_eq!(priced, Actual::tokens(1_000, 0).cost(NanoUsd::new(1_600_000).unwrap()));
        assert_eq!(unpriced, Actual::tokens(1_000, 0).cost(NanoUsd::new(2_000_000).unwrap()));
    }

    #[test]
    fn a_hold_that_grows_by_blocks_covers_the_cost_whatever_the_rounding() {
        let bill = bill("input = \"0.0004\"\noutput = \"0.0003\"");
        for block in 1..7 {
            let held = bill.prices.upper_bound(3, block, bill.at).unwrap().get() + 9 * bill.more(3, block).get();
            let cost = bill.prices.cost(&TokenUsage::new(3, 10 * block).unwrap(), bill.at).unwrap();
            assert!(cost.get() <= held, "{block}");
        }
    }
}

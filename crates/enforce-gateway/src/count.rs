//! What has flowed of a stream.

use enforce_core::NanoUsd;
use enforce_prices::TokenUsage;

use crate::sse::Chunk;

/// The most tokens that can be counted.
const MOST: u64 = NanoUsd::MAX.get();

/// What has flowed: what was last reported, and what has come since.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// The input, as it was taken to be.
    input: u64,
    reported: Option<TokenUsage>,
    since: u64,
}

impl Count {
    /// Nothing yet, of an answer to so many tokens of input.
    pub(crate) fn of(input: u64) -> Self {
        Self { input, ..Self::default() }
    }

    /// Counts a chunk; how many output tokens more that makes.
    pub(crate) fn add(&mut self, chunk: &Chunk) -> u64 {
        let before = self.output();
        match chunk.usage {
            None => self.since = self.since.saturating_add(chunk.tokens),
            Some(usage) => (self.reported, self.since) = (Some(usage), 0),
        }
        // What the end of a stream reports is settled, whatever it is; no room has to be found for it any more.
        if chunk.is_usage { 0 } else { self.output().saturating_sub(before) }
    }

    pub(crate) fn output(&self) -> u64 {
        self.reported.map_or(0, |usage| usage.output()).saturating_add(self.since)
    }

    pub(crate) fn usage(&self) -> TokenUsage {
        match self.reported {
            Some(usage) if self.since == 0 => usage,
            reported => {
                let input = reported.map_or(self.input, |usage| usage.input());
                // As much as can be counted at all, so it is never refused.
                TokenUsage::new(input.min(MOST), self.output().min(MOST)).unwrap_or_default()
            }
        }
    }
}

//! The oracle's rates: what drains steadily, and what of it comes back.

use super::look::MINUTE_NS;
use super::model::{Asked, Oracle, Used};
use super::policy::Rate;

/// One rate of one provider, in shares of a minute since the epoch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drain {
    /// When all that was taken will have drained.
    pub(super) end: u128,
    /// The latest time that anybody has taken at.
    latest: u128,
    /// All that has come back.
    returned: u128,
}

/// What a hold has taken of its provider's tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    provider: usize,
    rate: Rate,
    at: u128,
    tokens: u128,
    /// The end behind it, and all that had come back by then.
    end: u128,
    returned: u128,
    /// The caller said what rates count.
    apart: bool,
}

impl Drain {
    /// The same, in shares since an epoch that is `later` shares later, or earlier by as many; nobody has asked before `now`.
    pub(super) fn since(&self, later: i128, now: i128) -> Self {
        let end = if self.end == 0 { 0 } else { self.end as i128 - later };
        Self { end: end.max(now) as u128, ..Self::default() }
    }

    pub(super) fn take(&mut self, at: u128, amount: u128) {
        self.end = self.end.max(at) + amount * MINUTE_NS;
        self.latest = self.latest.max(at);
    }

    /// Gives back what has not drained yet of `amount`.
    fn give(&mut self, taken: &Taken, amount: u128) {
        let since = self.returned - taken.returned;
        let own_end = taken.end.saturating_sub(since).max(taken.at + taken.tokens * MINUTE_NS);
        let back = (amount * MINUTE_NS).min(own_end.saturating_sub(self.latest)).min(self.end);
        self.end -= back;
        self.returned += back;
    }
}

impl Oracle {
    /// Charges the rates of a demand; what its hold has to remember.
    pub(super) fn charge_rates(&mut self, asked: &Asked, now: u64) -> Option<Taken> {
        let (legs, provider) = (self.legs(asked), asked.provider?);
        for (which, leg) in legs.iter().enumerate() {
            if let Some((rate, _, amount)) = leg {
                let at = self.shares(rate, now);
                self.drains[provider][which].take(at, *amount);
            }
        }
        let (rate, _, tokens) = legs[1]?;
        let Drain { end, returned, .. } = self.drains[provider][1];
        let (at, apart) = (self.shares(&rate, now), asked.rate_tokens.is_some());
        Some(Taken { provider, rate, at, tokens, end, returned, apart })
    }

    /// What a dropped hold had taken comes back.
    pub(crate) fn drop_hold(&mut self, run: usize, number: usize) {
        let open = self.runs[run].holds[number].take();
        if let Some(taken) = open.and_then(|open| open.rated) {
            self.drains[taken.provider][1].give(&taken, taken.tokens);
        }
    }

    /// What was not used comes back, what was used above it is charged.
    pub(super) fn settle_rates(&mut self, taken: &Taken, used: &Used, now: u64) {
        let tokens = u128::from(used.input) + u128::from(used.output);
        let at = self.shares(&taken.rate, now);
        let drain = &mut self.drains[taken.provider][1];
        if taken.apart && tokens > 0 {
            // What the caller said stays.
        } else if tokens < taken.tokens {
            drain.give(taken, taken.tokens - tokens);
        } else if tokens > taken.tokens {
            drain.take(at, tokens - taken.tokens);
        }
    }
}

//! How fast a provider may be asked.

use serde::{Deserialize, Serialize};

use super::rate::validate_rate;
use super::{ConfigError, MAX_AMOUNT, RateLimit, RatePeriod, RateUnit, at_most};

/// How fast every provider may be asked per minute; a rate of another unit, period or key is a [`RateLimit`]. A rate
/// refills steadily; a burst is what may come at once after a rest. A limit or burst of 0 allows nothing.
///
/// Rates are exact, and so not every number can be one: a limit, divided by what it has in common with a minute of
/// 60,000,000,000 ns, must leave at most 58. The error names the nearest limits that can be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderPolicy {
    /// Requests per minute. Default none.
    pub requests_per_minute: Option<u64>,
    /// Requests at once. Default the same number as `requests_per_minute`.
    pub request_burst: Option<u64>,
    /// Tokens per minute, input and output together. Default none.
    pub tokens_per_minute: Option<u64>,
    /// Tokens at once. Default the same number as `tokens_per_minute`.
    pub token_burst: Option<u64>,
}

impl ProviderPolicy {
    /// Whether these rates can be counted exactly for ten years.
    ///
    /// # Errors
    /// A limit or burst above 2⁵⁶ − 1; a burst without its limit; a limit that cannot be counted exactly, or a burst
    /// too long for its limit.
    ///
    /// ```
    /// use enforce_core::ProviderPolicy;
    ///
    /// assert!(ProviderPolicy { requests_per_minute: Some(350), ..Default::default() }.validate().is_ok());
    /// let error = ProviderPolicy { requests_per_minute: Some(349), ..Default::default() }.validate().unwrap_err();
    /// assert_eq!(error.right, "write 348 or 350");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate("requests_per_minute", self.requests_per_minute, "request_burst", self.request_burst)?;
        validate("tokens_per_minute", self.tokens_per_minute, "token_burst", self.token_burst)
    }

    /// The same as rates of every provider.
    pub(crate) fn rates(&self) -> impl Iterator<Item = RateLimit> {
        let rate = |unit, limit: Option<u64>, burst| {
            limit.map(|limit| RateLimit { burst, ..RateLimit::provider(unit, limit, RatePeriod::Minute) })
        };
        [
            rate(RateUnit::Requests, self.requests_per_minute, self.request_burst),
            rate(RateUnit::TotalTokens, self.tokens_per_minute, self.token_burst),
        ]
        .into_iter()
        .flatten()
    }
}

fn validate(
    limit_key: &'static str,
    limit: Option<u64>,
    burst_key: &'static str,
    burst: Option<u64>,
) -> Result<(), ConfigError> {
    match (limit, burst) {
        (Some(limit), _) => validate_rate(RatePeriod::Minute, limit_key, limit, burst_key, burst),
        (None, Some(_)) => {
            at_most(MAX_AMOUNT, burst_key, burst)?;
            Err(ConfigError::new(burst_key, "a burst of no rate", format!("write {limit_key} too")))
        }
        (None, None) => Ok(()),
    }
}

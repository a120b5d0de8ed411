//! How fast a provider may be asked.

use serde::{Deserialize, Serialize};

use super::{ConfigError, MAX_AMOUNT, at_most};

/// A minute in nanoseconds: 2¹¹ · 3 · 5¹⁰.
const MINUTE_NS: u64 = 60_000_000_000;

/// The least time that a rate must be countable, ten years of 365.25 days, in nanoseconds.
const TEN_YEARS_NS: u64 = 315_576_000_000_000_000;

/// A rate is counted in units of 1/q ns in 64 bits: more than this many to the nanosecond do not last ten years.
const MAX_UNITS_PER_NS: u64 = u64::MAX / TEN_YEARS_NS;

/// The longest burst, in units of 1/q ns.
const MAX_BURST_UNITS: u64 = 1 << 62;

/// How fast a provider may be asked. A rate refills steadily; a burst is what may come at once after a rest. A limit or
/// burst of 0 allows nothing.
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
        validate_rate("requests_per_minute", self.requests_per_minute, "request_burst", self.request_burst)?;
        validate_rate("tokens_per_minute", self.tokens_per_minute, "token_burst", self.token_burst)
    }
}

fn validate_rate(
    limit_key: &'static str,
    limit: Option<u64>,
    burst_key: &'static str,
    burst: Option<u64>,
) -> Result<(), ConfigError> {
    at_most(MAX_AMOUNT, limit_key, limit)?;
    at_most(MAX_AMOUNT, burst_key, burst)?;
    let Some(limit) = limit else {
        return match burst {
            Some(_) => Err(ConfigError::new(burst_key, "a burst of no rate", format!("write {limit_key} too"))),
            None => Ok(()),
        };
    };
    if limit == 0 {
        return Ok(());
    }
    let (interval, units_per_ns) = rate_ratio(limit);
    if units_per_ns > MAX_UNITS_PER_NS {
        return Err(ConfigError::new(
            limit_key,
            format!("{limit} per minute cannot be counted exactly for ten years"),
            match nearest_limits(limit) {
                (below, Some(above)) => format!("write {below} or {above}"),
                (below, None) => format!("write {below}"),
            },
        ));
    }
    // A burst that is left out equals the limit and always fits: limit · p = q minutes, with q at most 58.
    at_most(MAX_BURST_UNITS / interval, burst_key, burst)
}

/// The time between two units of a rate of `limit` per minute, as the reduced fraction p/q of nanoseconds. A limit of 0
/// has no such time; its fraction is 1/0.
pub(crate) fn rate_ratio(limit: u64) -> (u64, u64) {
    let (mut divisor, mut rest) = (MINUTE_NS, limit);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (MINUTE_NS / divisor, limit / divisor)
}

/// The nearest limits on either side of one that cannot be counted. 1 always can; above 58 to the nanosecond none can.
fn nearest_limits(limit: u64) -> (u64, Option<u64>) {
    let (mut below, mut above) = (1, None);
    // Every countable limit is a divisor of a minute times 1 to 58.
    for twos in 0..=11 {
        for threes in 0..=1 {
            for fives in 0..=10 {
                let divisor = 2_u64.pow(twos) * 3_u64.pow(threes) * 5_u64.pow(fives);
                for units_per_ns in 1..=MAX_UNITS_PER_NS {
                    let candidate = divisor * units_per_ns;
                    if candidate < limit {
                        below = candidate.max(below);
                    } else {
                        above = Some(above.map_or(candidate, |above: u64| above.min(candidate)));
                    }
                }
            }
        }
    }
    (below, above)
}

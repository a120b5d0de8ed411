//! How fast something may go: of what, for whom, per which period.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConfigError, MAX_AMOUNT, at_most};

/// The least time that a rate must be countable, ten years of 365.25 days, in nanoseconds.
const TEN_YEARS_NS: u64 = 315_576_000_000_000_000;

/// A rate is counted in units of 1/q ns in 64 bits: more than this many to the nanosecond do not last ten years.
const MAX_UNITS_PER_NS: u64 = u64::MAX / TEN_YEARS_NS;

/// The longest burst, in units of 1/q ns.
const MAX_BURST_UNITS: u64 = 1 << 62;

/// Whose rate it is: what a demand has to name to meet it. Prints and serializes in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateOn {
    /// A provider's: all that names it, of every tenant together.
    Provider,
    /// A tenant's with a provider: each tenant has its own.
    TenantProvider,
    /// A model's: all that names it, of every tenant together.
    Model,
}

/// What a rate counts. Prints and serializes in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateUnit {
    /// Demands: one each.
    Requests,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Input and output tokens together, or what [`crate::Demand::rate_tokens`] says.
    TotalTokens,
}

/// The period of a rate. Prints and serializes in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RatePeriod {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day of 24 hours; it begins with no midnight, for a rate refills steadily.
    Day,
}

impl RateOn {
    #[cfg(feature = "policy-file")]
    pub(crate) const ALL: [Self; 3] = [Self::Provider, Self::TenantProvider, Self::Model];

    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::TenantProvider => "tenant_provider",
            Self::Model => "model",
        }
    }
}

impl RateUnit {
    #[cfg(feature = "policy-file")]
    pub(crate) const ALL: [Self; 4] = [Self::Requests, Self::InputTokens, Self::OutputTokens, Self::TotalTokens];

    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::TotalTokens => "total_tokens",
        }
    }
}

impl RatePeriod {
    #[cfg(feature = "policy-file")]
    pub(crate) const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How long it lasts: at most 2¹⁶ · 3³ · 5¹¹ ns.
    pub(crate) const fn nanos(self) -> u64 {
        let second = 1_000_000_000;
        match self {
            Self::Second => second,
            Self::Minute => 60 * second,
            Self::Hour => 3_600 * second,
            Self::Day => 86_400 * second,
        }
    }
}

impl fmt::Display for RateOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RateUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RatePeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rate: it refills steadily; a burst is what may come at once after a rest. A limit or burst of 0 allows nothing.
///
/// A rate without a name is everyone's of its kind, each with a count of its own; a rate of a name stands in for it
/// there, unit by unit and period by period.
///
/// ```
/// use enforce_core::{Enforcer, RateLimit, RatePeriod, RateUnit};
///
/// let enforcer = Enforcer::builder()
///     .rate(RateLimit::provider(RateUnit::Requests, 50, RatePeriod::Second))
///     .rate(RateLimit::provider(RateUnit::Requests, 5, RatePeriod::Second).named("local").burst(20))
///     .rate(RateLimit::tenant_provider(RateUnit::TotalTokens, 2_000_000, RatePeriod::Day))
///     .rate(RateLimit::model(RateUnit::OutputTokens, 80_000, RatePeriod::Minute))
///     .build()?;
/// # Ok::<(), enforce_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Whose it is.
    pub on: RateOn,
    /// The provider (also of a tenant's rate) or model that it is for. Default every one.
    #[serde(default)]
    pub name: Option<String>,
    /// What it counts.
    pub unit: RateUnit,
    /// So many per period.
    pub limit: u64,
    /// The period.
    pub per: RatePeriod,
    /// So many at once. Default the same number as `limit`.
    #[serde(default)]
    pub burst: Option<u64>,
}

impl RateLimit {
    const fn new(on: RateOn, unit: RateUnit, limit: u64, per: RatePeriod) -> Self {
        Self { on, name: None, unit, limit, per, burst: None }
    }

    /// A rate of every provider.
    #[must_use]
    pub const fn provider(unit: RateUnit, limit: u64, per: RatePeriod) -> Self {
        Self::new(RateOn::Provider, unit, limit, per)
    }

    /// A rate of every tenant with every provider.
    #[must_use]
    pub const fn tenant_provider(unit: RateUnit, limit: u64, per: RatePeriod) -> Self {
        Self::new(RateOn::TenantProvider, unit, limit, per)
    }

    /// A rate of every model.
    #[must_use]
    pub const fn model(unit: RateUnit, limit: u64, per: RatePeriod) -> Self {
        Self::new(RateOn::Model, unit, limit, per)
    }

    /// For the provider or model of this name alone. Default every one.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// So many at once. Default the limit.
    #[must_use]
    pub fn burst(self, burst: u64) -> Self {
        Self { burst: Some(burst), ..self }
    }

    /// Whether this rate can be counted exactly for ten years, and its name can be one.
    ///
    /// # Errors
    /// A limit or burst above 2⁵⁶ − 1; a limit that cannot be counted exactly, or a burst too long for its limit; a name
    /// that is empty or longer than 128 bytes.
    ///
    /// ```
    /// use enforce_core::{RateLimit, RatePeriod, RateUnit};
    ///
    /// let error = RateLimit::model(RateUnit::Requests, 59, RatePeriod::Second).validate().unwrap_err();
    /// assert_eq!(error.to_string(), "limit: 59 per second cannot be counted exactly for ten years; write 58 or 60");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(name) = &self.name {
            crate::id::validate("name", name)
                .map_err(|error| ConfigError::new("name", error.to_string(), "write a provider's or model's name"))?;
        }
        validate_rate(self.per, "limit", self.limit, "burst", self.burst)
    }
}

/// Whether a rate of `limit` per period, with this burst, can be counted exactly for ten years.
pub(super) fn validate_rate(
    per: RatePeriod,
    limit_key: &'static str,
    limit: u64,
    burst_key: &'static str,
    burst: Option<u64>,
) -> Result<(), ConfigError> {
    at_most(MAX_AMOUNT, limit_key, Some(limit))?;
    at_most(MAX_AMOUNT, burst_key, burst)?;
    if limit == 0 {
        return Ok(());
    }
    let (interval, units_per_ns) = rate_ratio(per, limit);
    if units_per_ns > MAX_UNITS_PER_NS {
        return Err(ConfigError::new(
            limit_key,
            format!("{limit} per {per} cannot be counted exactly for ten years"),
            match nearest_limits(per, limit) {
                (below, Some(above)) => format!("write {below} or {above}"),
                (below, None) => format!("write {below}"),
            },
        ));
    }
    // A burst that is left out equals the limit and always fits: limit · p = q periods, with q at most 58.
    at_most(MAX_BURST_UNITS / interval, burst_key, burst)
}

/// The time between two units of a rate of `limit` per period, as the reduced fraction p/q of nanoseconds. A limit of 0
/// has no such time; its fraction is 1/0.
pub(crate) fn rate_ratio(per: RatePeriod, limit: u64) -> (u64, u64) {
    let (mut divisor, mut rest) = (per.nanos(), limit);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (per.nanos() / divisor, limit / divisor)
}

/// The nearest limits on either side of one that cannot be counted. 1 always can; above 58 to the nanosecond none can.
fn nearest_limits(per: RatePeriod, limit: u64) -> (u64, Option<u64>) {
    let (mut below, mut above) = (1, None);
    // Every countable limit is a divisor of the period times 1 to 58.
    for twos in 0..=16 {
        for threes in 0..=3 {
            for fives in 0..=11 {
                let divisor = 2_u64.pow(twos) * 3_u64.pow(threes) * 5_u64.pow(fives);
                if !per.nanos().is_multiple_of(divisor) {
                    continue;
                }
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

//! Whether to try again, and how long to wait before. No amount of attempts overflows.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How the wait before a retry grows from attempt to attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackoffStrategy {
    /// No wait. The default.
    #[default]
    None,
    /// The base delay each time.
    Constant,
    /// The base delay times the attempt number.
    Linear,
    /// The base delay, doubled with each attempt after the first.
    Exponential,
}

impl BackoffStrategy {
    /// How long to wait after attempt number `attempt` (counted from 1), at most `max`. Saturates: no attempt number
    /// and no delay overflows.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::BackoffStrategy;
    ///
    /// let (base, max) = (Duration::from_secs(1), Duration::from_secs(30));
    /// assert_eq!(BackoffStrategy::Exponential.calculate_delay(base, 4, max), Duration::from_secs(8));
    /// assert_eq!(BackoffStrategy::Exponential.calculate_delay(base, u32::MAX, max), max);
    /// ```
    #[must_use]
    pub fn calculate_delay(&self, base: Duration, attempt: u32, max: Duration) -> Duration {
        let delay = match self {
            Self::None => Duration::ZERO,
            Self::Constant => base,
            Self::Linear => base.saturating_mul(attempt),
            Self::Exponential => doubled(base, attempt.saturating_sub(1), max),
        };
        delay.min(max)
    }
}

/// `delay` doubled `times` times, or any value from `max` on where that passes `max`. Ends after 94 doublings: by then
/// a nanosecond has passed the longest duration.
fn doubled(mut delay: Duration, times: u32, max: Duration) -> Duration {
    for _ in 0..times {
        if delay.is_zero() || delay >= max {
            break;
        }
        delay = delay.saturating_mul(2);
    }
    delay
}

/// Whether, how often and after how long to try again. The default is [`RetryPolicy::fatal`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Whether trying again can help at all.
    pub retryable: bool,
    /// How many retries after the first attempt.
    pub max_retries: u32,
    /// How the wait grows.
    pub backoff_strategy: BackoffStrategy,
    /// The wait after the first attempt. Serialized in whole milliseconds, rounded up.
    #[serde(with = "millis")]
    pub base_delay: Duration,
    /// The longest wait. Serialized in whole milliseconds, rounded up.
    #[serde(with = "millis")]
    pub max_delay: Duration,
    /// Whether a retry needs an idempotency key, since the failed attempt may have had an effect.
    pub requires_idempotency_key: bool,
}

impl RetryPolicy {
    /// Never try again.
    #[must_use]
    pub fn fatal() -> Self {
        Self {
            retryable: false,
            max_retries: 0,
            backoff_strategy: BackoffStrategy::None,
            base_delay: Duration::ZERO,
            max_delay: Duration::ZERO,
            requires_idempotency_key: false,
        }
    }

    /// Try again up to `max_retries` times, after 1 s that doubles to at most 30 s.
    #[must_use]
    pub fn retryable(max_retries: u32) -> Self {
        Self {
            retryable: true,
            max_retries,
            backoff_strategy: BackoffStrategy::Exponential,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            requires_idempotency_key: false,
        }
    }

    /// How long to wait after attempt number `attempt` (counted from 1).
    #[must_use]
    pub fn delay_for_attempt(&self, attempt: u32) -> Duration {
        self.backoff_strategy.calculate_delay(self.base_delay, attempt, self.max_delay)
    }

    /// Whether to try again after attempt number `attempt` (counted from 1).
    #[must_use]
    pub fn should_retry(&self, attempt: u32) -> bool {
        self.retryable && attempt <= self.max_retries
    }
}

/// [`RetryPolicy::fatal`].
impl Default for RetryPolicy {
    fn default() -> Self {
        Self::fatal()
    }
}

/// Durations as whole milliseconds. Rounded up, so that a delay that suffices still does once it was written and read.
mod millis {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = duration.as_nanos().div_ceil(1_000_000);
        serializer.serialize_u64(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

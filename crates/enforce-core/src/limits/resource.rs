//! Limits on what one execution may use.

use serde::{Deserialize, Serialize};

use super::{ConfigError, MAX_AMOUNT, UNLIMITED, amount_or_unlimited, at_most, overdraft};
use crate::money::NanoUsd;

/// The largest memory limit whose bytes are still an amount, in MiB.
const MAX_MEMORY_MB: u64 = MAX_AMOUNT >> 20;

/// How much one execution may use. A limit of 0 allows nothing.
///
/// ```
/// use enforce_core::ResourceLimits;
///
/// let limits = ResourceLimits { max_steps: 20, ..Default::default() };
/// assert_eq!((limits.max_steps, limits.max_tokens), (20, 100_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceLimits {
    /// Steps that may begin. Default 100; [`UNLIMITED`] for no limit.
    pub max_steps: u64,
    /// Tokens, input and output together. Default 100,000; [`UNLIMITED`] for no limit.
    pub max_tokens: u64,
    /// Time since registration, in milliseconds; the policy's grace comes on top. Default 300,000 (five minutes);
    /// [`UNLIMITED`] for no limit.
    pub max_wall_time_ms: u64,
    /// Memory held at once, in MiB. Default none.
    pub max_memory_mb: Option<u64>,
    /// Live executions of the tenant that have no parent. Default none.
    pub max_concurrent_executions: Option<u64>,
    /// What the execution may cost, in dollars. A hard limit; see
    /// [`cost_alert_threshold_usd`](super::LongRunningExecutionPolicy::cost_alert_threshold_usd) for one that asks.
    /// Default none.
    pub max_cost_usd: Option<NanoUsd>,
    /// Time since registration without what was spent paused, in milliseconds; the policy's grace comes on top. Default
    /// none.
    pub max_active_time_ms: Option<u64>,
    /// Live children of the execution. Default none.
    pub max_children: Option<u64>,
    /// Children of the execution over its whole life. Default none.
    pub max_children_total: Option<u64>,
    /// Tokens by which an overrun may pass `max_tokens` before that blocks demands that ask for none. What asks for
    /// tokens is not admitted past the limit in any case; a limit of 0 has no overdraft. Default 0.
    pub token_overdraft: u64,
    /// The same for `max_cost_usd`, in dollars. Default $0.
    pub cost_overdraft_usd: NanoUsd,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self { max_steps: 100, max_tokens: 100_000, max_wall_time_ms: 300_000, ..Self::unlimited() }
    }
}

impl ResourceLimits {
    /// No limit at all.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            max_steps: UNLIMITED,
            max_tokens: UNLIMITED,
            max_wall_time_ms: UNLIMITED,
            max_memory_mb: None,
            max_concurrent_executions: None,
            max_cost_usd: None,
            max_active_time_ms: None,
            max_children: None,
            max_children_total: None,
            token_overdraft: 0,
            cost_overdraft_usd: NanoUsd::ZERO,
        }
    }

    /// Whether these limits can be counted.
    ///
    /// # Errors
    /// An amount above 2⁵⁶ − 1 (memory: in bytes) that is not [`UNLIMITED`]; an overdraft of no limit. A time may be any
    /// number.
    ///
    /// ```
    /// use enforce_core::{ResourceLimits, UNLIMITED};
    ///
    /// assert!(ResourceLimits::unlimited().validate().is_ok());
    /// let error = ResourceLimits { max_steps: UNLIMITED - 1, ..Default::default() }.validate().unwrap_err();
    /// assert_eq!(error.key, "max_steps");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        amount_or_unlimited("max_steps", self.max_steps)?;
        amount_or_unlimited("max_tokens", self.max_tokens)?;
        let max_tokens = (self.max_tokens != UNLIMITED).then_some(self.max_tokens);
        overdraft("token_overdraft", self.token_overdraft, "max_tokens", max_tokens)?;
        let max_cost = self.max_cost_usd.map(NanoUsd::get);
        overdraft("cost_overdraft_usd", self.cost_overdraft_usd.get(), "max_cost_usd", max_cost)?;
        at_most(MAX_MEMORY_MB, "max_memory_mb", self.max_memory_mb)?;
        at_most(MAX_AMOUNT, "max_children", self.max_children)?;
        at_most(MAX_AMOUNT, "max_children_total", self.max_children_total)?;
        at_most(MAX_AMOUNT, "max_concurrent_executions", self.max_concurrent_executions)
    }
}

//! What may be configured: plain structs, checked as a whole before they take effect.
//!
//! Every struct here can be written out in full, copied and compared; `validate` says whether it makes sense. Building
//! an enforcer validates them all, so calling it yourself is only of use to report an error early.

mod budget;
mod enforcement;
mod long_running;
mod process;
mod provider;
pub(crate) mod rate;
mod resource;
mod tenant;

use std::fmt;

pub use self::budget::{Budget, BudgetAmount, BudgetPeriod, BudgetResource};
pub use self::enforcement::{Action, EnforcementPolicy, LimitActions};
pub use self::long_running::LongRunningExecutionPolicy;
pub use self::process::ProcessPolicy;
pub use self::provider::ProviderPolicy;
pub use self::rate::{RateLimit, RateOn, RatePeriod, RateUnit};
pub use self::resource::ResourceLimits;
pub use self::tenant::TenantPolicy;

/// No limit, in a field that is a plain integer. Optional fields say it with `None`.
pub const UNLIMITED: u64 = u64::MAX;

/// The largest amount that is counted, and the largest limit on one: 2⁵⁶ − 1.
pub(crate) const MAX_AMOUNT: u64 = (1 << 56) - 1;

/// A configuration that makes no sense: which key, what is wrong with it, and what would be right.
///
/// ```
/// use enforce_core::ResourceLimits;
///
/// let error = ResourceLimits { max_memory_mb: Some(1 << 40), ..Default::default() }.validate().unwrap_err();
/// assert_eq!(error.key, "max_memory_mb");
/// assert_eq!(error.to_string(), "max_memory_mb: 1099511627776 is too large; write at most 68719476735 or leave it out");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, as it is written in a policy file, such as `max_steps`.
    pub key: &'static str,
    /// What is wrong with its value.
    pub wrong: String,
    /// What to write instead.
    pub right: String,
}

impl ConfigError {
    pub(crate) fn new(key: &'static str, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { key, wrong: wrong.into(), right: right.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.wrong, self.right)
    }
}

impl std::error::Error for ConfigError {}

/// Refuses a limit above `max`.
fn at_most(max: u64, key: &'static str, limit: Option<u64>) -> Result<(), ConfigError> {
    match limit {
        Some(limit) if limit > max => {
            Err(ConfigError::new(key, format!("{limit} is too large"), format!("write at most {max} or leave it out")))
        }
        _ => Ok(()),
    }
}

/// Refuses an overdraft that cannot be counted or has no limit that it could pass.
fn overdraft(
    key: &'static str,
    overdraft: u64,
    limit_key: &'static str,
    limit: Option<u64>,
) -> Result<(), ConfigError> {
    at_most(MAX_AMOUNT, key, Some(overdraft))?;
    match limit {
        None if overdraft > 0 => {
            Err(ConfigError::new(key, "an overdraft of no limit", format!("write {limit_key} too")))
        }
        _ => Ok(()),
    }
}

/// Refuses a limit that is neither an amount nor [`UNLIMITED`].
pub(crate) fn amount_or_unlimited(key: &'static str, limit: u64) -> Result<(), ConfigError> {
    if limit > MAX_AMOUNT && limit != UNLIMITED {
        return Err(ConfigError::new(
            key,
            format!("{limit} is too large"),
            format!("write at most {MAX_AMOUNT}, or {UNLIMITED} for no limit"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

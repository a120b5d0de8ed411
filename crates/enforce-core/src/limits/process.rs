//! What all tenants may use together.

use serde::{Deserialize, Serialize};

use super::budget::validate_all;
use super::{Budget, ConfigError, MAX_AMOUNT, at_most};

/// What everything that one enforcer watches over may use together. Limits nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessPolicy {
    /// Live executions that have no parent, of all tenants. Default none.
    pub max_concurrent_executions: Option<u64>,
    /// What all executions of all tenants may use together. Default none.
    pub budgets: Vec<Budget>,
}

impl ProcessPolicy {
    /// Whether this policy makes sense.
    ///
    /// # Errors
    /// An amount above 2⁵⁶ − 1; a budget that makes no sense; two of one resource and period.
    ///
    /// ```
    /// use enforce_core::{Budget, BudgetAmount, BudgetPeriod, ProcessPolicy};
    ///
    /// let tokens = |amount| Budget::new(BudgetAmount::Tokens(amount), BudgetPeriod::Day);
    /// let policy = ProcessPolicy { budgets: vec![tokens(10), tokens(20)], ..Default::default() };
    /// assert_eq!(policy.validate().unwrap_err().to_string(), "budgets: two of tokens per day; leave one of them out");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        validate_all(&self.budgets)?;
        at_most(MAX_AMOUNT, "max_concurrent_executions", self.max_concurrent_executions)
    }
}

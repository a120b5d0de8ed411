//! What a tenant may spend, over all its executions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, ConfigError, MAX_AMOUNT, at_most, overdraft};
use crate::money::NanoUsd;

/// Over which time a budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// Once, for good. The default.
    #[default]
    Total,
    /// Anew each day, from midnight to midnight UTC.
    Day,
}

/// As in a policy file: `total`, `day`.
impl fmt::Display for BudgetPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Total => "total",
            Self::Day => "day",
        })
    }
}

/// What a tenant may spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantPolicy {
    /// What all its executions may cost together, in dollars. Default none.
    pub budget_usd: Option<NanoUsd>,
    /// Over which time. Default [`BudgetPeriod::Total`].
    pub budget_period: BudgetPeriod,
    /// What happens to an execution that asks once the budget is spent. Default [`Action::Refuse`].
    pub budget_action: Action,
    /// Live executions that have no parent. Default: the `max_concurrent_executions` of the enforcer's resource limits;
    /// for a tenant with limits of its own, none.
    pub max_concurrent_executions: Option<u64>,
    /// Dollars by which overruns may pass `budget_usd` before that blocks demands that ask for no money. Default $0.
    pub budget_overdraft_usd: NanoUsd,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            budget_usd: None,
            budget_period: BudgetPeriod::default(),
            budget_action: Action::Refuse,
            max_concurrent_executions: None,
            budget_overdraft_usd: NanoUsd::ZERO,
        }
    }
}

impl TenantPolicy {
    /// Whether this policy makes sense.
    ///
    /// # Errors
    /// An amount above 2⁵⁶ − 1; an overdraft of no budget.
    ///
    /// ```
    /// use enforce_core::TenantPolicy;
    ///
    /// let policy = TenantPolicy { max_concurrent_executions: Some(u64::MAX), ..Default::default() };
    /// assert_eq!(policy.validate().unwrap_err().key, "max_concurrent_executions");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        let budget = self.budget_usd.map(NanoUsd::get);
        overdraft("budget_overdraft_usd", self.budget_overdraft_usd.get(), "budget_usd", budget)?;
        at_most(MAX_AMOUNT, "max_concurrent_executions", self.max_concurrent_executions)
    }
}

//! What a tenant may spend, over all its executions.

use serde::{Deserialize, Serialize};

use super::budget::validate_all;
use super::{Action, Budget, BudgetAmount, BudgetPeriod, ConfigError, MAX_AMOUNT, at_most, overdraft};
use crate::money::NanoUsd;

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
    /// Further budgets, besides the one above, which is short for one of cost. Default none.
    pub budgets: Vec<Budget>,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            budget_usd: None,
            budget_period: BudgetPeriod::default(),
            budget_action: Action::Refuse,
            max_concurrent_executions: None,
            budget_overdraft_usd: NanoUsd::ZERO,
            budgets: Vec::new(),
        }
    }
}

impl TenantPolicy {
    /// Whether this policy makes sense.
    ///
    /// # Errors
    /// An amount above 2⁵⁶ − 1; an overdraft of no budget; a budget that makes no sense; two of one resource and period.
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
        validate_all(&self.all_budgets())?;
        at_most(MAX_AMOUNT, "max_concurrent_executions", self.max_concurrent_executions)
    }

    /// The budget that has fields of its own.
    pub(crate) fn usd_budget(&self) -> Option<Budget> {
        let overdraft = Some(BudgetAmount::CostUsd(self.budget_overdraft_usd));
        let budget = Budget::new(BudgetAmount::CostUsd(self.budget_usd?), self.budget_period);
        Some(Budget { overdraft, action: self.budget_action, ..budget })
    }

    /// Every budget, the one of `budget_usd` first.
    #[must_use]
    pub fn all_budgets(&self) -> Vec<Budget> {
        self.usd_budget().into_iter().chain(self.budgets.iter().copied()).collect()
    }
}

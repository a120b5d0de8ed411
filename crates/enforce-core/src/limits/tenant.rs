//! What a tenant may spend, over all its executions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, ConfigError};
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
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self { budget_usd: None, budget_period: BudgetPeriod::default(), budget_action: Action::Refuse }
    }
}

impl TenantPolicy {
    /// Whether this policy makes sense. Its types allow nothing else yet; ask all the same, as of the other policies.
    ///
    /// # Errors
    /// None yet.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

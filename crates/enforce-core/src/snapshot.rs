//! Usage, as read at one moment.

use serde::{Deserialize, Serialize};

use crate::allowance::AllowanceUsage;
use crate::decision::{Cause, EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::limits::{BudgetPeriod, BudgetResource};
use crate::plan::TallyLimit;

/// What an execution has used, as serializable data: the seed's eleven fields and ours.
///
/// Exact at rest. Under load each count that only grows lies between its values at the start and the end of the call,
/// every other was true at some moment of it, and the total is the sum of input and output (S1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsageSnapshot {
    /// Which execution.
    pub execution_id: String,
    /// Whose.
    pub tenant_id: String,
    /// Steps begun.
    pub steps: u64,
    /// Input tokens committed.
    pub input_tokens: u64,
    /// Output tokens committed.
    pub output_tokens: u64,
    /// Input and output tokens committed.
    pub total_tokens: u64,
    /// Milliseconds since registration.
    pub wall_time_ms: u64,
    /// Discovered steps begun.
    pub discovered_steps: u64,
    /// Open discoveries inside each other.
    pub discovery_depth: u64,
    /// The most that were ever open inside each other.
    pub max_discovery_depth: u64,
    /// Dollars committed, for display; rounded to a float.
    pub cost_usd: f64,
    /// Nano-dollars committed, exactly.
    #[serde(default)]
    pub cost_nano_usd: u64,
    /// What open holds have set aside.
    #[serde(default)]
    pub outstanding: Outstanding,
    /// Tokens committed above their limit.
    #[serde(default)]
    pub debt_tokens: u64,
    /// Nano-dollars committed above their limit.
    #[serde(default)]
    pub debt_nano_usd: u64,
    /// How far tokens may pass their limit before it blocks what asks for none.
    #[serde(default)]
    pub overdraft_tokens: u64,
    /// How far nano-dollars may pass their limit before it blocks what asks for none.
    #[serde(default)]
    pub overdraft_nano_usd: u64,
    /// Its named allowances, in the order in which they were built.
    #[serde(default)]
    pub allowances: Vec<AllowanceUsage>,
    /// Whether it runs, and if not, why.
    #[serde(default)]
    pub status: Status,
}

/// What open holds have set aside. Usage is final when it is all 0 and every settle has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outstanding {
    /// Tokens.
    pub tokens: u64,
    /// Nano-dollars.
    pub cost_nano_usd: u64,
    /// Bytes.
    pub memory_bytes: u64,
}

impl Outstanding {
    /// Whether nothing is set aside.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.tokens | self.cost_nano_usd | self.memory_bytes == 0
    }
}

/// Whether an execution runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It may take its next step.
    #[default]
    Live,
    /// Nothing more until somebody approves.
    Paused(Cause),
    /// Nothing more, ever.
    Halted(Cause),
    /// It has ended; the cause is the limit that had halted or paused it, if one had.
    Finished(Option<Cause>),
}

impl Status {
    /// Why nothing is admitted, whatever is asked; `None` of one that is live. Of one that is paused it says *after approval*,
    /// also where the pause ends by itself: a state knows no time.
    ///
    /// ```
    /// use enforce_core::{Cause, Status, ViolationType};
    ///
    /// let paused = Status::Paused(Cause::own(ViolationType::CostThreshold));
    /// assert_eq!(paused.violation().map(|violation| violation.to_string()).as_deref(), Some("paused by cost_threshold"));
    /// assert_eq!(Status::Live.violation(), None);
    /// ```
    #[must_use]
    pub fn violation(&self) -> Option<EnforcementViolation> {
        let (kind, cause, retry) = match *self {
            Self::Live => return None,
            Self::Paused(cause) => (ViolationType::Paused, Some(cause), Retry::AfterApproval),
            Self::Halted(cause) => (ViolationType::Halted, Some(cause), Retry::Never),
            Self::Finished(cause) => (ViolationType::Closed, cause, Retry::Never),
        };
        Some(EnforcementViolation { cause, ..EnforcementViolation::of(ScopeKind::Execution, kind, 0, 0, 0, retry) })
    }
}

/// What a tenant has used since its entry was made: the sum over its root executions, live and ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TenantUsage {
    /// Which tenant.
    pub tenant_id: String,
    /// Executions that occupy a slot: registered, neither halted nor ended.
    pub live_executions: u64,
    /// Steps begun.
    pub steps: u64,
    /// Input tokens committed.
    pub input_tokens: u64,
    /// Output tokens committed.
    pub output_tokens: u64,
    /// Input and output tokens committed.
    pub total_tokens: u64,
    /// Nano-dollars committed.
    pub cost_nano_usd: u64,
    /// Its budget of `budget_usd` in the current period, if it has one.
    pub budget: Option<BudgetUsage>,
    /// All its budgets, that one too, in the order in which they are looked at.
    #[serde(default)]
    pub budgets: Vec<BudgetUsage>,
}

/// What all tenants of an enforcer use together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProcessUsage {
    /// Executions without a parent that are registered, neither halted nor ended.
    pub live_executions: u64,
    /// Its budgets, in the order in which they are looked at.
    pub budgets: Vec<BudgetUsage>,
}

/// A budget in its current period, in the unit in which its resource is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetUsage {
    /// Of what.
    #[serde(default)]
    pub resource: BudgetResource,
    /// Over which time.
    #[serde(default)]
    pub per: BudgetPeriod,
    /// How much there is in all.
    pub limit: u64,
    /// How much is spent.
    pub committed: u64,
    /// How much open holds have set aside.
    pub outstanding: u64,
    /// How much is spent above the limit.
    pub debt: u64,
    /// How far it may be passed before it blocks what asks nothing of it.
    #[serde(default)]
    pub overdraft: u64,
}

impl BudgetUsage {
    pub(crate) fn new(
        resource: BudgetResource,
        per: BudgetPeriod,
        limit: &TallyLimit,
        committed: u64,
        outstanding: u64,
    ) -> Self {
        let TallyLimit { limit, overdraft, .. } = *limit;
        Self { resource, per, limit, committed, outstanding, debt: committed.saturating_sub(limit), overdraft }
    }
}

//! What an enforcer knows, as plain data that outlives it.

use serde::{Deserialize, Serialize};

use crate::approval::Approved;
use crate::clock::Timestamp;
use crate::decision::Cause;
use crate::limits::{BudgetPeriod, BudgetResource, RateOn, RatePeriod, RateUnit};
use crate::scope::ScopeStatus;

/// The version of [`EnforcerState`] that this library writes, and the only one that it reads.
pub const STATE_VERSION: u32 = 1;

/// All that an enforcer has counted: what [`Enforcer::save`](crate::Enforcer::save) writes and
/// [`Enforcer::restore`](crate::Enforcer::restore) takes over.
///
/// It holds what was *used*, and no limit: limits come from the configuration of whoever restores it. Amounts are whole
/// numbers in the unit of their resource, money in nano-dollars; moments are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnforcerState {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// When it was saved, by the enforcer's clock.
    pub saved_at: Timestamp,
    /// The number of the latest pause.
    pub last_pause: u64,
    /// Every execution that has not ended; parents stand before their children.
    pub executions: Vec<ExecutionState>,
    /// Every tenant that is known.
    pub tenants: Vec<TenantState>,
    /// Every tenant that is closed or halted, known or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_tenants: Vec<ClosedTenantState>,
    /// The budgets of all tenants together.
    pub process: Vec<BudgetState>,
    /// Every rate of which something has not drained.
    pub rates: Vec<RateState>,
}

/// One execution that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExecutionState {
    /// Its id.
    pub id: String,
    /// The id of its tenant, which stands among the tenants.
    pub tenant: String,
    /// The id of its parent.
    pub parent: Option<String>,
    /// What was set aside for it, if it does not share its parent's budget.
    pub slice: Option<SliceState>,
    /// When it was registered.
    pub started_at: Timestamp,
    /// When it last did something, as far as idleness is concerned.
    pub last_activity: Timestamp,
    /// What it has used for good, by itself and by those that share its budget.
    pub committed: CommittedState,
    /// What its own open holds have set aside.
    pub outstanding: OutstandingState,
    /// How many children it ever had.
    pub children_total: u64,
    /// The most discoveries that were ever open inside each other.
    pub max_discovery_depth: u32,
    /// What it has used of named allowances.
    pub allowances: Vec<AllowanceState>,
    /// The steps that it last took, as far as loops are told by them.
    pub repeated: RepeatedState,
    /// How long its ended pauses lasted, in nanoseconds.
    pub paused_ns: u64,
    /// Since when it is paused, by itself or from above.
    pub paused_since: Option<Timestamp>,
    /// Its own pause that awaits an approval.
    pub pause: Option<PauseState>,
    /// The approvals that were carried out, oldest first. A record: the limits that they raised are not restored.
    pub approvals: Vec<Approved>,
    /// Why it was halted.
    pub halted: Option<Cause>,
}

/// Amounts that are used for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CommittedState {
    /// Steps begun.
    pub steps: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Nano-dollars.
    pub cost_nano_usd: u64,
    /// Discovered steps begun; 0 of a tenant.
    pub discovered_steps: u64,
}

/// Amounts that open holds have set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OutstandingState {
    /// Tokens.
    pub tokens: u64,
    /// Nano-dollars.
    pub cost_nano_usd: u64,
    /// Bytes.
    pub memory_bytes: u64,
}

/// What was set aside for a child when it was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SliceState {
    /// Steps.
    pub steps: u64,
    /// Tokens.
    pub tokens: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Nano-dollars.
    pub cost_nano_usd: u64,
    /// Discovered steps.
    pub discovered_steps: u64,
    /// The budgets of its tenant of which it was set aside.
    pub tenant: Vec<SlicedBudget>,
    /// The budgets of the process of which it was set aside.
    pub process: Vec<SlicedBudget>,
}

/// A budget of which a slice was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SlicedBudget {
    /// Which.
    pub budget: BudgetName,
    /// When the period ends in which it was; `None` of one that does not.
    pub ends: Option<Timestamp>,
}

/// What tells a budget from the others of its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BudgetName {
    /// Of what.
    pub resource: BudgetResource,
    /// Over which time.
    pub per: BudgetPeriod,
    /// How far its clock is ahead of UTC.
    pub utc_offset_minutes: i16,
}

/// What is used of a budget in the period that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BudgetState {
    /// Which.
    pub budget: BudgetName,
    /// When the period ends; `None` of one that does not.
    pub ends: Option<Timestamp>,
    /// What is used for good.
    pub committed: u64,
    /// What open holds have set aside. Slices are not in it: they stand with their executions.
    pub outstanding: u64,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantState {
    /// Its id.
    pub id: String,
    /// What its executions that have ended have used for good.
    pub ended: CommittedState,
    /// Its budgets.
    pub budgets: Vec<BudgetState>,
}

/// A tenant that takes no executions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClosedTenantState {
    /// Its id.
    pub id: String,
    /// Closed or halted, and why.
    pub status: ScopeStatus,
}

/// What is used of a named allowance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AllowanceState {
    /// Its name.
    pub name: String,
    /// Units begun.
    pub used: u64,
}

/// The latest steps of an execution, by their fingerprints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RepeatedState {
    /// The last one.
    pub last: u64,
    /// How often it stands there in a row; 0 if the last step had none.
    pub run: u64,
    /// The latest ones, newest first, where cycles are looked for.
    pub recent: Vec<Option<u64>>,
    /// How many of the latest positions in a row equal the one so many places before, place by place.
    pub equal: Vec<u64>,
}

/// A pause that awaits an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PauseState {
    /// Its number, by which tickets know it.
    pub number: u64,
    /// The limit that paused it.
    pub cause: Cause,
    /// That limit, in its unit.
    pub limit: u64,
    /// What was used of it.
    pub used: u64,
    /// What was asked of it.
    pub asked: u64,
    /// Why somebody paused it, if it was no limit.
    pub why: Option<String>,
    /// When it was paused.
    pub paused_at: Timestamp,
    /// When it ends by itself, if it does not wait for somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A rate of which something has not drained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RateState {
    /// Whose kind of rate it is.
    pub on: RateOn,
    /// The name of the provider or of the model.
    pub name: String,
    /// The tenant, of a tenant's rate with a provider.
    pub tenant: Option<String>,
    /// What it counts.
    pub unit: RateUnit,
    /// Over which period.
    pub per: RatePeriod,
    /// How far it is ahead of the moment at which it was saved, in 1/`scale` nanoseconds.
    pub ahead: u64,
    /// What one unit costs, in 1/`scale` nanoseconds.
    pub interval: u64,
    /// Units of time in a nanosecond.
    pub scale: u64,
}

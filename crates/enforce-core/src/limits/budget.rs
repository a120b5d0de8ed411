//! How much a scope may use in all of its executions: of what, over which time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, ConfigError, MAX_AMOUNT, at_most};
use crate::decision::ViolationType;
use crate::money::NanoUsd;

/// The largest offset of local time: the time zones of the world lie between −12 and +14 hours.
const MAX_OFFSET_MINUTES: i16 = 14 * 60;

/// MiB that the largest amount of bytes has.
const MAX_MEMORY_MB: u64 = MAX_AMOUNT >> 20;

/// Over which time a budget is spent. Prints and serializes in snake case; shorter periods come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetPeriod {
    /// Anew each hour.
    Hour,
    /// Anew each day, from midnight to midnight.
    Day,
    /// Anew each calendar month.
    Month,
    /// Once, for good. The default.
    #[default]
    Total,
}

impl BudgetPeriod {
    #[cfg(feature = "policy-file")]
    pub(crate) const ALL: [Self; 4] = [Self::Total, Self::Hour, Self::Day, Self::Month];

    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

impl fmt::Display for BudgetPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a budget counts. Prints and serializes in snake case; in the order in which limits are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetResource {
    /// Steps begun.
    Steps,
    /// Input and output tokens.
    Tokens,
    /// Memory held, in bytes: what is given back may be taken again, so it has no periods.
    Memory,
    /// Money, in nano-dollars. The default.
    #[default]
    Cost,
    /// Discovered steps begun.
    DiscoveredSteps,
}

impl BudgetResource {
    /// The name in snake case, as it prints and serializes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Tokens => "tokens",
            Self::Memory => "memory",
            Self::Cost => "cost",
            Self::DiscoveredSteps => "discovered_steps",
        }
    }

    /// As what a refusal of such a budget is reported.
    #[must_use]
    pub const fn violation_type(self) -> ViolationType {
        match self {
            Self::Steps => ViolationType::StepLimit,
            Self::Tokens => ViolationType::TokenLimit,
            Self::Memory => ViolationType::MemoryLimit,
            Self::Cost => ViolationType::CostLimit,
            Self::DiscoveredSteps => ViolationType::DiscoveredStepLimit,
        }
    }
}

impl fmt::Display for BudgetResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// So much of a resource, in the unit in which it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetAmount {
    /// Steps begun.
    Steps(u64),
    /// Input and output tokens.
    Tokens(u64),
    /// Memory held, in MiB.
    MemoryMb(u64),
    /// Money, in dollars.
    CostUsd(NanoUsd),
    /// Discovered steps begun.
    DiscoveredSteps(u64),
}

impl BudgetAmount {
    /// Of what.
    #[must_use]
    pub const fn resource(self) -> BudgetResource {
        match self {
            Self::Steps(_) => BudgetResource::Steps,
            Self::Tokens(_) => BudgetResource::Tokens,
            Self::MemoryMb(_) => BudgetResource::Memory,
            Self::CostUsd(_) => BudgetResource::Cost,
            Self::DiscoveredSteps(_) => BudgetResource::DiscoveredSteps,
        }
    }

    /// How much, in the unit in which it is counted: steps, tokens, bytes, nano-dollars. Cut at `u64::MAX`.
    #[must_use]
    pub const fn counted(self) -> u64 {
        match self {
            Self::Steps(amount) | Self::Tokens(amount) | Self::DiscoveredSteps(amount) => amount,
            Self::MemoryMb(mib) => mib.saturating_mul(1 << 20),
            Self::CostUsd(usd) => usd.get(),
        }
    }

    /// Refuses what cannot be counted.
    fn validate(self, key: Option<&'static str>) -> Result<(), ConfigError> {
        let (own, max, amount) = match self {
            Self::Steps(amount) => ("steps", MAX_AMOUNT, amount),
            Self::Tokens(amount) => ("tokens", MAX_AMOUNT, amount),
            Self::MemoryMb(mib) => ("memory_mb", MAX_MEMORY_MB, mib),
            Self::CostUsd(usd) => ("cost_usd", MAX_AMOUNT, usd.get()),
            Self::DiscoveredSteps(amount) => ("discovered_steps", MAX_AMOUNT, amount),
        };
        at_most(max, key.unwrap_or(own), Some(amount))
    }
}

/// One budget of a tenant or of the process: what all its executions may use together. An amount of 0 allows nothing.
///
/// ```
/// use enforce_core::{Budget, BudgetAmount, BudgetPeriod, Enforcer, TenantPolicy};
///
/// let budgets = vec![
///     Budget::new(BudgetAmount::CostUsd("10".parse()?), BudgetPeriod::Day),
///     Budget::new(BudgetAmount::CostUsd("100".parse()?), BudgetPeriod::Month).utc_offset_minutes(60),
///     Budget::new(BudgetAmount::Tokens(2_000_000), BudgetPeriod::Hour),
/// ];
/// let enforcer = Enforcer::builder().tenant(TenantPolicy { budgets, ..Default::default() }).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Of what, and how much in each period.
    pub amount: BudgetAmount,
    /// Over which time. Default [`BudgetPeriod::Total`].
    #[serde(default)]
    pub per: BudgetPeriod,
    /// What happens to an execution that asks once it is spent. Default [`Action::Refuse`].
    #[serde(default = "refuse")]
    pub action: Action,
    /// By how much overruns may pass it before that blocks demands that ask nothing of it; of the same resource. Default
    /// nothing.
    #[serde(default)]
    pub overdraft: Option<BudgetAmount>,
    /// How many minutes local time, by which its periods begin, is ahead of UTC: −840 to 840. Default 0.
    #[serde(default)]
    pub utc_offset_minutes: i16,
    /// Whether its owner approves its pauses beforehand: one that it brings about then ends with the period. For
    /// [`Action::Pause`] by the hour, day or month. Default no: somebody has to approve.
    #[serde(default)]
    pub next_period_approves: bool,
}

const fn refuse() -> Action {
    Action::Refuse
}

impl Budget {
    /// So much in each period, refused beyond.
    #[must_use]
    pub const fn new(amount: BudgetAmount, per: BudgetPeriod) -> Self {
        Self { amount, per, action: refuse(), overdraft: None, utc_offset_minutes: 0, next_period_approves: false }
    }

    /// What happens to an execution that asks once it is spent. Default [`Action::Refuse`].
    #[must_use]
    pub const fn action(self, action: Action) -> Self {
        Self { action, ..self }
    }

    /// By how much overruns may pass it before that blocks demands that ask nothing of it. Default nothing.
    #[must_use]
    pub const fn overdraft(self, overdraft: BudgetAmount) -> Self {
        Self { overdraft: Some(overdraft), ..self }
    }

    /// How many minutes local time, by which its periods begin, is ahead of UTC. Default 0.
    #[must_use]
    pub const fn utc_offset_minutes(self, minutes: i16) -> Self {
        Self { utc_offset_minutes: minutes, ..self }
    }

    /// Whether its owner approves its pauses beforehand: each that it brings about then ends with the period in which it
    /// refused, unless somebody has approved or rejected it before. Default no.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::{
    ///     Action, Budget, BudgetAmount, BudgetPeriod, Clock, Demand, Enforcer, ManualClock, Retry, TenantPolicy,
    /// };
    ///
    /// let hourly = Budget::new(BudgetAmount::Steps(1), BudgetPeriod::Hour).action(Action::Pause);
    /// let tenant = TenantPolicy { budgets: vec![hourly.next_period_approves(true)], ..Default::default() };
    /// let time = ManualClock::new();
    /// let run = Enforcer::builder().tenant(tenant).clock(Clock::manual(&time)).build()?;
    /// let run = run.execution("exec_1", "tenant_a").register()?;
    ///
    /// drop(run.reserve(Demand::step())?);
    /// let refused = run.reserve(Demand::step()).unwrap_err(); // and paused
    /// assert_eq!(refused.retry, Retry::After(Duration::from_secs(3_600)));
    /// time.advance(Duration::from_secs(3_600));
    /// assert!(run.reserve(Demand::step()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn next_period_approves(self, approves: bool) -> Self {
        Self { next_period_approves: approves, ..self }
    }

    /// Whether this budget makes sense.
    ///
    /// # Errors
    /// An amount or overdraft above 2⁵⁶ − 1; memory by periods; an overdraft of another resource; an offset of more than
    /// 14 hours, which no time zone has; pauses that the next period approves, where there is none, or no pause.
    ///
    /// ```
    /// use enforce_core::{Budget, BudgetAmount, BudgetPeriod};
    ///
    /// let error = Budget::new(BudgetAmount::MemoryMb(512), BudgetPeriod::Day).validate().unwrap_err();
    /// assert_eq!(error.to_string(), "per: memory comes back, so it has no budget by the day; write total or leave it out");
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.amount.validate(None)?;
        let resource = self.amount.resource();
        if resource == BudgetResource::Memory && self.per != BudgetPeriod::Total {
            let wrong = format!("memory comes back, so it has no budget by the {}", self.per);
            return Err(ConfigError::new("per", wrong, "write total or leave it out"));
        }
        if let Some(overdraft) = self.overdraft {
            overdraft.validate(Some("overdraft"))?;
            if overdraft.resource() != resource {
                let wrong = format!("{} for a budget of {resource}", overdraft.resource());
                return Err(ConfigError::new("overdraft", wrong, format!("write an amount of {resource}")));
            }
        }
        if self.utc_offset_minutes.unsigned_abs() > MAX_OFFSET_MINUTES.unsigned_abs() {
            let wrong = format!("no time zone is {} minutes from UTC", self.utc_offset_minutes);
            return Err(ConfigError::new("utc_offset_minutes", wrong, "write minutes from -840 to 840"));
        }
        self.validate_approval()
    }

    /// Refuses an approval of what never is to be approved.
    fn validate_approval(&self) -> Result<(), ConfigError> {
        if !self.next_period_approves {
            return Ok(());
        }
        let (wrong, instead) = if self.action != Action::Pause {
            let wrong = format!("a budget whose action is {} pauses nobody", self.action);
            (wrong, "write the action pause, or leave it out")
        } else if self.per == BudgetPeriod::Total {
            ("a budget in all has no next period".into(), "write per hour, day or month, or leave it out")
        } else {
            return Ok(());
        };
        Err(ConfigError::new("next_period_approves", wrong, instead))
    }

    /// What no other of its scope may be.
    const fn place(&self) -> (BudgetResource, BudgetPeriod) {
        (self.amount.resource(), self.per)
    }
}

/// Refuses budgets that make no sense, alone or side by side.
pub(super) fn validate_all(budgets: &[Budget]) -> Result<(), ConfigError> {
    let mut places = Vec::new();
    for budget in budgets {
        budget.validate()?;
        let place = budget.place();
        if places.contains(&place) {
            let (resource, per) = place;
            return Err(ConfigError::new("budgets", format!("two of {resource} per {per}"), "leave one of them out"));
        }
        places.push(place);
    }
    Ok(())
}

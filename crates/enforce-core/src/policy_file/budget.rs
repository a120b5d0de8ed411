//! `[[budget]]`: one budget of every tenant or of the process.

use super::read::{Entry, Key, Section, Value, keys};
use super::{PolicyFile, PolicyFileError};
use crate::limits::{Action, Budget, BudgetAmount, BudgetPeriod, ConfigError};
use crate::money::NanoUsd;

pub(super) const BUDGET: &[Key<Written>] = keys!(Written:
    on, steps, tokens, memory_mb, cost_usd, discovered_steps, per, action, overdraft, overdraft_usd,
    utc_offset_minutes, next_period_approves);

/// What a `[[budget]]` may not leave out.
const NEEDS: [&str; 1] = ["on"];

/// Whose budget it is.
#[derive(Clone, Copy, Default)]
enum On {
    #[default]
    Tenant,
    Process,
}

impl std::fmt::Display for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tenant => "tenant",
            Self::Process => "process",
        })
    }
}

impl Value for On {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.one_of(&[Self::Tenant, Self::Process])
    }
}

impl Value for BudgetPeriod {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.one_of(&Self::ALL)
    }
}

/// A budget, as it is written: its unit is in the name of its key.
#[derive(Default)]
pub(super) struct Written {
    on: On,
    steps: Option<u64>,
    tokens: Option<u64>,
    memory_mb: Option<u64>,
    cost_usd: Option<NanoUsd>,
    discovered_steps: Option<u64>,
    per: BudgetPeriod,
    action: Option<Action>,
    overdraft: Option<u64>,
    overdraft_usd: Option<NanoUsd>,
    utc_offset_minutes: i16,
    next_period_approves: bool,
}

impl Written {
    fn amounts(&self) -> impl Iterator<Item = BudgetAmount> {
        [
            self.steps.map(BudgetAmount::Steps),
            self.tokens.map(BudgetAmount::Tokens),
            self.memory_mb.map(BudgetAmount::MemoryMb),
            self.cost_usd.map(BudgetAmount::CostUsd),
            self.discovered_steps.map(BudgetAmount::DiscoveredSteps),
        ]
        .into_iter()
        .flatten()
    }

    /// The one amount that it names.
    fn amount(&self) -> Result<BudgetAmount, ConfigError> {
        let mut amounts = self.amounts();
        match (amounts.next(), amounts.next()) {
            (Some(amount), None) => Ok(amount),
            (named, _) => Err(ConfigError::new(
                "amount",
                if named.is_some() { "two amounts" } else { "lacks an amount" },
                "write one of steps, tokens, memory_mb, cost_usd, discovered_steps",
            )),
        }
    }

    fn budget(&self, amount: BudgetAmount) -> Result<Budget, ConfigError> {
        let overdraft = match (amount, self.overdraft, self.overdraft_usd) {
            (_, None, None) => None,
            (BudgetAmount::CostUsd(_), None, Some(usd)) => Some(BudgetAmount::CostUsd(usd)),
            (BudgetAmount::CostUsd(_), Some(_), _) => {
                return Err(ConfigError::new(
                    "overdraft",
                    "an overdraft of money is in dollars",
                    "write overdraft_usd",
                ));
            }
            (_, _, Some(_)) => {
                return Err(ConfigError::new("overdraft_usd", "the budget is not one of money", "write overdraft"));
            }
            (BudgetAmount::Steps(_), Some(units), None) => Some(BudgetAmount::Steps(units)),
            (BudgetAmount::Tokens(_), Some(units), None) => Some(BudgetAmount::Tokens(units)),
            (BudgetAmount::MemoryMb(_), Some(units), None) => Some(BudgetAmount::MemoryMb(units)),
            (BudgetAmount::DiscoveredSteps(_), Some(units), None) => Some(BudgetAmount::DiscoveredSteps(units)),
        };
        let action = self.action.unwrap_or(Action::Refuse);
        let Self { per, utc_offset_minutes, next_period_approves, .. } = *self;
        let budget = Budget { amount, per, action, overdraft, utc_offset_minutes, next_period_approves };
        budget.validate().map(|()| budget)
    }
}

/// A budget with the section that it stands in.
pub(super) struct Placed<'a> {
    section: Section<'a>,
    on: On,
    budget: Budget,
}

pub(super) fn read(section: Section<'_>) -> Result<Placed<'_>, PolicyFileError> {
    let mut written = Written::default();
    section.needs(&NEEDS)?;
    section.read(&mut written, BUDGET, |_| Ok(()))?;
    let amount = written.amount().map_err(|error| section.wrong(&error))?;
    let budget = written.budget(amount).map_err(|error| section.locate(&error))?;
    Ok(Placed { on: written.on, budget, section })
}

impl Placed<'_> {
    /// Adds it to what `file` says, or says which other is in its way.
    pub(super) fn add_to(self, file: &mut PolicyFile) -> Result<(), PolicyFileError> {
        let side_by_side = match self.on {
            On::Tenant => {
                file.tenant.budgets.push(self.budget);
                file.tenant.validate()
            }
            On::Process => {
                file.process.budgets.push(self.budget);
                file.process.validate()
            }
        };
        side_by_side.map_err(|error| self.section.wrong(&error))
    }
}

#[cfg(test)]
mod tests;

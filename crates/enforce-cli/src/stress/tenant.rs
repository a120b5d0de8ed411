//! The tenants of a run.

use enforce_core::{BudgetPeriod, Enforcer, TenantPolicy};
use parking_lot::Mutex;

use super::amounts::{Amounts, NO_LIMIT, NONE, signed};
use super::error::StressError;
use super::numbers::Numbers;
use super::protocol::money;

/// What a tenant is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Limited by its slots alone.
    Slots,
    /// With a budget in all, too.
    Total,
    /// With a budget per day, too.
    Day,
    /// With a budget in all that comes and goes.
    Fickle,
    /// Comes and goes: of many such, few have an execution at a time.
    Fleeting,
}

/// A tenant and what is known of it beside the library.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Changes under this lock, as the limits of an execution do.
    pub(crate) bounds: Mutex<Bounds>,
    /// Written at meetings alone.
    pub(crate) books: Mutex<Books>,
}

/// What a tenant may have: slots and nano-dollars, now and at most since the last meeting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) slots: i64,
    pub(crate) budget: i64,
    pub(crate) highest_slots: i64,
    pub(crate) highest_budget: i64,
}

/// What a tenant should stand at.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// What its roots that are gone have committed since its entry was made.
    pub(crate) carried: Amounts,
    /// What its roots have committed and hold, in the sum that is being made.
    pub(crate) roots: super::node::Sums,
    pub(crate) live: i64,
    pub(crate) live_before: i64,
    pub(crate) used_before: i64,
}

impl Tenant {
    pub(crate) fn lasting(number: usize, room: u64) -> Self {
        let kind = [Kind::Slots, Kind::Total, Kind::Day, Kind::Fickle][number % 4];
        let budget = if matches!(kind, Kind::Total | Kind::Day) { 20_000 * signed(room.max(4)) } else { NO_LIMIT };
        // Half of those who live are roots, and of those not all are live: fewer slots than that are met.
        Self::new(format!("t{number}"), kind, signed((room / 3).max(2)), budget)
    }

    pub(crate) fn fleeting(number: usize) -> Self {
        Self::new(format!("f{number}"), Kind::Fleeting, 8, NO_LIMIT)
    }

    /// The one whose executions everybody asks at once, and nobody else's.
    pub(crate) fn of_rushes() -> Self {
        Self::new("rush".to_owned(), Kind::Fleeting, 8, NO_LIMIT)
    }

    fn new(name: String, kind: Kind, slots: i64, budget: i64) -> Self {
        let bounds = Bounds { slots, budget, highest_slots: slots, highest_budget: budget };
        Self { name, kind, bounds: Mutex::new(bounds), books: Mutex::default() }
    }

    /// Gives it its limits, unless they are every tenant's.
    pub(crate) fn introduce(&self, enforcer: &Enforcer) -> Result<(), StressError> {
        if self.kind == Kind::Fleeting {
            return Ok(());
        }
        let bounds = *self.bounds.lock();
        enforcer.set_tenant(&self.name, self.policy(&bounds)).map_err(StressError::Config)
    }

    fn policy(&self, bounds: &Bounds) -> TenantPolicy {
        TenantPolicy {
            budget_usd: (bounds.budget != NO_LIMIT).then(|| money(bounds.budget)),
            budget_period: if self.kind == Kind::Day { BudgetPeriod::Day } else { BudgetPeriod::Total },
            max_concurrent_executions: Some(super::amounts::unsigned(bounds.slots)),
            ..TenantPolicy::default()
        }
    }

    /// Moves its limits, mostly up, or takes its budget away and gives it back; a fleeting one keeps every tenant's.
    pub(crate) fn change(&self, enforcer: &Enforcer, numbers: &mut Numbers) {
        if self.kind == Kind::Fleeting {
            return;
        }
        let mut bounds = self.bounds.lock();
        let mut moved = |limit: i64| {
            let step = signed(numbers.below(super::amounts::unsigned(limit / 8 + 2)));
            if numbers.one_in(3) { limit - step } else { limit + step }
        };
        let slots = moved(bounds.slots).clamp(1, 1 << 20);
        let budget = match (self.kind, bounds.budget) {
            (Kind::Fickle, NO_LIMIT) => 1_000_000,
            (Kind::Fickle, _) | (_, NO_LIMIT) => NO_LIMIT,
            (_, budget) => moved(budget).clamp(1_000, 1 << 50),
        };
        let next = Bounds {
            slots,
            budget,
            highest_slots: bounds.highest_slots.max(slots),
            highest_budget: bounds.highest_budget.max(budget),
        };
        if enforcer.set_tenant(&self.name, self.policy(&next)).is_ok() {
            *bounds = next;
        }
    }
}

impl Bounds {
    /// A meeting is over.
    pub(crate) fn settle_down(&mut self) {
        (self.highest_slots, self.highest_budget) = (self.slots, self.budget);
    }
}

impl Books {
    /// A meeting is over.
    pub(crate) fn settle_down(&mut self, used: i64) {
        (self.live_before, self.used_before, self.live) = (self.live, used, 0);
        self.roots = super::node::Sums::default();
    }

    /// Its entry has been let go: what it had is gone with it.
    pub(crate) fn begin_anew(&mut self) {
        self.carried = NONE;
    }
}

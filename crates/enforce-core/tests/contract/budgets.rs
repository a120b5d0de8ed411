//! Budgets of tenants and of the process: several of any resource, over several periods at once (T1, R1, R2, L1, C1, N1).

mod changes;
mod eviction;
pub(crate) mod model;
mod oracle;
mod periods;
mod slots;
mod trees;

use enforce_core::{BudgetUsage, Enforcer, ManualClock, ScopeKind, Timestamp};

use crate::limits::budgets::shown;

/// A clock that stands at `nanos`.
fn clock(nanos: u64) -> ManualClock {
    ManualClock::starting_at(Timestamp::from_nanos(nanos))
}

/// (committed, outstanding, debt) of each budget of the scope.
fn figures(enforcer: &Enforcer, scope: ScopeKind) -> Vec<(u64, u64, u64)> {
    shown(enforcer, scope).iter().map(|it: &BudgetUsage| (it.committed, it.outstanding, it.debt)).collect()
}

//! Pauses that the owner of a budget has approved beforehand, from the end of its period on (E3).

mod boundaries;
mod budgets;
mod decisions;
mod expiry;
mod restarts;
mod threads;
mod trees;
mod waiting;

use enforce_core::{
    Action, Approved, Budget, BudgetAmount, BudgetPeriod, Demand, Enforcer, EnforcerBuilder, Execution, ManualClock,
    ScopeKind, Status, Timestamp, ViolationType,
};

use crate::common::{NOON, SECOND, builder, register};
use crate::limits::budgets::with;

/// An hour in nanoseconds.
const HOUR: u64 = 3_600 * SECOND;
/// The end of the hour that begins at noon.
const ONE: Timestamp = Timestamp::from_nanos(NOON + HOUR);

/// So many steps a period; who asks for more is paused until its end.
fn steps(max: u64, per: BudgetPeriod) -> Budget {
    Budget::new(BudgetAmount::Steps(max), per).action(Action::Pause).next_period_approves(true)
}

/// A step an hour for all of the tenant together.
fn hourly(builder: EnforcerBuilder) -> EnforcerBuilder {
    with(builder, ScopeKind::Tenant, vec![steps(1, BudgetPeriod::Hour)])
}

/// An enforcer with a step an hour.
fn enforcer(time: &ManualClock) -> Enforcer {
    hourly(builder(time)).build().unwrap()
}

/// An execution that has spent the hour and is paused until its end.
fn paused(enforcer: &Enforcer) -> Execution {
    let run = register(enforcer, "exec", "tenant");
    spend(&run);
    run
}

/// Takes the step of this period and is paused for asking for another.
fn spend(run: &Execution) {
    drop(run.reserve(Demand::step()).unwrap());
    assert!(run.reserve(Demand::step()).is_err());
    assert!(is_paused(run));
}

fn is_paused(run: &Execution) -> bool {
    matches!(run.status(), Status::Paused(_))
}

/// Whether the answer is that it is paused.
fn meets_pause<T>(outcome: Result<T, enforce_core::EnforcementViolation>) -> bool {
    outcome.is_err_and(|violation| violation.violation_type == ViolationType::Paused)
}

/// Who decided on its pauses, oldest first.
fn deciders(run: &Execution) -> Vec<String> {
    run.approvals().into_iter().map(|Approved { by, .. }| by).collect()
}

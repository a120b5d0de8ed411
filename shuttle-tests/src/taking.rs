//! What is taken of limits that many share.

use crate::schedules::{explore, threads, twin};
use crate::{
    Action, Actual, Budget, BudgetAmount, BudgetPeriod, Demand, EnforcementPolicy, Enforcer, Execution, LimitActions,
    ResourceLimits, TenantPolicy,
};

const T1: &str = "T1: no more is admitted than the budget has, and no less";
const ROOM: u64 = 10;

/// A way of spending one token of the tenant's budget; whether it was spent.
type Spend = fn(&Execution) -> bool;

/// Reserves, then settles.
fn ours(run: &Execution) -> bool {
    run.reserve(Demand::none().tokens(1, 0)).map(|hold| hold.settle(Actual::tokens(1, 0))).is_ok()
}

/// Looks whether there is room, then charges.
fn looks(run: &Execution) -> bool {
    let room = !run.check(Demand::none().tokens(1, 0)).is_blocked();
    if room {
        run.charge(Actual::tokens(1, 0));
    }
    room
}

fn all_spend_what_there_is(spend: Spend) -> Vec<usize> {
    let budgets = vec![Budget::new(BudgetAmount::Tokens(ROOM), BudgetPeriod::Total)];
    let builder = Enforcer::builder().limits(ResourceLimits::unlimited());
    let enforcer = builder.tenant(TenantPolicy { budgets, ..TenantPolicy::default() }).build().unwrap();
    let all = enforcer.clone();
    let spent = threads(16, move |number| {
        // Two to an execution: the first of them to come registers it.
        let id = format!("exec_{}", number / 2);
        let registered = all.execution(&*id, "tenant").register().ok();
        let Some(run) = registered.or_else(|| all.get(&id)) else { return 0 };
        (0..2).filter(|_| spend(&run)).count()
    });
    let total = spent.iter().sum::<usize>() as u64;
    assert_eq!(total, ROOM, "{T1}");
    let usage = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!((usage.total_tokens, usage.budgets[0].outstanding), (ROOM, 0), "C1: and all of that is counted");
    spent
}

#[test]
fn t1_no_more_is_admitted_than_the_budget_has() {
    explore(|| all_spend_what_there_is(ours));
}

#[test]
fn t1_no_more_is_admitted_than_the_budget_has_twin() {
    twin(T1, || all_spend_what_there_is(looks));
}

#[test]
fn t2_r1_holds_that_are_dropped_or_settled_leave_what_was_used() {
    explore(|| {
        let limits = ResourceLimits { max_tokens: 20, ..ResourceLimits::unlimited() };
        // Refused and no more: who is refused may have come too early.
        let actions = LimitActions { tokens: Action::Refuse, ..LimitActions::default() };
        let policy = EnforcementPolicy { actions, ..EnforcementPolicy::default() };
        let enforcer = Enforcer::builder().limits(limits).policy(policy).build().unwrap();
        let root = enforcer.execution("root", "tenant").register().unwrap();
        let pool = root.clone();
        let used = threads(8, move |number| {
            let child = pool.child(format!("child_{number}")).register().unwrap();
            let Ok(hold) = child.reserve(Demand::none().tokens(9, 0)) else { return 0 };
            if number % 2 == 0 {
                drop(hold);
                0
            } else {
                hold.settle(Actual::tokens(4, 0));
                4
            }
        });
        let usage = root.snapshot();
        assert_eq!(usage.total_tokens, used.iter().sum::<u64>(), "R1: the sum is what was used");
        assert!(usage.outstanding.is_zero(), "T2: a hold that has ended leaves nothing set aside");
        used
    });
}

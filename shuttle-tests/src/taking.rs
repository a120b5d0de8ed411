//! What is taken of limits that many share.

use crate::schedules::{explore, threads, twin};
use crate::{
    Action, Actual, Budget, BudgetAmount, BudgetPeriod, Demand, EnforcementPolicy, Enforcer, Execution, LimitActions,
    ProviderKey, RateLimit, RatePeriod, RateUnit, ResourceLimits, TenantPolicy, Timestamp,
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

const T2: &str = "T2: who came too late for the last steps leaves nothing on budget and rates";
/// Tokens that each demand asks, and that the rate lets through at once.
const ASKED: u64 = 10;
const BURST: u64 = 100;

/// A way of taking steps, and with them tokens of a budget and of a rate, at that moment; whether all came through.
type Take = fn(&Execution, ProviderKey, Timestamp) -> bool;

/// All in one demand.
fn together(run: &Execution, provider: ProviderKey, now: Timestamp) -> bool {
    let demand = Demand::step().steps(6).tokens(ASKED, 0).provider(provider);
    run.reserve_at(demand, now).map(|hold| hold.settle_at(Actual::tokens(ASKED, 0), now)).is_ok()
}

/// One after the other, and nothing is given back.
fn apart(run: &Execution, provider: ProviderKey, now: Timestamp) -> bool {
    let tokens = run.reserve_at(Demand::none().tokens(ASKED, 0).provider(provider), now);
    tokens.map(|hold| hold.settle_at(Actual::tokens(ASKED, 0), now)).is_ok()
        && run.reserve_at(Demand::step().steps(6), now).is_ok()
}

/// On an execution that has ten steps, or `below` it.
fn one_gets_the_last_steps(take: Take, below: bool) -> Vec<bool> {
    let budgets = vec![Budget::new(BudgetAmount::Tokens(1_000), BudgetPeriod::Total)];
    let rate = |unit| RateLimit::tenant_provider(unit, 1, RatePeriod::Minute).burst(BURST);
    let builder = Enforcer::builder().limits(ResourceLimits { max_steps: 10, ..ResourceLimits::unlimited() });
    let builder = builder.tenant(TenantPolicy { budgets, ..TenantPolicy::default() });
    let builder = builder.rate(rate(RateUnit::Requests)).rate(rate(RateUnit::TotalTokens));
    let enforcer = builder.build().unwrap();
    let (provider, now) = (enforcer.provider("anthropic").unwrap(), enforcer.clock().now());
    let root = enforcer.execution("exec", "tenant").register().unwrap();
    let child = || root.child("child").limits(ResourceLimits::unlimited()).register().unwrap();
    let run = if below { child() } else { root.clone() };
    let asked = run.clone();
    let came = threads(4, move |_| take(&asked, provider, now));
    // Who found the steps taken was refused, and who met them on their way may have been: one comes through.
    assert_eq!(came.iter().filter(|came| **came).count(), 1, "T1: six steps of ten");
    let usage = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!((usage.budgets[0].committed, usage.budgets[0].outstanding), (ASKED, 0), "{T2}");
    let left = root.snapshot();
    assert_eq!((left.steps, left.total_tokens, left.outstanding.tokens), (6, ASKED, 0), "{T2}, nor on the execution");
    let next = |tokens| Demand::none().tokens(tokens, 0).provider(provider);
    let blocked = |tokens| run.check_at(next(tokens), now).is_blocked();
    assert_eq!((blocked(BURST - ASKED), blocked(BURST - ASKED + 1)), (false, true), "{T2}");
    came
}

#[test]
fn t2_who_is_too_late_leaves_nothing_on_budget_and_rates() {
    explore(|| one_gets_the_last_steps(together, false));
}

#[test]
fn t2_who_is_too_late_leaves_nothing_on_budget_and_rates_twin() {
    twin(T2, || one_gets_the_last_steps(apart, false));
}

#[test]
fn t2_who_is_too_late_at_a_pool_leaves_nothing_on_any_scope() {
    explore(|| one_gets_the_last_steps(together, true));
}

//! A hold that grows while a stream runs: everything on the whole chain, or nothing and a reason to stop.

use enforce_core::{
    Action, Actual, BudgetPeriod, Cause, Demand, ManualClock, OwnedHold, ResourceLimits, Retry, ScopeKind, Status,
    TenantPolicy, ViolationType,
};

use super::{committed, outstanding, roomy};
use crate::common::{DAY, builder, disabled, nano, noon, pass, register, run, run_on, unlimited};

fn budget(limit: u64, period: BudgetPeriod) -> TenantPolicy {
    TenantPolicy { budget_usd: Some(nano(limit)), budget_period: period, ..Default::default() }
}

#[test]
fn r1_what_a_hold_was_extended_by_is_settled_and_given_back_with_it() {
    let run = run(roomy());
    let mut settled = run.reserve(Demand::step().tokens(10, 10).cost(nano(5)).memory_bytes(3)).unwrap();
    settled.extend(Demand::none().tokens(1, 19).cost(nano(15)).memory_bytes(4)).unwrap();
    assert_eq!((outstanding(&run), committed(&run)), ((40, 20, 7), (1, 0, 0, 0, 0)));
    let settlement = settled.settle(Actual::tokens(11, 30).cost(nano(21)));
    assert_eq!((settlement.overrun_tokens, settlement.overrun_nano_usd), (1, 1));
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 11, 30, 21, 0)));

    let mut dropped = run.reserve_owned(Demand::step().tokens(5, 5)).unwrap();
    dropped.extend(Demand::none().tokens(0, 20).memory_bytes(1)).unwrap();
    assert_eq!(outstanding(&run), (30, 0, 1));
    drop(dropped);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (2, 11, 30, 21, 0)));
}

#[test]
fn t2_an_extension_that_is_refused_changes_nothing_and_says_why() {
    let limits = ResourceLimits { max_steps: 2, max_wall_time_ms: u64::MAX - 1, ..roomy() };
    let run = run(limits);
    let mut hold = run.reserve(Demand::step().tokens(60, 30).cost(nano(90))).unwrap();
    for (more, kind, remaining) in [
        (Demand::none().tokens(0, 11), ViolationType::TokenLimit, 10),
        (Demand::none().tokens(0, 10).cost(nano(11)), ViolationType::CostLimit, 10),
        (Demand::none().tokens(0, 10).memory_bytes((1 << 20) + 1), ViolationType::MemoryLimit, 1 << 20),
        (Demand::none().steps(2).tokens(0, 10), ViolationType::StepLimit, 1),
    ] {
        let stop = hold.extend(more).unwrap_err();
        assert_eq!((stop.violation_type, stop.remaining), (kind, remaining));
        assert_eq!((outstanding(&run), committed(&run)), ((90, 90, 0), (1, 0, 0, 0, 0)), "{kind}");
    }
    hold.extend(Demand::none().tokens(0, 10).cost(nano(10)).memory_bytes(1 << 20)).unwrap();
    hold.settle(Actual::tokens(60, 40));
    assert_eq!(committed(&run), (1, 60, 40, 0, 0));
}

#[test]
fn t1_an_extension_is_taken_on_every_pool_above_and_on_the_tenants_budget() {
    let enforcer = builder(&noon())
        .limits(ResourceLimits { max_tokens: 100, ..unlimited() })
        .tenant(budget(50, BudgetPeriod::Total))
        .build()
        .unwrap();
    let root = register(&enforcer, "root", "tenant");
    let child = root.child("child").limits(ResourceLimits { max_tokens: 95, ..unlimited() }).register().unwrap();
    let mut hold = child.reserve(Demand::step().tokens(50, 0).cost(nano(10))).unwrap();
    let other = root.reserve(Demand::step().tokens(10, 0).cost(nano(10))).unwrap();
    for (more, scope, retry) in [
        (Demand::none().tokens(0, 46), ScopeKind::Execution, Retry::WhenFreed),
        (Demand::none().tokens(0, 41), ScopeKind::Parent, Retry::WhenFreed),
        (Demand::none().tokens(0, 40).cost(nano(31)), ScopeKind::Tenant, Retry::WhenFreed),
    ] {
        let stop = hold.extend(more).unwrap_err();
        assert_eq!((stop.scope, stop.retry), (scope, retry));
        assert_eq!((outstanding(&child), outstanding(&root)), ((50, 10, 0), (60, 20, 0)), "{scope}");
        assert_eq!(enforcer.tenant_usage("tenant").unwrap().budget.unwrap().outstanding, 20, "{scope}");
    }
    hold.extend(Demand::none().tokens(0, 40).cost(nano(30))).unwrap();
    assert_eq!((outstanding(&child), outstanding(&root)), ((90, 40, 0), (100, 50, 0)));
    hold.settle(Actual::tokens(50, 20).cost(nano(15)));
    drop(other);
    assert_eq!((outstanding(&root), committed(&root)), ((0, 0, 0), (2, 50, 20, 15, 0)));
    let budget = enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
    assert_eq!((budget.committed, budget.outstanding), (15, 0));
}

#[test]
fn e1_a_hold_of_an_execution_that_is_halted_paused_or_ended_is_not_extended_but_settled() {
    for kind in [ViolationType::Halted, ViolationType::Paused, ViolationType::Closed] {
        let run = run(roomy());
        let mut hold = run.reserve(Demand::step().tokens(10, 10)).unwrap();
        let stopped = match kind {
            ViolationType::Halted => run.halt(Cause::own(ViolationType::StepLimit)),
            ViolationType::Paused => run.pause("looks lost"),
            _ => run.finish().status,
        };
        assert_ne!(stopped, Status::Live);
        assert_eq!(hold.extend(Demand::none().tokens(0, 1)).unwrap_err().violation_type, kind);
        assert_eq!(outstanding(&run), (20, 0, 0));
        hold.settle(Actual::tokens(10, 7));
        assert_eq!(committed(&run), (1, 10, 7, 0, 0), "{kind}");
    }
}

#[test]
fn an_extension_for_which_a_limit_is_exhausted_carries_out_its_action() {
    let run = run(ResourceLimits { max_tokens: 10, ..unlimited() });
    let mut hold = run.reserve(Demand::step()).unwrap();
    run.charge(Actual::tokens(10, 0));
    assert_eq!(hold.extend(Demand::none().tokens(0, 1)).unwrap_err().violation_type, ViolationType::TokenLimit);
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::TokenLimit)));
}

#[test]
fn c1_an_extension_after_midnight_comes_out_of_the_day_in_which_its_hold_was_taken() {
    let time: ManualClock = noon();
    let enforcer = builder(&time).tenant(budget(100, BudgetPeriod::Day)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut hold = run.reserve(Demand::step().cost(nano(60))).unwrap();
    pass(&time, DAY);
    drop(run.reserve(Demand::step().cost(nano(100))).unwrap());
    assert_eq!(hold.extend(Demand::none().cost(nano(41))).unwrap_err().remaining, 40, "yesterday has no more");
    hold.extend(Demand::none().cost(nano(40))).unwrap();
    let today = || enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
    assert_eq!((today().outstanding, today().committed), (0, 0));
    hold.settle(Actual::none().cost(nano(90)));
    assert_eq!((today().outstanding, today().committed), (0, 0));
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().cost_nano_usd, 90);
}

#[test]
fn the_last_warning_and_the_last_observation_of_a_hold_are_told() {
    let limits = ResourceLimits { max_tokens: 10, max_cost_usd: Some(nano(10)), ..unlimited() };
    let policy = crate::limits::all(Action::Observe);
    let run = register(&builder(&noon()).limits(limits).policy(policy).build().unwrap(), "exec", "tenant");
    let mut hold = run.reserve(Demand::step().tokens(8, 0)).unwrap();
    assert_eq!(hold.warning().unwrap().current, 8);
    hold.extend(Demand::none().tokens(0, 1)).unwrap();
    assert_eq!((hold.warning().unwrap().current, hold.observed()), (9, None));
    hold.extend(Demand::none().cost(nano(11))).unwrap();
    assert_eq!(hold.observed().unwrap().violation_type, ViolationType::CostLimit);
    assert_eq!(hold.warning().unwrap().warning_type, ViolationType::TokenLimit);
}

#[test]
fn i1_a_hold_that_is_extended_by_nothing_is_still_one_open_hold() {
    let time = noon();
    let long_running = enforce_core::LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    for (first, more) in [
        (Demand::step(), Demand::none()),
        (Demand::step(), Demand::none().tokens(1, 0)),
        (Demand::step().tokens(1, 0), Demand::none()),
    ] {
        let run = run_on(&time, unlimited(), long_running.clone());
        let mut hold = run.reserve(first).unwrap();
        hold.extend(more).unwrap();
        hold.extend(more).unwrap();
        let usage = enforce_core::ExecutionUsage::from(run.clone());
        assert!(usage.has_open_holds());
        drop(hold);
        assert!(!usage.has_open_holds());
    }
}

#[test]
fn c1_an_extension_leaves_nothing_in_a_budget_that_is_newer_than_its_hold() {
    let enforcer = builder(&noon()).build().unwrap();
    let run = register(&enforcer, "run", "tenant");
    let settle = |hold: OwnedHold| assert!(!hold.settle(Actual::none()).late);
    let ends: [fn(OwnedHold); 2] = [drop, settle];
    let mut holds = ends.map(|_| run.reserve_owned(Demand::step().cost(nano(5))).unwrap());
    enforcer.set_tenant("tenant", budget(100, BudgetPeriod::Total)).unwrap();
    holds.iter_mut().for_each(|hold| hold.extend(Demand::none().cost(nano(20))).unwrap());
    holds.into_iter().zip(ends).for_each(|(hold, end)| end(hold));
    let budget = enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
    assert_eq!((budget.committed, budget.outstanding), (0, 0));
}

#[test]
fn t1_an_extension_brings_nothing_back_to_a_budget_that_it_was_not_taken_from() {
    let enforcer = builder(&noon()).tenant(budget(100, BudgetPeriod::Total)).build().unwrap();
    let run = register(&enforcer, "run", "tenant");
    let mut hold = run.reserve_owned(Demand::step().cost(nano(5))).unwrap();
    enforcer.set_tenant("tenant", TenantPolicy::default()).unwrap();
    hold.extend(Demand::none().cost(nano(20))).unwrap();
    enforcer.reset_tenant("tenant");
    drop(hold);
    let all = run.reserve(Demand::none().cost(nano(100))).unwrap();
    assert!(run.reserve(Demand::none().cost(nano(1))).is_err(), "100 are all that there is");
    drop(all);
}

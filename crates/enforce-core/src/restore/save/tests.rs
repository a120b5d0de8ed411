//! What happens between the steps of a reading: nothing is missed, and nothing hides what was there before.

use super::*;
use crate::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Clock, Demand, Enforcer, ManualClock, NanoUsd, OpenHolds,
    ProcessPolicy, RateLimit, RatePeriod, RateUnit, ResourceLimits, RestoreOptions, TenantPolicy,
};

fn enforcer() -> Enforcer {
    let budgets = || vec![Budget::new(BudgetAmount::Tokens(10_000), BudgetPeriod::Total)];
    Enforcer::builder()
        .limits(ResourceLimits::unlimited())
        .clock(Clock::manual(&ManualClock::starting_at(Timestamp::from_nanos(1 << 60))))
        .tenant(TenantPolicy { budgets: budgets(), ..TenantPolicy::default() })
        .process(ProcessPolicy { budgets: budgets(), ..ProcessPolicy::default() })
        .rate(RateLimit::tenant_provider(RateUnit::Requests, 60, RatePeriod::Minute))
        .build()
        .unwrap()
}

fn root(enforcer: &Enforcer) -> Execution {
    enforcer.execution("root", "tenant").register().unwrap()
}

fn slice(above: &Execution, tokens: u64) -> Execution {
    above.child("slice").slice(Demand::none().tokens(0, tokens)).register().unwrap()
}

/// Reads `enforcer`; one of the two happens between who is there and what is set aside, the other behind that.
fn read(enforcer: &Enforcer, before: impl FnOnce(), behind: impl FnOnce()) -> EnforcerState {
    let (core, now) = (enforcer.core(), enforcer.clock().now());
    let present = Present::of(core);
    before();
    let set_aside = present.set_aside(core, now);
    behind();
    set_aside.state(core)
}

/// The tokens that are used for good once everything below the root has ended: of the root, its tenant and the process.
fn for_good(state: &EnforcerState, holds: OpenHolds) -> [u64; 3] {
    let mut after = enforcer();
    after.restore(state, RestoreOptions::new().open_holds(holds)).unwrap();
    let root = after.get("root").unwrap();
    for child in root.children() {
        child.finish();
    }
    let usage = root.snapshot();
    assert!(usage.outstanding.is_zero());
    let tenant = after.tenant_usage("tenant").unwrap();
    assert_eq!(tenant.total_tokens, usage.total_tokens);
    let committed = |budgets: &[crate::BudgetUsage]| budgets[0].committed;
    [usage.total_tokens, committed(&tenant.budgets), committed(&after.process_usage().budgets)]
}

/// `change` in the one place, and in the other.
fn each(case: impl Fn(bool)) {
    [true, false].into_iter().for_each(case);
}

fn read_while(enforcer: &Enforcer, first: bool, change: impl Fn()) -> EnforcerState {
    read(
        enforcer,
        || {
            if first {
                change()
            }
        },
        || {
            if !first {
                change()
            }
        },
    )
}

#[test]
fn s1_a_slice_that_comes_meanwhile_hides_no_hold() {
    each(|first| {
        let enforcer = enforcer();
        let root = root(&enforcer);
        let hold = root.reserve(Demand::none().tokens(100, 0)).unwrap();
        let state = read_while(&enforcer, first, || drop(slice(&root, 100)));
        for used in for_good(&state, OpenHolds::ChargeInFull) {
            assert!(used >= 100, "{state:?}");
        }
        hold.settle(Actual::tokens(100, 0));
    });
}

#[test]
fn s1_a_slice_below_a_pool_that_comes_meanwhile_hides_no_hold_above() {
    each(|first| {
        let enforcer = enforcer();
        let root = root(&enforcer);
        let pool = root.child("pool").register().unwrap();
        let hold = root.reserve(Demand::none().tokens(100, 0)).unwrap();
        let state = read_while(&enforcer, first, || drop(slice(&pool, 100)));
        for used in for_good(&state, OpenHolds::ChargeInFull) {
            assert!(used >= 100, "{state:?}");
        }
        hold.settle(Actual::tokens(100, 0));
    });
}

#[test]
fn s1_a_slice_that_ends_meanwhile_hides_no_hold_and_forgets_nothing() {
    each(|first| {
        let enforcer = enforcer();
        let root = root(&enforcer);
        let child = slice(&root, 100);
        child.charge(Actual::tokens(0, 30));
        let hold = root.reserve(Demand::none().tokens(100, 0)).unwrap();
        let state = read_while(&enforcer, first, || drop(child.finish()));
        for (used, given_back) in
            for_good(&state, OpenHolds::ChargeInFull).into_iter().zip(for_good(&state, OpenHolds::GiveBack))
        {
            assert!(used >= 130 && given_back >= 30, "{state:?}");
        }
        hold.settle(Actual::tokens(100, 0));
    });
}

#[test]
fn s1_a_slice_that_ends_with_the_pool_above_it_forgets_nothing() {
    each(|first| {
        let enforcer = enforcer();
        let root = root(&enforcer);
        let pool = root.child("pool").register().unwrap();
        slice(&pool, 100).charge(Actual::tokens(0, 30));
        let state = read_while(&enforcer, first, || drop(pool.finish()));
        for given_back in for_good(&state, OpenHolds::GiveBack) {
            assert!(given_back >= 30, "{state:?}");
        }
    });
}

#[test]
fn c1_an_execution_that_ends_meanwhile_is_in_its_tenants_totals_once() {
    each(|first| {
        let enforcer = enforcer();
        let root = root(&enforcer);
        slice(&root, 100).charge(Actual::tokens(0, 30));
        root.charge(Actual::tokens(5, 0).cost(NanoUsd::new(7).unwrap()).steps(2));
        let state = read_while(&enforcer, first, || drop(root.finish()));
        assert!(state.executions.is_empty());
        let ended = state.tenants[0].ended;
        assert_eq!((ended.input_tokens, ended.output_tokens, ended.cost_nano_usd, ended.steps), (5, 30, 7, 2));
        let budgets = state.tenants[0].budgets.iter().chain(&state.process);
        assert!(budgets.clone().count() == 2 && budgets.into_iter().all(|budget| budget.committed >= 35), "{state:?}");
    });
}

#[test]
fn s1_whoever_comes_meanwhile_is_left_out_with_its_tenant_and_its_rates() {
    each(|first| {
        let enforcer = enforcer();
        root(&enforcer).child("child").register().unwrap();
        let state = read_while(&enforcer, first, || {
            let provider = enforcer.provider("provider").unwrap();
            let run = enforcer.execution("late", "late_tenant").register().unwrap();
            drop(run.reserve(Demand::step().provider(provider)).unwrap());
            drop(enforcer.get("root").unwrap().child("late_child").register().unwrap());
        });
        assert_eq!(state.executions.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["root", "child"]);
        assert_eq!((state.tenants.len(), state.rates.len()), (1, 0));
        assert_eq!(for_good(&state, OpenHolds::ChargeInFull), [0, 0, 0]);
    });
}

#[test]
fn s1_an_id_that_comes_back_meanwhile_is_not_taken_for_the_one_before_it() {
    each(|first| {
        let enforcer = enforcer();
        let root = root(&enforcer);
        let child = slice(&root, 100);
        child.charge(Actual::tokens(0, 30));
        let state = read_while(&enforcer, first, || {
            child.finish();
            drop(slice(&root, 50));
        });
        for (used, given_back) in
            for_good(&state, OpenHolds::ChargeInFull).into_iter().zip(for_good(&state, OpenHolds::GiveBack))
        {
            assert!(used >= 30 && given_back >= 30, "{state:?}");
        }
    });
}

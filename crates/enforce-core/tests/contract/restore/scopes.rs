//! Tenants, the process, and slices of what they pay for.

use enforce_core::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Demand, EnforcerBuilder, ManualClock, ProcessPolicy, RateLimit,
    RatePeriod, RateUnit, ResourceLimits, RestoreError, RestoreOptions, TenantPolicy, Timestamp,
};

use super::{into, saved};
use crate::common::{DAY, NOON, SECOND, builder, noon, pass, register, unlimited};

fn paying(time: &ManualClock) -> EnforcerBuilder {
    let budgets = || {
        let tokens = |per| Budget::new(BudgetAmount::Tokens(1_000), per);
        vec![tokens(BudgetPeriod::Day), tokens(BudgetPeriod::Total)]
    };
    let tenant = TenantPolicy { budgets: budgets(), ..TenantPolicy::default() };
    builder(time).tenant(tenant).process(ProcessPolicy { budgets: budgets(), ..ProcessPolicy::default() })
}

/// (committed, outstanding) of the tenant's day and total, and of the process's.
fn figures(enforcer: &enforce_core::Enforcer) -> [(u64, u64); 4] {
    let (tenant, process) = (enforcer.tenant_usage("tenant").unwrap().budgets, enforcer.process_usage().budgets);
    let mut all = tenant.iter().chain(&process).map(|budget| (budget.committed, budget.outstanding));
    [(); 4].map(|()| all.next().unwrap())
}

#[test]
fn c1_a_tenant_without_live_executions_keeps_its_totals_and_budgets() {
    let time = noon();
    let before = paying(&time).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.charge(Actual::tokens(300, 100).steps(2));
    run.finish();
    let after = into(paying(&time), &saved(&before));
    assert_eq!(after.tenant_usage("tenant"), before.tenant_usage("tenant"));
    assert_eq!(figures(&after), [(400, 0); 4]);
}

#[test]
fn c1_a_period_that_is_over_by_now_is_over_and_one_that_goes_on_is_not() {
    let time = noon();
    let before = paying(&time).build().unwrap();
    register(&before, "exec", "tenant").charge(Actual::tokens(400, 0));
    let state = saved(&before);
    pass(&time, DAY / 2 - 1);
    assert_eq!(figures(&into(paying(&time), &state)), [(400, 0); 4]);
    pass(&time, 1);
    assert_eq!(figures(&into(paying(&time), &state)), [(0, 0), (400, 0), (0, 0), (400, 0)]);
}

#[test]
fn l1_a_budget_that_is_none_for_one_life_is_not_whole_in_the_next() {
    let time = noon();
    let before = paying(&time).build().unwrap();
    register(&before, "exec", "tenant").charge(Actual::tokens(400, 0));
    let without = into(builder(&time), &saved(&before));
    assert_eq!(figures(&into(paying(&time), &saved(&without))), [(400, 0); 4]);
}

#[test]
fn r1_a_slice_stays_set_aside_and_what_it_has_used_is_paid_where_it_was_set_aside() {
    let time = noon();
    let limits = || ResourceLimits { max_tokens: 900, ..unlimited() };
    let before = paying(&time).limits(limits()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let child = run.child("child").slice(Demand::none().tokens(0, 500)).register().unwrap();
    child.charge(Actual::tokens(0, 200));
    let state = saved(&before);
    assert_eq!(figures(&into(paying(&time).limits(limits()), &state)), [(0, 500); 4]);

    pass(&time, DAY);
    let after = into(paying(&time).limits(limits()), &state);
    assert_eq!(after.get("exec").unwrap().snapshot().outstanding.tokens, 500);
    assert_eq!(figures(&after), [(0, 0), (0, 500), (0, 0), (0, 500)]);
    let child = after.get("child").unwrap();
    assert!(child.reserve(Demand::none().tokens(0, 301)).is_err());
    child.finish();
    // As without a restart: yesterday's share stays in yesterday.
    assert_eq!(figures(&after), [(0, 0), (200, 0), (0, 0), (200, 0)]);
    assert_eq!(after.get("exec").unwrap().snapshot().total_tokens, 200);
}

#[test]
fn a_slice_of_a_period_that_is_over_outlives_a_second_restart() {
    let time = noon();
    let before = paying(&time).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.child("child").slice(Demand::none().tokens(0, 500)).register().unwrap();
    pass(&time, DAY);
    let once = saved(&into(paying(&time), &saved(&before)));
    let child = &once.executions[1];
    assert_eq!(child.slice, saved(&before).executions[1].slice);
    let after = into(paying(&time), &once);
    after.finish("child").unwrap();
    assert_eq!(figures(&after), [(0, 0); 4]);
}

#[test]
fn t1_slots_stay_taken_also_where_there_are_fewer_by_now() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    for id in ["a", "b"] {
        register(&before, id, "tenant");
    }
    let one = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let after = into(builder(&time).limits(one), &saved(&before));
    assert_eq!(after.live_executions("tenant"), 2);
    after.finish("a").unwrap();
    assert!(after.execution("c", "tenant").register().is_err());
    after.finish("b").unwrap();
    assert!(after.execution("c", "tenant").register().is_ok());
}

#[test]
fn a_tenants_own_limits_are_those_that_were_set_before() {
    let time = noon();
    let before = paying(&time).build().unwrap();
    register(&before, "exec", "tenant").charge(Actual::tokens(400, 0));
    let own = Budget::new(BudgetAmount::Tokens(300), BudgetPeriod::Day);
    let mut after = builder(&time).build().unwrap();
    after.set_tenant("tenant", TenantPolicy { budgets: vec![own], ..TenantPolicy::default() }).unwrap();
    after.restore(&saved(&before), enforce_core::RestoreOptions::new()).unwrap();
    let [budget] = after.tenant_usage("tenant").unwrap().budgets[..] else { panic!("one budget") };
    assert_eq!((budget.committed, budget.debt), (400, 100));
}

#[test]
fn s1_a_state_that_is_restored_and_saved_again_is_the_same() {
    let time = noon();
    let before = paying(&time).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let child = run.child("child").slice(Demand::none().steps(3).tokens(0, 500)).register().unwrap();
    child.child("below").register().unwrap().charge(Actual::tokens(7, 8).steps(2));
    run.charge(Actual::tokens(300, 100).discovered_steps(1));
    run.pause("wait");
    register(&before, "gone", "other").finish();
    let state = saved(&before);
    pass(&time, 1);
    let mut again = saved(&into(paying(&time), &state));
    assert!(again.last_pause > state.last_pause);
    (again.last_pause, again.saved_at) = (state.last_pause, state.saved_at);
    for (it, was) in again.executions.iter_mut().zip(&state.executions) {
        assert_eq!(it.started_at.as_nanos(), was.started_at.as_nanos() + 1);
        (it.started_at, it.last_activity, it.paused_since) = (was.started_at, was.last_activity, was.paused_since);
    }
    again.tenants.retain(|tenant| tenant.id != "other");
    let known = state.tenants.iter().filter(|tenant| tenant.id != "other").cloned().collect();
    assert_eq!(again, {
        let mut state = state;
        state.tenants = known;
        state
    });
}

#[test]
fn c1_a_new_enforcer_that_has_met_a_rate_is_none_any_more_until_that_has_passed() {
    let state = crate::restore::saved(&builder(&noon()).build().unwrap());
    for (by_model, of) in [(false, RateLimit::provider as fn(_, _, _) -> _), (true, RateLimit::model)] {
        let time = noon();
        let mut after = builder(&time).rate(of(RateUnit::Requests, 1, RatePeriod::Second)).build().unwrap();
        let demand = if by_model {
            Demand::none().model(after.model("small").unwrap())
        } else {
            Demand::none().provider(after.provider("lab").unwrap())
        };
        let run = register(&after, "exec", "tenant");
        drop(run.reserve(demand).unwrap());
        run.finish();
        drop(run);
        assert_eq!(after.restore(&state, RestoreOptions::new()), Err(RestoreError::NotFresh));
        pass(&time, SECOND);
        assert!(after.restore(&state, RestoreOptions::new()).is_ok());
    }
}

#[test]
fn a_state_has_the_allowances_that_were_used() {
    let before = builder(&noon()).allowance("search", 5).allowance("mail", 5).build().unwrap();
    let run = register(&before, "exec", "tenant");
    drop(run.reserve(Demand::step().allowance(before.allowance("mail").unwrap())).unwrap());
    let used = saved(&before).executions.remove(0).allowances;
    assert_eq!(used.into_iter().map(|it| (it.name, it.used)).collect::<Vec<_>>(), [("mail".to_owned(), 1)]);
}

#[test]
fn q1_a_state_has_the_rates_that_have_not_passed() {
    let time = noon();
    let before = builder(&time).rate(RateLimit::provider(RateUnit::Requests, 1, RatePeriod::Second)).build().unwrap();
    let run = register(&before, "exec", "tenant");
    drop(run.reserve(Demand::step().provider(before.provider("lab").unwrap())).unwrap());
    assert_eq!(saved(&before).rates.len(), 1);
    pass(&time, SECOND);
    assert_eq!(saved(&before).rates.len(), 0);
}

/// An execution of an enforcer that had met a rate of one a second two seconds before it took over a state of `saved_at`, and
/// what it may ask of that rate.
fn drained(time: &ManualClock, saved_at: u64) -> (enforce_core::Execution, Demand) {
    let state = saved(&builder(&ManualClock::starting_at(Timestamp::from_nanos(saved_at))).build().unwrap());
    let mut after = builder(time).rate(RateLimit::provider(RateUnit::Requests, 1, RatePeriod::Second)).build().unwrap();
    let demand = Demand::none().provider(after.provider("lab").unwrap());
    let run = register(&after, "before", "tenant");
    drop(run.reserve(demand).unwrap());
    run.finish();
    drop(run);
    pass(time, 2 * SECOND);
    after.restore(&state, RestoreOptions::new()).unwrap();
    (register(&after, "exec", "tenant"), demand)
}

#[test]
fn q1_a_rate_that_has_drained_begins_now_though_the_state_is_of_a_later_moment() {
    let (run, demand) = drained(&noon(), NOON + DAY);
    assert!(run.reserve(demand).is_ok());
}

#[test]
fn q1_a_rate_that_has_drained_grants_nothing_to_a_clock_that_steps_back_behind_a_restart() {
    let time = noon();
    let (run, demand) = drained(&time, NOON - DAY);
    time.set(Timestamp::from_nanos(NOON + SECOND));
    assert!(run.reserve(demand).is_err());
    pass(&time, SECOND);
    assert!(run.reserve(demand).is_ok());
}

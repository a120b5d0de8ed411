//! W1: whatever makes room, or makes waiting pointless, wakes whom it concerns.

use enforce_core::{
    Actual, Approval, Budget, BudgetAmount, BudgetPeriod, Cause, Demand, LongRunningExecutionPolicy, OnDrop,
    ProcessPolicy, RateLimit, RateOn, RatePeriod, RateUnit, ResourceLimits, Retry, TenantPolicy, ViolationType,
};

use super::{Waiter, of, tokens};
use crate::common::{DAY, NOON, SECOND, builder, disabled, kind, nano, noon, pass, register, run_on};

#[test]
fn w1_a_settle_below_what_was_held_wakes() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(3));
    held.settle(Actual::tokens(7, 0));
    drop(waiter.admitted());
}

#[test]
fn w1_a_settle_that_leaves_no_room_for_good_tells_so() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let (one, other) = (run.reserve(of(5)).unwrap(), run.reserve(of(5)).unwrap());
    let mut waiter = Waiter::begin(&run, &time, of(3));
    one.settle(Actual::tokens(5, 0));
    assert!(waiter.poll().is_none());
    other.settle(Actual::tokens(8, 0)); // an overrun: nothing is left, and nothing comes back
    assert_eq!(waiter.rung(), 1);
    assert_eq!(waiter.poll().and_then(kind), Some(ViolationType::TokenLimit));
}

#[test]
fn w1_a_dropped_hold_wakes_by_what_its_policy_gives_back() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let mut held = run.reserve(Demand::none().tokens(4, 6)).unwrap();
    held.on_drop(OnDrop::ChargeInput);
    let mut waiter = Waiter::begin(&run, &time, of(6));
    drop(held);
    drop(waiter.admitted());
}

#[test]
fn w1_a_raised_limit_wakes() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(3));
    run.set_limits(tokens(13)).unwrap();
    drop(waiter.admitted());
    drop(held);
}

#[test]
fn w1_a_lowered_limit_tells_who_never_fits() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(3));
    run.set_limits(tokens(2)).unwrap();
    assert!(waiter.rung() > 0);
    assert_eq!(waiter.poll().and_then(kind), Some(ViolationType::TokenLimit));
    drop(held);
}

#[test]
fn w1_a_parents_raised_limit_wakes_its_children() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let child = run.child("child").register().unwrap();
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&child, &time, of(3));
    run.set_limits(tokens(13)).unwrap();
    drop(waiter.admitted());
    drop(held);
}

#[test]
fn w1_a_slice_that_comes_back_wakes() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let child = run.child("child").slice(of(8)).register().unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(6));
    child.charge(Actual::tokens(4, 0));
    child.finish();
    drop(waiter.admitted());
}

#[test]
fn w1_what_a_late_settle_gives_back_of_a_slice_wakes() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let child = run.child("child").slice(of(8)).register().unwrap();
    let held = child.reserve(of(8)).unwrap();
    child.finish();
    let mut waiter = Waiter::begin(&run, &time, of(6));
    held.settle(Actual::tokens(4, 0));
    drop(waiter.admitted());
}

#[test]
fn w1_a_raised_budget_of_a_tenant_wakes() {
    let time = noon();
    let budget = |amount| TenantPolicy { budget_usd: Some(nano(amount)), ..Default::default() };
    let enforcer = builder(&time).tenant(budget(10)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let held = run.reserve(Demand::none().cost(nano(10))).unwrap();
    let mut waiter = Waiter::begin(&run, &time, Demand::none().cost(nano(3)));
    enforcer.set_tenant("tenant", budget(13)).unwrap();
    drop(waiter.admitted());
    drop(held);
}

#[test]
fn w1_a_raised_budget_of_the_process_wakes() {
    let time = noon();
    let process = |amount| ProcessPolicy {
        budgets: vec![Budget::new(BudgetAmount::Tokens(amount), BudgetPeriod::Day)],
        ..Default::default()
    };
    let enforcer = builder(&time).process(process(10)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(3));
    enforcer.set_process(&process(13)).unwrap();
    drop(waiter.admitted());
    drop(held);
}

#[test]
fn w1_a_budget_that_is_taken_away_wakes() {
    let time = noon();
    let budgets = vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Total)];
    let enforcer = builder(&time).tenant(TenantPolicy { budgets, ..Default::default() }).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(3));
    enforcer.set_tenant("tenant", TenantPolicy::default()).unwrap();
    drop(waiter.admitted());
    drop(held);
}

#[test]
fn w1_what_comes_back_to_a_tenants_budget_wakes_another_execution() {
    let time = noon();
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant"), register(&enforcer, "other", "tenant"));
    let held = one.reserve(Demand::none().cost(nano(10))).unwrap();
    let mut waiter = Waiter::begin(&other, &time, Demand::none().cost(nano(3)));
    one.finish();
    assert_eq!(waiter.rung(), 0, "the hold is still open");
    held.settle(Actual::none().cost(nano(7)));
    drop(waiter.admitted());
}

#[test]
fn w1_what_comes_back_to_a_rate_wakes() {
    let time = noon();
    let (on, unit, per) = (RateOn::Provider, RateUnit::TotalTokens, RatePeriod::Minute);
    let limit = RateLimit { on, name: None, unit, limit: 60, per, burst: None };
    let enforcer = builder(&time).rate(limit).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let provider = enforcer.provider("provider").unwrap();
    let held = run.reserve(of(60).provider(provider)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(30).provider(provider));
    held.settle(Actual::tokens(30, 0));
    drop(waiter.admitted());
}

#[test]
fn w1_a_rate_that_refills_is_known_beforehand() {
    let time = noon();
    let (on, unit, per) = (RateOn::Model, RateUnit::InputTokens, RatePeriod::Minute);
    let limit = RateLimit { on, name: None, unit, limit: 60, per, burst: None };
    let enforcer = builder(&time).rate(limit).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = of(60).model(enforcer.model("model").unwrap());
    let _taken = run.reserve(demand).unwrap();
    let mut waiter = Waiter::begin(&run, &time, demand);
    let minute = time.now().saturating_add(std::time::Duration::from_secs(60));
    assert_eq!(waiter.waiting.wake_at(), Some(minute));
    pass(&time, 60 * SECOND - 1);
    assert!(waiter.poll().is_none());
    pass(&time, 1);
    assert!(waiter.poll().is_some_and(|ended| ended.is_ok()));
}

#[test]
fn w1_an_approval_wakes() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    run.pause("look at it");
    let mut waiter = Waiter::begin(&run, &time, of(3));
    let ticket = run.pause_ticket().unwrap();
    run.approve(&ticket, Approval::new("ada", "fine")).unwrap();
    drop(waiter.admitted());
}

#[test]
fn w1_a_parents_approval_wakes_its_children() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let child = run.child("child").register().unwrap();
    run.pause("look at it");
    let mut waiter = Waiter::begin(&child, &time, of(3));
    let ticket = run.pause_ticket().unwrap();
    run.approve(&ticket, Approval::new("ada", "fine")).unwrap();
    drop(waiter.admitted());
}

#[test]
fn w1_a_halt_wakes_everyone_who_waits_wherever_they_do() {
    let time = noon();
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).limits(tokens(10)).build().unwrap();
    let (run, other) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "other", "tenant"));
    let child = run.child("child").register().unwrap();
    let (tokens, money) = (run.reserve(of(10)).unwrap(), other.reserve(Demand::none().cost(nano(10))).unwrap());
    let mut stranger = Waiter::begin(&other, &time, Demand::none().cost(nano(1)));
    let mut waiters = [
        Waiter::begin(&run, &time, of(1)),
        Waiter::begin(&run, &time, of(2)),
        Waiter::begin(&child, &time, of(2)),
        Waiter::begin(&run, &time, Demand::none().cost(nano(1))),
    ];
    run.halt(Cause::own(ViolationType::Requested));
    for waiter in &mut waiters {
        assert!(waiter.rung() >= 1);
        assert_eq!(waiter.poll().and_then(kind), Some(ViolationType::Halted));
    }
    assert_eq!((run.waiting_count(), enforcer.waiting_count()), (0, 1));
    drop((tokens, money));
    drop(stranger.admitted());
}

#[test]
fn w1_an_end_and_a_rejection_wake() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let _held = run.reserve_owned(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(1));
    run.finish();
    assert!(waiter.rung() >= 1);
    assert_eq!(waiter.poll().and_then(kind), Some(ViolationType::Closed));

    let run = run_on(&time, tokens(10), disabled());
    run.pause("look at it");
    let mut waiter = Waiter::begin(&run, &time, of(1));
    run.reject(&run.pause_ticket().unwrap()).unwrap();
    assert!(waiter.rung() >= 1);
    assert_eq!(waiter.poll().and_then(kind), Some(ViolationType::Halted));
}

#[test]
fn w1_a_waiter_that_is_dropped_takes_neither_room_nor_wake_up_with_it() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    let first = Waiter::begin(&run, &time, of(10));
    let mut second = Waiter::begin(&run, &time, of(10));
    drop(held);
    assert_eq!((first.rung(), second.rung()), (1, 0));
    drop(first); // woken, and gone before it looked
    drop(second.admitted());
    assert_eq!(run.waiting_count(), 0);
}

#[test]
fn w1_a_waiter_that_is_dropped_takes_no_wake_up_of_one_in_another_line_with_it() {
    let time = noon();
    let (on, unit, per) = (RateOn::Provider, RateUnit::Requests, RatePeriod::Minute);
    let limit = RateLimit { on, name: None, unit, limit: 1, per, burst: None };
    let enforcer = builder(&time).limits(tokens(10)).rate(limit).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let request = Demand::none().provider(enforcer.provider("provider").unwrap());
    let _held = (run.reserve(of(10)).unwrap(), run.reserve(request).unwrap());
    let first = Waiter::begin(&run, &time, request);
    let mut other = Waiter::begin(&run, &time, of(1));
    drop(first);
    run.halt(Cause::own(ViolationType::Requested));
    assert_eq!(other.rung(), 1);
    assert_eq!(other.poll().and_then(kind), Some(ViolationType::Halted));
}

#[test]
fn w1_a_waiter_that_is_dropped_in_the_middle_changes_nothing_for_the_others() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut first = Waiter::begin(&run, &time, of(5));
    let middle = Waiter::begin(&run, &time, of(5));
    let mut last = Waiter::begin(&run, &time, of(5));
    drop(middle);
    assert_eq!((first.rung(), last.rung()), (0, 0));
    drop(held);
    let one = first.admitted();
    let other = last.admitted();
    drop((one, other));
}

#[test]
fn w1_a_new_period_is_waited_for_though_only_holds_are_in_the_way() {
    let time = noon();
    let budgets = vec![Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Hour)];
    let enforcer = builder(&time).tenant(TenantPolicy { budgets, ..Default::default() }).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant"), register(&enforcer, "other", "tenant"));
    let _held = one.reserve(of(60)).unwrap();
    let mut waiter = Waiter::begin(&one, &time, of(50));
    let hour = std::time::Duration::from_secs(3_600);
    assert_eq!(waiter.waiting.wake_at(), Some(time.now().saturating_add(hour)));
    pass(&time, 3_600 * SECOND);
    assert!(waiter.poll().is_some_and(|ended| ended.is_ok()));
    assert!(other.reserve(of(10)).is_ok());
}

#[test]
fn w1_a_rate_is_waited_for_though_others_wait_for_another_one_of_the_demand() {
    let time = noon();
    let requests = RateLimit::provider(RateUnit::Requests, 60, RatePeriod::Minute).burst(1);
    let tokens = RateLimit::model(RateUnit::TotalTokens, 86_400, RatePeriod::Day);
    let enforcer = builder(&time).rate(requests).rate(tokens).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant"), register(&enforcer, "other", "tenant"));
    let (provider, model) = (enforcer.provider("provider").unwrap(), enforcer.model("model").unwrap());
    drop(one.reserve(Demand::none().provider(provider)).unwrap());
    drop(other.reserve(of(40_000).model(model).on_drop(OnDrop::ChargeAll)).unwrap());
    let first = Waiter::begin(&other, &time, of(50_000).model(model));
    let mut second = Waiter::begin(&one, &time, of(1).provider(provider).model(model));
    assert_eq!(second.waiting.wake_at(), Some(time.now().saturating_add(std::time::Duration::from_secs(1))));
    pass(&time, SECOND);
    assert!(second.poll().is_none(), "it waits for the model's rate now, behind the first");
    drop(first);
    drop(second.admitted());
}

#[test]
fn w1_one_that_leaves_takes_no_other_wake_up_of_its_execution_along() {
    let time = noon();
    let rate = RateLimit::provider(RateUnit::Requests, 1, RatePeriod::Hour);
    let enforcer = builder(&time).rate(rate).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = |name| Demand::step().provider(enforcer.provider(name).unwrap());
    ["p", "q"].into_iter().for_each(|name| drop(run.reserve(demand(name)).unwrap()));
    let first = Waiter::begin(&run, &time, demand("p"));
    let second = Waiter::begin(&run, &time, demand("q"));
    drop(first);
    run.halt(Cause::own(ViolationType::Requested));
    assert!(second.rung() > 0);
}

#[test]
fn w1_a_step_with_a_fingerprint_is_let_in_as_the_first_in_line() {
    let time = noon();
    let long_running = LongRunningExecutionPolicy { max_same_step_repetitions: Some(5), ..disabled() };
    let run = run_on(&time, tokens(10), long_running);
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, Demand::step().tokens(3, 0).fingerprint(1));
    drop(held);
    drop(waiter.admitted());
}

#[test]
fn w1_a_budget_of_everything_that_is_held_is_full_again_when_its_period_is_over() {
    let time = noon();
    let budgets = vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Day)];
    let process = ProcessPolicy { budgets, ..ProcessPolicy::default() };
    let run = register(&builder(&time).process(process).build().unwrap(), "exec", "tenant");
    let _held = run.reserve(of(10)).unwrap();
    let waiter = Waiter::begin(&run, &time, of(3));
    assert_eq!(waiter.waiting.refused().unwrap().retry, Retry::WhenFreed, "others may give it back before");
    assert_eq!(waiter.waiting.wake_at().unwrap().as_nanos(), NOON + DAY / 2);
}

#[test]
fn who_is_paused_at_its_deadline_waits_for_the_end_of_the_pause() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 10_000, ..tokens(10) };
    let run = run_on(&time, limits, disabled());
    let _held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(3));
    let deadline = waiter.waiting.wake_at().unwrap();
    run.pause("look");
    time.set(deadline);
    assert!(waiter.poll().is_none());
    assert_eq!(waiter.waiting.wake_at(), None);
}

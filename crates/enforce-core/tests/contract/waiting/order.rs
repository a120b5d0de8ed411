//! F1: in order, and nobody who does not wait overtakes those who do.

use enforce_core::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Demand, ProcessPolicy, RateLimit, RateOn, RatePeriod, RateUnit, Retry,
    ScopeKind, TenantPolicy, ViolationType,
};

use super::{Waiter, of, tokens};
use crate::common::{SECOND, builder, kind, nano, noon, pass, register, run_on, unlimited};

#[test]
fn f1_those_who_wait_are_served_in_the_order_in_which_they_came() {
    let time = noon();
    let run = run_on(&time, tokens(10), crate::common::disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut first = Waiter::begin(&run, &time, of(4));
    let mut second = Waiter::begin(&run, &time, of(4));
    drop(held);
    assert_eq!(second.rung(), 0, "not its turn");
    assert!(second.poll().is_none(), "not even where there is room for both");
    let one = first.admitted();
    let two = second.admitted();
    assert_eq!(run.snapshot().outstanding.tokens, 8);
    drop((one, two));
}

#[test]
fn f1_a_large_demand_is_not_starved_by_small_ones() {
    let time = noon();
    let run = run_on(&time, tokens(10), crate::common::disabled());
    let mut held: Vec<_> = (0..10).map(|_| run.reserve(of(1)).unwrap()).collect();
    let mut large = Waiter::begin(&run, &time, of(10));
    while held.pop().is_some() {
        let refused = run.reserve(of(1)).unwrap_err();
        assert_eq!((refused.violation_type, refused.retry), (ViolationType::TokenLimit, Retry::WhenFreed));
        assert!(large.rung() <= 1);
        let served = large.poll();
        assert_eq!(served.is_some(), held.is_empty(), "as soon as the last one has given back");
    }
}

#[test]
fn f1_a_refusal_for_the_sake_of_those_who_wait_says_so_and_leads_to_no_action() {
    let time = noon();
    let run = run_on(&time, tokens(10), crate::common::disabled());
    let held = run.reserve(of(6)).unwrap();
    let waiter = Waiter::begin(&run, &time, of(8));
    let refused = run.reserve(of(4)).unwrap_err();
    assert!(refused.queued);
    assert_eq!(refused.to_string(), "token_limit: others wait for it: 10 / 10 (100%)");
    assert_eq!((refused.used, refused.asked, refused.remaining), (6, 4, 4));
    assert!(run.check(of(4)).is_blocked());
    drop(waiter);
    assert!(run.reserve(of(4)).is_ok(), "T4: at once when nobody waits any more");
    drop(held);
}

#[test]
fn f1_who_asks_nothing_of_what_is_waited_for_passes() {
    let time = noon();
    let run = run_on(&time, tokens(10), crate::common::disabled());
    let held = run.reserve(of(10)).unwrap();
    let _waiter = Waiter::begin(&run, &time, of(1));
    assert!(run.reserve(Demand::step().cost(nano(5))).is_ok());
    assert!(run.reserve(Demand::none()).is_ok());
    assert_eq!(kind(run.reserve(Demand::step().tokens(1, 0))), Some(ViolationType::TokenLimit));
    drop(held);
}

#[test]
fn f1_an_open_hold_does_not_grow_past_those_who_wait() {
    let time = noon();
    let run = run_on(&time, tokens(10), crate::common::disabled());
    let mut held = run.reserve(of(6)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(8));
    assert!(held.extend(of(1)).unwrap_err().queued);
    held.settle(Actual::tokens(2, 0));
    assert!(waiter.admitted().extend(of(1)).is_err());
}

#[test]
fn f1_children_wait_in_their_parents_line() {
    let time = noon();
    let run = run_on(&time, tokens(10), crate::common::disabled());
    let (one, other) = (run.child("one").register().unwrap(), run.child("other").register().unwrap());
    let held = one.reserve(of(10)).unwrap();
    let mut first = Waiter::begin(&one, &time, of(10));
    let mut second = Waiter::begin(&other, &time, of(1));
    assert!(run.reserve(of(1)).is_err());
    drop(held);
    assert_eq!(second.rung(), 0);
    drop(first.admitted());
    drop(second.admitted());
}

#[test]
fn f1_a_tenants_executions_wait_in_one_line_for_its_budget() {
    let time = noon();
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant"), register(&enforcer, "other", "tenant"));
    let cost = |amount| Demand::none().cost(nano(amount));
    let held = one.reserve(cost(6)).unwrap();
    let mut first = Waiter::begin(&one, &time, cost(10));
    let refused = other.reserve(cost(1)).unwrap_err();
    assert!(refused.queued && refused.retry == Retry::WhenFreed, "{refused:?}");
    assert!(other.reserve(Demand::step()).is_ok(), "no money, no line");
    let mut second = Waiter::begin(&other, &time, cost(1));
    drop(held);
    assert_eq!(second.rung(), 0);
    let ten = first.admitted();
    assert_eq!(second.rung(), 1);
    assert!(second.poll().is_none(), "all of it is held");
    drop(ten);
    drop(second.admitted());
    assert!(register(&enforcer, "third", "tenant").reserve(cost(1)).is_ok());
}

#[test]
fn f1_all_tenants_wait_in_one_line_for_the_process() {
    let time = noon();
    let process = ProcessPolicy {
        budgets: vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Total)],
        ..Default::default()
    };
    let enforcer = builder(&time).process(process).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant_a"), register(&enforcer, "other", "tenant_b"));
    let held = one.reserve(of(6)).unwrap();
    let mut first = Waiter::begin(&one, &time, of(10));
    let refused = other.reserve(of(1)).unwrap_err();
    assert!(refused.queued && refused.scope == ScopeKind::Process, "{refused:?}");
    let mut second = Waiter::begin(&other, &time, of(1));
    drop(held);
    assert_eq!(second.rung(), 0);
    drop(first.admitted());
    drop(second.admitted());
    assert!(other.reserve(of(10)).is_ok(), "T4");
}

#[test]
fn f1_nobody_overtakes_those_who_wait_for_a_period_when_it_begins() {
    let time = noon();
    let tenant =
        TenantPolicy { budgets: vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Hour)], ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(10, 0));
    let mut waiter = Waiter::begin(&run, &time, of(8));
    assert_eq!(waiter.waiting.wake_at(), Some(time.now().saturating_add(std::time::Duration::from_secs(3_600))));
    pass(&time, 3_600 * SECOND - 1);
    assert!(waiter.poll().is_none());
    pass(&time, 1);
    assert!(run.reserve(of(8)).unwrap_err().queued, "the new hour is for who waits");
    let hold = waiter.poll().unwrap().unwrap();
    assert!(run.reserve(of(2)).is_ok(), "T4: what it leaves is free");
    drop(hold);
}

#[test]
fn f1_what_has_no_limit_is_waited_for_by_nobody() {
    let time = noon();
    let run = run_on(&time, tokens(100), crate::common::disabled());
    let held = run.reserve(of(80)).unwrap();
    let _waiter = Waiter::begin(&run, &time, Demand::step().tokens(50, 0));
    let child = run.child("child").register().unwrap();
    assert!(run.reserve(Demand::step()).is_ok() && child.reserve(Demand::step().cost(nano(1))).is_ok());
    drop(held);
}

#[test]
fn f1_a_mark_leaves_with_the_last_who_waits_for_its_word() {
    let time = noon();
    let limits = enforce_core::ResourceLimits { max_memory_mb: Some(4), ..tokens(100) };
    let run = run_on(&time, limits, crate::common::disabled());
    let mib = |mib: u64| Demand::none().memory_bytes(mib << 20);
    let (_tokens, _memory) = (run.reserve(of(100)).unwrap(), run.reserve(mib(2)).unwrap());
    let _first = Waiter::begin(&run, &time, of(50));
    let second = Waiter::begin(&run, &time, mib(3));
    assert!(run.reserve(mib(1)).unwrap_err().queued);
    drop(second);
    assert!(run.reserve(mib(1)).is_ok());
    assert!(run.reserve(of(1)).is_err());
}

#[test]
fn f1_a_line_of_budgets_bars_what_is_waited_for_and_nothing_else() {
    let time = noon();
    let budgets = [BudgetAmount::Tokens(100), BudgetAmount::Steps(100)].map(|of| Budget::new(of, BudgetPeriod::Total));
    let tenant = TenantPolicy { budgets: budgets.to_vec(), ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant"), register(&enforcer, "other", "tenant"));
    let held = one.reserve(of(80)).unwrap();
    let _waiter = Waiter::begin(&one, &time, of(50));
    assert!(other.reserve(Demand::step()).is_ok());
    assert!(other.reserve(of(1)).unwrap_err().queued);
    drop(held);
}

#[test]
fn f1_who_waits_in_this_period_does_not_bar_a_hold_of_the_last() {
    let time = noon();
    let tenant = TenantPolicy {
        budgets: vec![Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Hour)],
        ..Default::default()
    };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut stream = run.reserve(of(10)).unwrap();
    pass(&time, 3_600 * SECOND);
    let held = run.reserve(of(80)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(50));
    stream.extend(of(80)).unwrap();
    assert!(stream.extend(of(11)).is_err(), "it had 100");
    drop(held);
    drop(waiter.admitted());
}

#[test]
fn f1_one_that_is_paused_waits_at_home_and_bars_no_stranger() {
    let time = noon();
    let process = ProcessPolicy {
        budgets: vec![Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Total)],
        ..Default::default()
    };
    let enforcer = builder(&time).process(process).build().unwrap();
    let (one, other) = (register(&enforcer, "one", "tenant_a"), register(&enforcer, "other", "tenant_b"));
    let _held = other.reserve(of(60)).unwrap();
    let mut waiter = Waiter::begin(&one, &time, of(50));
    one.pause("for a week");
    assert!(waiter.rung() > 0 && waiter.poll().is_none());
    assert!(other.reserve(of(10)).is_ok());
}

#[test]
fn f1_those_who_wait_for_a_rate_are_served_in_order() {
    let time = noon();
    let limit = RateLimit {
        on: RateOn::Provider,
        name: None,
        unit: RateUnit::Requests,
        limit: 1,
        per: RatePeriod::Second,
        burst: None,
    };
    let enforcer = builder(&time).rate(limit).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::none().provider(enforcer.provider("provider").unwrap());
    drop(run.reserve(demand).unwrap());
    let mut first = Waiter::begin(&run, &time, demand);
    let mut second = Waiter::begin(&run, &time, demand);
    assert_eq!(first.waiting.wake_at(), Some(time.now().saturating_add(std::time::Duration::from_secs(1))));
    assert_eq!(second.waiting.wake_at(), None, "it waits for the first");
    pass(&time, SECOND);
    let refused = run.reserve(demand).unwrap_err();
    assert!(refused.queued, "the second's worth is for who waits: {refused}");
    assert!(second.poll().is_none());
    assert!(first.poll().is_some());
    assert_eq!(second.rung(), 1, "its turn");
    assert!(second.poll().is_none());
    pass(&time, SECOND);
    assert!(second.poll().is_some_and(|ended| ended.is_ok()));
}

#[test]
fn f1_a_waiter_keeps_nothing_in_one_place_while_it_waits_in_another() {
    let time = noon();
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).limits(tokens(10)).build().unwrap();
    let (run, other) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "other", "tenant"));
    let (tokens, money) = (run.reserve(of(10)).unwrap(), other.reserve(Demand::none().cost(nano(10))).unwrap());
    let mut waiter = Waiter::begin(&run, &time, of(1).cost(nano(1)));
    assert_eq!(waiter.waiting.refused().map(|refused| refused.violation_type), Some(ViolationType::TokenLimit));
    drop(tokens);
    assert_eq!(waiter.rung(), 1);
    assert!(waiter.poll().is_none(), "there is no money");
    assert_eq!(waiter.waiting.refused().map(|refused| refused.violation_type), Some(ViolationType::CostLimit));
    assert!(run.reserve(of(10)).is_ok(), "it holds no tokens, and waits for none");
    drop(money);
    drop(waiter.admitted());
}

#[test]
fn f1_one_in_line_twice_is_served_twice() {
    let time = noon();
    let run = run_on(
        &time,
        enforce_core::ResourceLimits { max_memory_mb: Some(1), ..unlimited() },
        crate::common::disabled(),
    );
    let mib = Demand::none().memory_bytes(1 << 20);
    let held = run.reserve(mib).unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| Waiter::begin(&run, &time, mib)).collect();
    drop(held);
    for waiter in &mut waiters {
        drop(waiter.admitted());
    }
    assert_eq!((run.waiting_count(), run.snapshot().outstanding.memory_bytes), (0, 0));
}

#[test]
fn f1_an_extension_by_what_others_wait_for_does_not_overtake_them_in_its_hold_s_budget() {
    let time = noon();
    let tenant = TenantPolicy { budget_usd: Some(nano(100)), budget_period: BudgetPeriod::Day, ..Default::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let (run, other) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "other", "tenant"));
    let mut hold = run.reserve(Demand::none().cost(nano(50))).unwrap();
    let waiter = Waiter::begin(&other, &time, Demand::none().cost(nano(80)));
    let refused = hold.extend(Demand::none().cost(nano(20))).unwrap_err();
    assert_eq!((refused.scope, refused.queued, refused.retry), (ScopeKind::Tenant, true, Retry::WhenFreed));
    drop(waiter);
    assert!(hold.extend(Demand::none().cost(nano(20))).is_ok());
}

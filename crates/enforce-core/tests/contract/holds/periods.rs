//! A budget of a day: what was taken in a day settles into that day, to the nanosecond, whatever the clock does (C1).

use std::time::Duration;

use enforce_core::{
    Actual, Budget, BudgetAmount, BudgetPeriod, Demand, Enforcer, ManualClock, Retry, TenantPolicy, Timestamp,
    ViolationType,
};

use crate::common::{DAY, NOON, builder, kind, nano, noon, pass, register};

/// The last nanosecond of the day on which the tests' clock stands.
const LAST: u64 = NOON + DAY / 2 - 1;

fn daily(time: &ManualClock, budget: u64) -> Enforcer {
    let policy =
        TenantPolicy { budget_usd: Some(nano(budget)), budget_period: BudgetPeriod::Day, ..Default::default() };
    builder(time).tenant(policy).build().unwrap()
}

/// (committed, outstanding, debt) of the tenant's budget in the current day.
fn budget(enforcer: &Enforcer) -> (u64, u64, u64) {
    let budget = enforcer.tenant_usage("tenant").unwrap().budget.unwrap();
    (budget.committed, budget.outstanding, budget.debt)
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

#[test]
fn a_day_ends_at_midnight_utc_to_the_nanosecond() {
    let time = ManualClock::starting_at(at(LAST));
    let enforcer = daily(&time, 10);
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::none().cost(nano(10)));
    let refused = run.reserve(Demand::step().cost(nano(1))).unwrap_err();
    let at_midnight = Retry::After(Duration::from_nanos(1));
    assert_eq!((refused.as_cause().to_string().as_str(), refused.retry), ("tenant:cost_limit", at_midnight));
    assert_eq!(run.reserve(Demand::step().cost(nano(11))).unwrap_err().retry, Retry::Never, "it fits no day");
    assert!(run.check_at(Demand::step().cost(nano(1)), at(LAST + 1)).is_allowed());
    assert!(run.check(Demand::step().cost(nano(1))).is_blocked(), "a question begins no day");
    pass(&time, 1);
    assert_eq!(budget(&enforcer), (0, 0, 0));
    assert!(run.reserve(Demand::step().cost(nano(10))).is_ok());
}

#[test]
fn a_hold_settles_into_the_day_in_which_it_was_taken_overrun_included() {
    let time = ManualClock::starting_at(at(LAST));
    let enforcer = daily(&time, 10);
    let run = register(&enforcer, "exec", "tenant");
    let (spent, dropped) =
        (run.reserve(Demand::step().cost(nano(6))).unwrap(), run.reserve(Demand::step().cost(nano(4))).unwrap());
    pass(&time, 1);
    assert!(run.reserve(Demand::step().cost(nano(10))).is_ok(), "yesterday's holds are not in today's way");
    assert_eq!(budget(&enforcer), (0, 0, 0));
    spent.settle(Actual::none().cost(nano(25)));
    drop(dropped);
    assert_eq!(budget(&enforcer), (0, 0, 0), "today owes nothing");
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().cost_nano_usd, 25, "the total has it all the same");
    run.charge(Actual::none().cost(nano(3)));
    assert_eq!(budget(&enforcer), (3, 0, 0));
}

#[test]
fn a_hold_of_an_ended_execution_settles_late_into_its_day() {
    let time = ManualClock::starting_at(at(LAST));
    let enforcer = daily(&time, 10);
    let (run, next) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "next", "tenant"));
    let hold = run.reserve(Demand::step().cost(nano(10))).unwrap();
    run.finish();
    assert_eq!(budget(&enforcer), (0, 10, 0));
    assert!(hold.settle(Actual::none().cost(nano(12))).late);
    assert_eq!(budget(&enforcer), (12, 0, 2));
    assert_eq!(kind(next.reserve(Demand::step())), Some(ViolationType::CostLimit), "debt blocks the others, too");
    pass(&time, 1);
    assert!(next.reserve(Demand::step()).is_ok());
}

#[test]
fn a_clock_that_steps_back_over_midnight_stays_in_the_day_that_had_begun() {
    let time = ManualClock::starting_at(at(LAST));
    let enforcer = daily(&time, 10);
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::none().cost(nano(4)));
    pass(&time, 1);
    run.charge(Actual::none().cost(nano(7)));
    time.set(at(LAST));
    assert_eq!(budget(&enforcer), (7, 0, 0));
    assert_eq!(run.reserve(Demand::step().cost(nano(4))).unwrap_err().used, 7);
    let hold = run.reserve(Demand::step().cost(nano(3))).unwrap();
    time.set(at(LAST + 1));
    assert_eq!(budget(&enforcer), (7, 3, 0));
    drop(hold);
    time.set(at(0));
    assert!(run.check(Demand::step().cost(nano(4))).is_blocked());
    assert_eq!(budget(&enforcer), (7, 0, 0));
}

#[test]
fn days_that_nobody_used_are_skipped_and_each_day_is_whole() {
    let time = ManualClock::starting_at(at(NOON));
    let enforcer = daily(&time, 10);
    let run = register(&enforcer, "exec", "tenant");
    for days in [1, 2, 1, 300, 1] {
        assert!(run.reserve(Demand::step().cost(nano(11))).is_err());
        run.reserve(Demand::step().cost(nano(10))).unwrap().settle(Actual::none().cost(nano(10)));
        assert_eq!(budget(&enforcer), (10, 0, 0));
        pass(&time, days * DAY);
    }
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().cost_nano_usd, 50);
}

#[test]
fn a_tenant_is_kept_while_its_day_is_used_and_may_go_on_the_next() {
    let time = ManualClock::starting_at(at(LAST));
    let enforcer = daily(&time, 10);
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::none().cost(nano(1)));
    run.finish();
    drop(run);
    assert!(enforcer.evict_idle_tenants().is_empty(), "G2: its budget would be forgotten");
    pass(&time, 1);
    let evicted = enforcer.evict_idle_tenants();
    assert_eq!((evicted[0].tenant_id.as_str(), evicted[0].cost_nano_usd), ("tenant", 1));
    assert_eq!((evicted.len(), enforcer.tenant_count()), (1, 0));
}

#[test]
fn c1_what_a_late_settle_adds_to_a_hold_that_its_deadline_ended_is_of_the_period_of_the_hold() {
    let time = noon();
    let budgets = vec![Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Day)];
    let enforcer = builder(&time).tenant(TenantPolicy { budgets, ..TenantPolicy::default() }).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(Demand::step().tokens(10, 0)).unwrap().with_deadline(time.now()).unwrap();
    enforcer.expire_holds();
    pass(&time, DAY);
    drop(run.reserve(Demand::none().tokens(1, 0)).unwrap());
    hold.settle(Actual::tokens(10, 0));
    let usage = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!((usage.total_tokens, usage.budgets[0].committed), (10, 0), "not of the day that goes on");
}

#[test]
fn l1_an_extension_of_a_hold_of_an_earlier_period_meets_the_limit_that_this_had() {
    let time = noon();
    let of = |tokens| TenantPolicy {
        budgets: vec![Budget::new(BudgetAmount::Tokens(tokens), BudgetPeriod::Day)],
        ..TenantPolicy::default()
    };
    let enforcer = builder(&time).tenant(of(100)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut hold = run.reserve(Demand::step().tokens(10, 0)).unwrap();
    pass(&time, DAY);
    drop(run.reserve(Demand::none().tokens(1, 0)).unwrap());
    enforcer.set_tenant("tenant", of(50)).unwrap();
    let refused = hold.extend(Demand::none().tokens(91, 0)).unwrap_err();
    assert_eq!((refused.limit, refused.used), (100, 10));
    hold.extend(Demand::none().tokens(90, 0)).unwrap();
}

//! Rates that are changed while they are asked (L1).

use std::time::Duration;

use enforce_core::{
    Actual, Demand, EnforcementViolation, Enforcer, Execution, ProviderPolicy, RateLimit, RateOn, RatePeriod, RateUnit,
    Retry,
};

use crate::common::{SECOND, builder, noon, pass, register};

fn rate(on: RateOn, unit: RateUnit, limit: u64, burst: u64) -> RateLimit {
    RateLimit { on, name: None, unit, limit, per: RatePeriod::Minute, burst: Some(burst) }
}

/// So many requests a minute of a provider, all at once.
fn requests(limit: u64) -> RateLimit {
    rate(RateOn::Provider, RateUnit::Requests, limit, limit)
}

fn set(enforcer: &Enforcer, rates: &[RateLimit]) {
    enforcer.set_rates(&ProviderPolicy::default(), rates).unwrap();
}

fn demand(enforcer: &Enforcer) -> Demand {
    Demand::none().provider(enforcer.provider("provider").unwrap())
}

/// How many are admitted before the first refusal.
fn admitted(run: &Execution, demand: Demand) -> u64 {
    (0..).take_while(|_| run.reserve(demand).is_ok()).count() as u64
}

fn refusal(run: &Execution, demand: Demand) -> EnforcementViolation {
    run.reserve(demand).map(drop).unwrap_err()
}

#[test]
fn l1_a_raise_is_seen_by_the_next_attempt_and_what_was_used_counts() {
    let enforcer = builder(&noon()).rate(requests(3)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 3);
    set(&enforcer, &[requests(5)]);
    assert_eq!(admitted(&run, demand(&enforcer)), 2);
}

#[test]
fn l1_nothing_is_admitted_above_a_limit_that_was_lowered_below_what_is_used() {
    let time = noon();
    let enforcer = builder(&time).rate(requests(5)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    for _ in 0..4 {
        drop(run.reserve(demand(&enforcer)).unwrap());
    }
    set(&enforcer, &[requests(2)]);
    // Four of two at half a minute each, and one more: three have to drain.
    assert_eq!(refusal(&run, demand(&enforcer)).retry, Retry::After(Duration::from_secs(90)));
    pass(&time, 90 * SECOND - 1);
    assert_eq!(refusal(&run, demand(&enforcer)).retry, Retry::After(Duration::from_nanos(1)));
    pass(&time, 1);
    assert_eq!(admitted(&run, demand(&enforcer)), 1);
}

#[test]
fn what_has_drained_before_a_change_does_not_count() {
    let time = noon();
    let enforcer = builder(&time).rate(requests(6)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 6);
    pass(&time, 40 * SECOND); // four of them
    set(&enforcer, &[requests(3)]);
    assert_eq!(admitted(&run, demand(&enforcer)), 1);
}

#[test]
fn a_key_that_is_asked_long_after_a_change_stands_as_if_it_had_been_asked_at_once() {
    let time = noon();
    let enforcer = builder(&time).rate(requests(6)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 6);
    set(&enforcer, &[requests(3)]);
    pass(&time, 80 * SECOND); // at the new pace four of six have drained
    assert_eq!(admitted(&run, demand(&enforcer)), 1);
}

#[test]
fn a_rate_that_is_new_begins_full_and_one_that_is_gone_limits_nothing() {
    let enforcer = builder(&noon()).rate(requests(1)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 1);
    set(&enforcer, &[rate(RateOn::TenantProvider, RateUnit::Requests, 2, 2)]);
    assert_eq!(admitted(&run, demand(&enforcer)), 2);
    set(&enforcer, &[]);
    assert!(run.reserve(demand(&enforcer)).is_ok());
    set(&enforcer, &[requests(1)]);
    assert_eq!(admitted(&run, demand(&enforcer)), 1, "what was forgotten stays forgotten");
}

#[test]
fn l1_a_tenants_and_a_models_rates_change_as_well() {
    let both = |limit| {
        [rate(RateOn::TenantProvider, RateUnit::Requests, limit, limit), rate(RateOn::Model, RateUnit::Requests, 9, 9)]
    };
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    set(&enforcer, &both(2));
    let demand = demand(&enforcer).model(enforcer.model("model").unwrap());
    let (one, other) = (register(&enforcer, "one", "tenant_a"), register(&enforcer, "other", "tenant_b"));
    assert_eq!(admitted(&one, demand), 2);
    set(&enforcer, &both(3));
    assert_eq!((admitted(&one, demand), admitted(&other, demand)), (1, 3));
    set(&enforcer, &both(9));
    assert_eq!(admitted(&other, demand), 3, "of the model's nine");
}

#[test]
fn what_a_hold_took_before_a_change_does_not_come_back_and_what_it_uses_above_is_charged() {
    let tokens = |limit| rate(RateOn::Provider, RateUnit::TotalTokens, limit, limit);
    let enforcer = builder(&noon()).rate(tokens(100)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let of = |amount| demand(&enforcer).tokens(amount, 0);
    let (less, more) = (run.reserve(of(40)).unwrap(), run.reserve(of(20)).unwrap());
    set(&enforcer, &[tokens(200)]);
    less.settle(Actual::tokens(1, 0));
    more.settle(Actual::tokens(50, 0));
    // 40 and 50 of 200.
    assert!(run.reserve(of(111)).is_err());
    assert!(run.reserve(of(110)).is_ok());
}

#[test]
fn rates_that_make_no_sense_change_nothing() {
    let enforcer = builder(&noon()).rate(requests(1)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert!(enforcer.set_rates(&ProviderPolicy::default(), &[requests(3), requests(4)]).is_err());
    assert_eq!(admitted(&run, demand(&enforcer)), 1);
}

#[test]
fn a_limit_of_zero_comes_and_goes() {
    let enforcer = builder(&noon()).rate(requests(2)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.reserve(demand(&enforcer)).is_ok());
    set(&enforcer, &[RateLimit { burst: None, ..requests(0) }]);
    assert_eq!(refusal(&run, demand(&enforcer)).retry, Retry::Never);
    set(&enforcer, &[requests(2)]);
    assert!(run.reserve(demand(&enforcer)).is_ok());
}

#[test]
fn l1_threads_that_ask_while_a_rate_changes_get_exactly_what_it_admits_in_the_end() {
    let enforcer = builder(&noon()).rate(requests(1_000)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = demand(&enforcer);
    let total: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let run = &run;
                scope.spawn(move || (0..200).filter(|_| run.reserve(demand).is_ok()).count() as u64)
            })
            .collect();
        for turn in 0..50 {
            set(&enforcer, &[requests(if turn % 2 == 0 { 800 } else { 1_000 })]);
            std::thread::yield_now();
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    set(&enforcer, &[requests(1_200)]);
    assert!(total <= 1_000, "{total}");
    assert_eq!(total + admitted(&run, demand), 1_200);
}

#[test]
fn l1_a_limit_that_was_zero_for_a_moment_forgets_nothing() {
    let time = noon();
    let enforcer = builder(&time).rate(requests(10)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 10);
    set(&enforcer, &[RateLimit { burst: None, ..requests(0) }]);
    assert!(run.reserve(demand(&enforcer)).is_err());
    set(&enforcer, &[requests(10)]);
    assert_eq!(admitted(&run, demand(&enforcer)), 0);
}

#[test]
fn t2_whether_somebody_asks_between_two_changes_changes_nothing() {
    for asks in [false, true] {
        let time = noon();
        let enforcer = builder(&time).rate(requests(60)).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        assert_eq!(admitted(&run, demand(&enforcer)), 60);
        set(&enforcer, &[rate(RateOn::Provider, RateUnit::Requests, 1, 60)]);
        if asks {
            assert!(run.check(demand(&enforcer)).is_blocked());
        }
        pass(&time, 30 * SECOND); // half of one, at the pace of then
        set(&enforcer, &[requests(60)]);
        assert_eq!(admitted(&run, demand(&enforcer)), 0);
        set(&enforcer, &[]);
        if asks {
            assert!(run.reserve(demand(&enforcer)).is_ok());
        }
        set(&enforcer, &[requests(60)]);
        assert_eq!(admitted(&run, demand(&enforcer)), 60, "what is limited no more is forgotten");
    }
}

/// What comes back of a hold of 40 tokens that used 1, when `change` comes before it is settled.
fn comes_back(change: impl FnOnce(&Enforcer)) -> u64 {
    let enforcer = builder(&noon()).rate(tokens(100)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(demand(&enforcer).tokens(40, 0)).unwrap();
    change(&enforcer);
    hold.settle(Actual::tokens(1, 0));
    let fits = |amount: &u64| run.check(demand(&enforcer).tokens(*amount, 0)).is_allowed();
    (0..=100).rfind(fits).unwrap() - 60
}

fn tokens(limit: u64) -> RateLimit {
    rate(RateOn::Provider, RateUnit::TotalTokens, limit, limit)
}

#[test]
fn rates_that_stay_the_same_lose_nothing_that_a_hold_gives_back() {
    assert_eq!(comes_back(|enforcer| set(enforcer, &[tokens(100)])), 39);
}

#[test]
fn a_change_of_others_rates_loses_nothing_that_a_hold_gives_back() {
    let model = rate(RateOn::Model, RateUnit::Requests, 9, 9);
    assert_eq!(comes_back(|enforcer| set(enforcer, &[tokens(100), model])), 39);
}

#[test]
fn a_rate_that_changed_and_changed_back_gives_nothing_back() {
    let there_and_back = |enforcer: &Enforcer| {
        set(enforcer, &[tokens(200)]);
        set(enforcer, &[tokens(100)]);
    };
    assert_eq!(comes_back(there_and_back), 0);
}

#[test]
fn t2_what_has_passed_is_whole_behind_changes_that_nobody_asked_between() {
    let time = noon();
    let enforcer = builder(&time).rate(requests(4)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 4);
    pass(&time, 60 * SECOND);
    for limit in [2, 1, 3] {
        set(&enforcer, &[requests(limit)]);
    }
    assert_eq!(admitted(&run, demand(&enforcer)), 3);
}

#[test]
fn l1_what_is_on_its_way_outlives_changes_that_nobody_asked_between() {
    let enforcer = builder(&noon()).rate(requests(4)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(admitted(&run, demand(&enforcer)), 4);
    for limit in (5..=40).chain([6]) {
        set(&enforcer, &[requests(limit)]);
    }
    assert_eq!(admitted(&run, demand(&enforcer)), 2);
}

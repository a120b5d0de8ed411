//! Demands that take what is left.

use enforce_core::{
    Action, Actual, Budget, BudgetAmount, BudgetPeriod, Demand, EnforcementPolicy, LimitActions, ProcessPolicy,
    RateLimit, RatePeriod, RateUnit, TenantPolicy, ViolationType,
};

use crate::common::{builder, disabled, kind, noon, run, run_on, unlimited};

fn tokens(max: u64) -> enforce_core::ResourceLimits {
    enforce_core::ResourceLimits { max_tokens: max, ..unlimited() }
}

#[test]
fn it_gets_what_is_left_and_no_more_than_it_asked() {
    let run = run(tokens(100));
    assert_eq!(run.reserve(Demand::step().tokens_up_to(30, 50)).unwrap().held_tokens(), (30, 50));
    assert_eq!(run.reserve(Demand::step().tokens_up_to(30, 90)).unwrap().held_tokens(), (30, 70));
    assert_eq!(run.reserve(Demand::step().tokens_up_to(0, u64::MAX)).unwrap().held_tokens(), (0, 100));
    assert_eq!(run.snapshot().outstanding.tokens, 0);
}

#[test]
fn where_not_even_one_is_left_it_is_refused_and_acts_as_any_demand() {
    let run = run(tokens(100));
    let refused = run.reserve(Demand::step().tokens_up_to(100, 10)).unwrap_err();
    assert_eq!((refused.violation_type, refused.asked, refused.remaining), (ViolationType::TokenLimit, 101, 100));
    assert!(run.status().violation().is_none(), "a demand that is too large changes nothing");
    run.charge(Actual::tokens(100, 0));
    assert_eq!(kind(run.reserve(Demand::step().tokens_up_to(0, 10))), Some(ViolationType::TokenLimit));
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::Halted), "exhausted");
}

#[test]
fn the_least_of_all_limits_counts() {
    let time = noon();
    let budget = |amount| vec![Budget::new(BudgetAmount::Tokens(amount), BudgetPeriod::Day)];
    let policy = |amount| TenantPolicy { budgets: budget(amount), ..Default::default() };
    let process = ProcessPolicy { budgets: budget(40), ..Default::default() };
    let rate = RateLimit::provider(RateUnit::OutputTokens, 20, RatePeriod::Minute);
    let total = RateLimit::model(RateUnit::TotalTokens, 15, RatePeriod::Minute);
    let enforcer = builder(&time).tenant(policy(50)).process(process).rate(rate).rate(total).build().unwrap();
    let (provider, model) = (enforcer.provider("provider").unwrap(), enforcer.model("model").unwrap());
    let parent = enforcer.execution("parent", "tenant").limits(tokens(60)).register().unwrap();
    let run = parent.child("child").limits(tokens(70)).register().unwrap();
    let got = |demand: Demand| run.reserve(demand.tokens_up_to(1, 1_000)).unwrap().held_tokens().1;
    assert_eq!(got(Demand::none()), 39, "the process's");
    assert_eq!(got(Demand::none().provider(provider)), 20, "a rate of output");
    assert_eq!(got(Demand::none().provider(provider).model(model)), 14, "a rate of all tokens");
    enforcer.set_process(&ProcessPolicy::default()).unwrap();
    assert_eq!(got(Demand::none()), 49, "the tenant's");
    enforcer.set_tenant("tenant", TenantPolicy::default()).unwrap();
    assert_eq!(got(Demand::none()), 59, "the parent's");
    parent.set_limits(unlimited()).unwrap();
    assert_eq!(got(Demand::none()), 69, "its own");
}

#[test]
fn a_check_says_what_a_reserve_would() {
    let run = run(tokens(100));
    assert!(!run.check(Demand::none().tokens_up_to(99, 1_000)).is_blocked());
    assert!(run.check(Demand::none().tokens_up_to(100, 1_000)).is_blocked());
}

#[test]
fn a_hold_grows_by_what_is_left() {
    let run = run(tokens(100));
    let mut hold = run.reserve(Demand::none().tokens(10, 20)).unwrap();
    hold.extend(Demand::none().tokens_up_to(0, 256)).unwrap();
    assert_eq!(hold.held_tokens(), (10, 90));
    assert!(hold.extend(Demand::none().tokens_up_to(0, 256)).is_err(), "stop now");
}

#[test]
fn t1_threads_that_take_what_is_left_take_all_of_it_and_no_more() {
    let run = run_on(&noon(), tokens(1_000), disabled());
    let got: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..16)
            .map(|number| {
                let run = &run;
                scope.spawn(move || {
                    let mut got = 0;
                    while let Ok(hold) = run.reserve(Demand::none().tokens_up_to(0, 7 + number)) {
                        let (_, output) = hold.held_tokens();
                        hold.settle(Actual::tokens(0, output));
                        got += output;
                    }
                    got
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!((got, run.snapshot().total_tokens), (1_000, 1_000));
}

#[test]
fn one_that_waits_takes_what_is_left_when_it_is_its_turn() {
    let time = noon();
    let run = run_on(&time, tokens(100), disabled());
    let held = run.reserve(Demand::none().tokens(100, 0)).unwrap();
    let mut waiting = run.wait_for(Demand::none().tokens_up_to(10, 500));
    let waker = std::task::Waker::noop();
    assert!(waiting.poll_at(waker, time.now()).is_pending());
    held.settle(Actual::tokens(60, 0));
    let std::task::Poll::Ready(Ok(hold)) = waiting.poll_at(waker, time.now()) else { panic!("there is room") };
    assert_eq!(hold.held_tokens(), (10, 30));
}

#[test]
fn what_a_rate_would_only_have_observed_makes_nothing_less() {
    let actions = LimitActions { rate: Action::Observe, ..LimitActions::default() };
    let policy = EnforcementPolicy { actions, ..EnforcementPolicy::default() };
    let rate = RateLimit::provider(RateUnit::OutputTokens, 20, RatePeriod::Minute);
    let enforcer = builder(&noon()).policy(policy).rate(rate).build().unwrap();
    let run = crate::common::register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("provider").unwrap());
    assert_eq!(run.reserve(demand.tokens_up_to(0, 100)).unwrap().held_tokens(), (0, 100));
}

#[test]
fn what_is_left_of_a_budget_is_that_of_its_period_and_of_a_hold_that_of_its_own() {
    let time = noon();
    let budgets = vec![Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Day)];
    let enforcer = builder(&time).tenant(TenantPolicy { budgets, ..Default::default() }).build().unwrap();
    let run = crate::common::register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(50, 0));
    let mut hold = run.reserve(Demand::step().tokens_up_to(0, 30)).unwrap();
    assert_eq!(run.reserve(Demand::step().tokens_up_to(0, 100)).unwrap().held_tokens(), (0, 20));
    crate::common::pass(&time, crate::common::DAY);
    hold.extend(Demand::none().tokens_up_to(0, 100)).unwrap();
    assert_eq!(hold.held_tokens(), (0, 50), "of the day before");
    assert_eq!(run.reserve(Demand::step().tokens_up_to(0, 1_000)).unwrap().held_tokens(), (0, 100));
}

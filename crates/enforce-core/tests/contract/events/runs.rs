//! Runs of refusals: one event when a run begins, one with its count when it ends.

use std::task::Poll;
use std::time::Duration;

use enforce_core::{
    Action, Actual, Demand, EventKind, LongRunningExecutionPolicy, ModelKey, ProviderPolicy, RateLimit, RatePeriod,
    RateUnit, ResourceLimits, Retry, ViolationType,
};

use crate::common::{SECOND, disabled, kind, nano, noon, pass, register, unlimited};
use crate::limits::all;

use super::{cleared, heard, heard_at, names};

#[test]
fn a_run_ends_when_the_limit_lets_something_through_that_asks_of_it() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    for _ in 0..4 {
        assert!(run.reserve(Demand::step().tokens(11, 0)).is_err());
        drop(run.reserve(Demand::step()).unwrap()); // asks no tokens
    }
    assert_eq!(names(&events.drain()), ["registered", "blocked"]);
    drop(run.reserve(Demand::step().tokens(1, 0)).unwrap());
    let told = events.drain();
    assert_eq!((names(&told), cleared(&told)), (vec!["cleared"], vec![(ViolationType::TokenLimit, 4)]));
    assert!(run.reserve(Demand::step().tokens(12, 0)).is_err());
    let told = events.drain();
    assert!(matches!(told[0].kind, EventKind::Blocked { violation } if violation.asked == 12), "a new run");
}

#[test]
fn the_last_refusal_and_the_number_of_the_first_stand_at_the_end() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    for asked in 11..=13 {
        assert!(run.reserve(Demand::step().tokens(asked, 0)).is_err());
    }
    drop(run.reserve(Demand::step().tokens(1, 0)).unwrap());
    let told = events.drain();
    let EventKind::Cleared { violation, count, since } = told[2].kind else { panic!("{told:?}") };
    assert_eq!((violation.asked, count, since), (13, 3, told[1].sequence));
}

#[test]
fn interleaved_limits_are_counted_apart() {
    let limits = ResourceLimits { max_tokens: 10, max_memory_mb: Some(1), ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    let (tokens, memory) = (Demand::step().tokens(11, 0), Demand::step().memory_bytes(1 << 21));
    for demand in [tokens, memory, tokens, memory, tokens] {
        assert!(run.reserve(demand).is_err());
    }
    drop(run.reserve(Demand::step().memory_bytes(1)).unwrap());
    assert!(run.reserve(tokens).is_err());
    run.finish();
    let told = events.drain();
    assert_eq!(names(&told), ["registered", "blocked", "blocked", "cleared", "cleared", "ended"]);
    assert_eq!(cleared(&told), [(ViolationType::MemoryLimit, 2), (ViolationType::TokenLimit, 4)]);
}

#[test]
fn what_asks_nothing_and_meets_debt_is_over_with_whatever_comes_through() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(20, 0));
    assert!(run.reserve(Demand::step()).is_err());
    run.set_limits(ResourceLimits { max_tokens: 100, ..unlimited() }).unwrap();
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(cleared(&events.drain()), [(ViolationType::TokenLimit, 1)]);
}

#[test]
fn a_rate_that_refuses_is_told_by_its_key() {
    let time = noon();
    let provider = ProviderPolicy { requests_per_minute: Some(60), request_burst: Some(1), ..Default::default() };
    let model = RateLimit::model(RateUnit::Requests, 60, RatePeriod::Minute).burst(1);
    let (enforcer, events) = heard_at(&time, unlimited(), |builder| builder.provider(provider).rate(model));
    let run = register(&enforcer, "exec", "tenant");
    let [one, other] = ["one", "other"].map(|name| Demand::step().provider(enforcer.provider(name).unwrap()));
    drop(run.reserve(one).unwrap());
    for _ in 0..3 {
        assert!(run.reserve(one).is_err());
    }
    drop(run.reserve(other).unwrap());
    assert_eq!(names(&events.drain()), ["registered", "blocked"], "the other says nothing of the one");
    let small: ModelKey = enforcer.model("small").unwrap();
    drop(run.reserve(Demand::step().model(small)).unwrap());
    assert!(run.reserve(Demand::step().model(small)).is_err());
    pass(&time, SECOND);
    drop(run.reserve(one).unwrap());
    assert_eq!(cleared(&events.drain()), [(ViolationType::RateLimit, 3)]);
    drop(run.reserve(Demand::step().model(small)).unwrap());
    assert_eq!(cleared(&events.drain()), [(ViolationType::RateLimit, 1)]);
}

#[test]
fn a_state_refuses_in_a_run_of_its_own_until_it_is_over() {
    let (enforcer, events) = heard(unlimited(), |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    run.pause("look");
    for _ in 0..3 {
        assert!(run.reserve(Demand::step()).is_err());
    }
    run.approve(&run.pause_ticket().unwrap(), enforce_core::Approval::new("ada", "fine")).unwrap();
    drop(run.reserve(Demand::step()).unwrap());
    let told = events.drain();
    assert_eq!(names(&told), ["registered", "paused", "blocked", "approved", "cleared"]);
    assert_eq!(cleared(&told), [(ViolationType::Paused, 3)]);
}

#[test]
fn who_is_refused_behind_the_end_is_counted_when_its_last_handle_goes() {
    let (enforcer, events) = heard(unlimited(), |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    run.finish();
    for _ in 0..3 {
        assert!(run.reserve(Demand::step()).is_err());
    }
    assert_eq!(names(&events.drain()), ["registered", "ended", "blocked"]);
    drop(run);
    drop(enforcer);
    assert_eq!(cleared(&events.drain()), [(ViolationType::Closed, 3)]);
}

#[test]
fn the_last_handle_of_the_enforcer_ends_every_run() {
    let limits = ResourceLimits { max_tokens: 10, max_concurrent_executions: Some(1), ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.reserve(Demand::step().tokens(11, 0)).is_err());
    assert!(enforcer.execution("more", "tenant").register().is_err());
    assert!(enforcer.reserve("nobody", Demand::step()).is_err());
    events.drain().clear();
    drop(enforcer);
    let over = cleared(&events.drain());
    let expected = [ViolationType::TokenLimit, ViolationType::ConcurrencyLimit, ViolationType::UnknownExecution]
        .map(|kind| (kind, 1));
    assert_eq!(over, expected);
    assert!(run.reserve(Demand::step().tokens(11, 0)).is_err());
    assert_eq!(names(&events.drain()), ["blocked"], "its handle goes on telling");
}

#[test]
fn waiting_is_no_refusal_until_it_comes_to_nothing() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(Demand::step().tokens(10, 0)).unwrap();
    events.drain().clear();
    let (waker, now) = (std::task::Waker::noop(), enforcer.clock().now());
    let mut waiting = run.wait_for(Demand::step().tokens(5, 0));
    for _ in 0..3 {
        assert!(waiting.poll_at(waker, now).is_pending());
    }
    assert_eq!(names(&events.drain()), Vec::<&str>::new());
    drop(hold);
    assert!(waiting.poll_at(waker, now).is_ready());
    assert_eq!(names(&events.drain()), Vec::<&str>::new());
    let refused = run.reserve_within(Demand::step().tokens(11, 0), Duration::MAX).unwrap_err();
    assert_eq!(refused.retry, Retry::Never);
    assert!(run.reserve_within(Demand::step().tokens(10, 0), Duration::ZERO).is_ok());
    let told = events.drain();
    assert_eq!(cleared(&told), [(ViolationType::TokenLimit, 1)]);
    let _held = run.reserve(Demand::step().tokens(10, 0)).unwrap();
    assert!(run.reserve_within(Demand::step().tokens(1, 0), Duration::ZERO).is_err());
    assert_eq!(names(&events.drain()).last(), Some(&"blocked"), "the time was over");
}

#[test]
fn a_poll_that_may_wait_tells_what_is_pointless_alone() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    let polled = |tokens| run.poll_owned(&Demand::step().tokens(tokens, 0), || Poll::Pending);
    let held = polled(10);
    assert!(matches!(held, Poll::Ready(Ok(_))));
    events.drain().clear();
    assert!(polled(5).is_pending());
    assert_eq!(names(&events.drain()), Vec::<&str>::new());
    assert!(matches!(polled(11), Poll::Ready(Err(refused)) if refused.retry == Retry::Never));
    assert_eq!(names(&events.drain()), ["blocked"]);
}

#[test]
fn a_demand_for_what_is_left_is_refused_once() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    let _all = run.reserve(Demand::step().tokens_up_to(0, 100)).unwrap();
    events.drain().clear();
    assert!(run.reserve(Demand::step().tokens_up_to(0, 100)).is_err());
    run.finish();
    assert_eq!(cleared(&events.drain()), [(ViolationType::TokenLimit, 1)]);
}

#[test]
fn a_question_is_no_event() {
    let (enforcer, events) = heard(ResourceLimits { max_steps: 0, ..unlimited() }, |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    events.drain().clear();
    assert!(run.check(Demand::step()).is_blocked());
    assert!(events.is_empty());
}

#[test]
fn a_run_goes_on_while_what_comes_through_asks_nothing_of_its_limit() {
    let limits = ResourceLimits { max_steps: 10, max_memory_mb: Some(1), max_cost_usd: Some(nano(10)), ..unlimited() };
    let long_running = LongRunningExecutionPolicy { max_discovered_steps: Some(10), ..disabled() };
    let (enforcer, events) = heard(limits, |builder| {
        builder.long_running(long_running).policy(all(Action::Refuse)).allowance("search", 10).allowance("mail", 10)
    });
    let run = register(&enforcer, "exec", "tenant");
    let [search, mail] = ["search", "mail"].map(|name| enforcer.allowance(name).unwrap());
    let none = Demand::none().tokens(1, 0);
    let asks = |units: u64| {
        [
            (ViolationType::StepLimit, none.steps(units)),
            (ViolationType::MemoryLimit, none.memory_bytes(units << 19)),
            (ViolationType::CostLimit, none.cost(nano(units))),
            (ViolationType::DiscoveredStepLimit, none.discovered_steps(units)),
            (ViolationType::AllowanceLimit, none.allowance_units(search, units)),
        ]
    };
    for ((limit, above), (_, within)) in asks(11).into_iter().zip(asks(1)) {
        assert_eq!(kind(run.reserve(above)), Some(limit));
        events.drain().clear();
        drop(run.reserve(none.allowance_units(mail, 1)).unwrap());
        assert_eq!(cleared(&events.drain()), [], "{limit}");
        drop(run.reserve(within).unwrap());
        assert_eq!(cleared(&events.drain()), [(limit, 1)]);
    }
}

#[test]
fn a_run_of_the_same_step_is_over_with_a_step_that_has_a_fingerprint() {
    let long_running = LongRunningExecutionPolicy { max_same_step_repetitions: Some(2), ..disabled() };
    let (enforcer, events) =
        heard(unlimited(), |builder| builder.long_running(long_running).policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    let again = [(); 2].map(|()| run.reserve(Demand::step().fingerprint(1)).is_ok());
    assert_eq!(again, [true, false]);
    events.drain().clear();
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(cleared(&events.drain()), []);
    drop(run.reserve(Demand::step().fingerprint(2)).unwrap());
    assert_eq!(cleared(&events.drain()), [(ViolationType::SameStepLoop, 1)]);
}

#[test]
fn what_was_observed_is_over_once_nothing_is_observed_any_more() {
    let limits = ResourceLimits { max_memory_mb: Some(1), ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Observe)));
    let run = register(&enforcer, "exec", "tenant");
    for _ in 0..2 {
        assert!(run.reserve(Demand::step().memory_bytes(1 << 21)).unwrap().observed().is_some());
    }
    assert_eq!(names(&events.drain()), ["registered", "observed"]);
    drop(run.reserve(Demand::step().memory_bytes(1)).unwrap());
    assert_eq!(cleared(&events.drain()), [(ViolationType::MemoryLimit, 2)]);
}

#[test]
fn refusals_by_two_keys_of_a_rate_are_two_runs() {
    let provider = ProviderPolicy { requests_per_minute: Some(60), request_burst: Some(1), ..Default::default() };
    let model = RateLimit::model(RateUnit::Requests, 60, RatePeriod::Minute).burst(1);
    let (enforcer, events) = heard(unlimited(), |builder| builder.provider(provider).rate(model));
    let run = register(&enforcer, "exec", "tenant");
    let providers = ["one", "other"].map(|name| Demand::step().provider(enforcer.provider(name).unwrap()));
    let models = ["small", "large"].map(|name| Demand::step().model(enforcer.model(name).unwrap()));
    events.drain().clear();
    for keys in [providers, models] {
        let first = keys.map(|key| run.reserve(key).is_ok());
        let again = keys.map(|key| run.reserve(key).is_ok());
        assert_eq!((first, again), ([true; 2], [false; 2]));
        assert_eq!(names(&events.drain()), ["blocked", "blocked"]);
    }
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(cleared(&events.drain()), [], "no key");
}

#[test]
fn an_extension_by_what_is_left_is_refused_once() {
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder.policy(all(Action::Refuse)));
    let run = register(&enforcer, "exec", "tenant");
    let mut hold = run.reserve(Demand::step().tokens(10, 0)).unwrap();
    assert!(hold.extend(Demand::none().tokens_up_to(0, 100)).is_err());
    drop(hold);
    run.finish();
    assert_eq!(cleared(&events.drain()), [(ViolationType::TokenLimit, 1)]);
}

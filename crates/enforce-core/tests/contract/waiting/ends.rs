//! When waiting is pointless, or over.

use enforce_core::{
    Actual, Approval, Demand, LongRunningExecutionPolicy, ResourceLimits, Retry, TenantPolicy, ViolationType,
};

use super::{Waiter, of, tokens};
use crate::common::{SECOND, builder, disabled, kind, nano, noon, pass, register, run_on, unlimited};

#[test]
fn what_never_fits_is_refused_at_once() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    assert_eq!(Waiter::of(&run, &time, of(11)).poll().and_then(kind), Some(ViolationType::TokenLimit));
    assert_eq!(run.waiting_count(), 0);
}

#[test]
fn what_is_admitted_at_once_never_waits() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    assert!(Waiter::of(&run, &time, of(10)).poll().is_some_and(|ended| ended.is_ok()));
    assert_eq!(run.waiting_count(), 0);
}

#[test]
fn the_end_of_its_time_ends_the_waiting_of_everyone() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 4_000, ..tokens(10) };
    let run = run_on(&time, limits, disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut first = Waiter::begin(&run, &time, of(1));
    let mut second = Waiter::begin(&run, &time, of(1));
    let end = run.started_at().saturating_add(std::time::Duration::from_secs(5)); // and the grace
    assert_eq!((first.waiting.wake_at(), second.waiting.wake_at()), (Some(end), Some(end)));
    pass(&time, 5 * SECOND);
    assert_eq!(second.poll().and_then(kind), Some(ViolationType::WallTimeLimit));
    assert_eq!(first.poll().and_then(kind), Some(ViolationType::Halted));
    drop(held);
}

#[test]
fn a_pause_is_waited_out_whatever_time_is_over_meanwhile() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 4_000, ..tokens(10) };
    let run = run_on(&time, limits, disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut first = Waiter::begin(&run, &time, of(1));
    let mut second = Waiter::begin(&run, &time, of(1));
    run.pause("look at it");
    pass(&time, 6 * SECOND); // a second past the deadline
    assert!(first.poll().is_none() && second.poll().is_none());
    assert_eq!((first.waiting.wake_at(), second.waiting.wake_at()), (None, None), "nothing comes by itself");
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    assert!(first.rung() > 0 && second.rung() > 0);
    assert_eq!(second.poll().and_then(kind), Some(ViolationType::WallTimeLimit));
    assert_eq!(first.poll().and_then(kind), Some(ViolationType::Halted));
    drop(held);
}

#[test]
fn to_wait_is_no_activity() {
    let time = noon();
    let tenant = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let enforcer = builder(&time).tenant(tenant).long_running(idle).build().unwrap();
    let (run, other) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "other", "tenant"));
    let held = other.reserve(Demand::none().cost(nano(10))).unwrap();
    let mut waiter = Waiter::begin(&run, &time, Demand::none().cost(nano(1)));
    pass(&time, 10 * SECOND);
    assert_eq!(waiter.poll().and_then(kind), Some(ViolationType::IdleTimeout));
    drop(held);
}

#[test]
fn one_more_than_may_wait_is_refused_as_if_it_did_not() {
    let time = noon();
    let enforcer = builder(&time).limits(tokens(10)).max_waiters(1).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let held = run.reserve(of(10)).unwrap();
    let waiter = Waiter::begin(&run, &time, of(1));
    let refused = Waiter::of(&run, &time, of(1)).poll().unwrap().unwrap_err();
    assert_eq!(refused.retry, Retry::WhenFreed);
    drop(waiter);
    let mut waiter = Waiter::begin(&run, &time, of(1));
    drop(held);
    drop(waiter.admitted());
    assert_eq!(enforcer.waiting_count(), 0);
}

#[test]
fn a_waiter_that_was_served_may_wait_again() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = Waiter::begin(&run, &time, of(6));
    drop(held);
    let six = waiter.admitted();
    assert!(waiter.poll().is_none());
    drop(six);
    drop(waiter.admitted());
}

#[test]
fn debt_is_waited_for_by_those_who_ask_nothing_as_well() {
    let time = noon();
    let run = run_on(&time, ResourceLimits { max_memory_mb: Some(1), ..unlimited() }, disabled());
    let held = run.reserve(Demand::none().memory_bytes(1 << 20)).unwrap();
    run.set_limits(ResourceLimits { max_memory_mb: Some(0), ..unlimited() }).unwrap();
    let mut waiter = Waiter::begin(&run, &time, Demand::step());
    drop(held);
    drop(waiter.admitted());
    run.charge(Actual::none());
}

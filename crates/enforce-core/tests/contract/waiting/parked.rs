//! Threads that wait: `reserve_within`.

use std::sync::atomic::{self, Ordering};
use std::thread;
use std::time::Duration;

use enforce_core::{Cause, Demand, Execution, RateLimit, RateOn, RatePeriod, RateUnit, Retry, ViolationType};

use super::{of, tokens};
use crate::common::{builder, disabled, kind, noon, register, run_on};

const LONG: Duration = Duration::from_secs(3_600);

/// Lets others run until so many demands wait.
fn until_waiting(run: &Execution, count: u64) {
    while run.waiting_count() != count {
        thread::yield_now();
    }
}

#[test]
fn a_thread_is_parked_until_there_is_room() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| run.reserve_within(of(4), LONG).map(|hold| hold.warning().is_some()));
        until_waiting(&run, 1);
        drop(held);
        assert_eq!(waiter.join().unwrap(), Ok(false));
    });
    assert_eq!(run.waiting_count(), 0);
}

#[test]
fn a_thread_gives_up_at_the_very_moment_and_leaves_the_line() {
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| run.reserve_within(of(4), LONG).map(drop));
        until_waiting(&run, 1);
        time.advance(LONG - Duration::from_nanos(1));
        thread::yield_now();
        assert!(!waiter.is_finished(), "a nanosecond is left");
        time.advance(Duration::from_nanos(1));
        let refused = waiter.join().unwrap().unwrap_err();
        assert_eq!((refused.violation_type, refused.retry), (ViolationType::TokenLimit, Retry::WhenFreed));
    });
    drop(held);
    assert!(run.reserve(of(10)).is_ok(), "nobody waits any more");
}

#[test]
fn a_thread_that_waits_for_a_rate_is_woken_when_it_refills() {
    let time = noon();
    let (on, unit, per) = (RateOn::Provider, RateUnit::Requests, RatePeriod::Minute);
    let limit = RateLimit { on, name: None, unit, limit: 6, per, burst: Some(1) };
    let enforcer = builder(&time).rate(limit).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::none().provider(enforcer.provider("provider").unwrap());
    drop(run.reserve(demand).unwrap());
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| run.reserve_within(demand, LONG).is_ok())).collect();
        for left in (0..3).rev() {
            until_waiting(&run, left + 1);
            time.advance(Duration::from_secs(10));
            until_waiting(&run, left);
        }
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
    });
}

#[test]
fn a_time_of_zero_asks_once() {
    let run = run_on(&noon(), tokens(10), disabled());
    let held = run.reserve(of(10)).unwrap();
    assert!(run.reserve_within(of(1), Duration::ZERO).is_err());
    drop(held);
    assert!(run.reserve_within(of(1), Duration::ZERO).is_ok());
}

#[test]
fn an_endless_time_ends_where_waiting_is_pointless() {
    let run = run_on(&noon(), tokens(10), disabled());
    assert_eq!(kind(run.reserve_within(of(11), Duration::MAX)), Some(ViolationType::TokenLimit));
    let held = run.reserve(of(10)).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| kind(run.reserve_within(of(1), Duration::MAX)));
        until_waiting(&run, 1);
        run.halt(Cause::own(ViolationType::Requested));
        assert_eq!(waiter.join().unwrap(), Some(ViolationType::Halted));
    });
    drop(held);
}

#[test]
#[expect(clippy::disallowed_types, reason = "what threads have done is told by a number")]
fn w1_of_many_threads_that_wait_none_is_forgotten_and_no_limit_passed() {
    // Miri takes its time.
    const THREADS: u64 = if cfg!(miri) { 4 } else { 64 };
    const ROUNDS: u64 = if cfg!(miri) { 16 } else { 50 };
    let run = run_on(&noon(), tokens(100), disabled());
    let (inside, most) = (atomic::AtomicU64::new(0), atomic::AtomicU64::new(0));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (run, inside, most) = (&run, &inside, &most);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    // Large ones among small ones.
                    let amount = if (number + round) % 16 == 0 { 100 } else { 1 + (number * round) % 30 };
                    let hold = run.reserve_owned_within(of(amount), LONG).unwrap();
                    most.fetch_max(inside.fetch_add(amount, Ordering::AcqRel) + amount, Ordering::AcqRel);
                    thread::yield_now();
                    inside.fetch_sub(amount, Ordering::AcqRel);
                    drop(hold);
                }
            });
        }
    });
    assert!(most.into_inner() <= 100, "T1");
    assert_eq!((run.waiting_count(), run.snapshot().outstanding.tokens), (0, 0));
    assert!(run.reserve(of(100)).is_ok(), "T4");
}

#[test]
#[expect(clippy::disallowed_types, reason = "what threads have done is told by a number")]
fn w1_of_many_threads_that_wait_and_give_up_none_leaves_anything_behind() {
    const THREADS: u64 = if cfg!(miri) { 4 } else { 32 };
    const ROUNDS: u64 = if cfg!(miri) { 10 } else { 50 };
    let time = noon();
    let run = run_on(&time, tokens(10), disabled());
    let admitted = atomic::AtomicU64::new(0);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..THREADS)
            .map(|number| {
                let (run, admitted) = (&run, &admitted);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let within = Duration::from_nanos(1 + number % 7);
                        if let Ok(hold) = run.reserve_within(of(1 + number % 10), within) {
                            admitted.fetch_add(1, Ordering::Relaxed);
                            drop(hold);
                        }
                    }
                })
            })
            .collect();
        while waiters.iter().any(|waiter| !waiter.is_finished()) {
            time.advance(Duration::from_nanos(1));
            thread::yield_now();
        }
    });
    assert!(admitted.into_inner() > 0);
    assert_eq!((run.waiting_count(), run.snapshot().outstanding.tokens), (0, 0));
    assert!(run.reserve(of(10)).is_ok(), "T4");
}

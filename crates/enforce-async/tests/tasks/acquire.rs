//! `acquire`: in order (F1), woken by whatever helps (W1), and without a timer where time does not.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use enforce_async::{
    Clock, Demand, Enforcer, EventKind, ExecutionExt, RateLimit, RateOn, RatePeriod, RateUnit, ResourceLimits, Retry,
    TimeSource, Timestamp, TokioClock, ViolationType, drive,
};
use enforce_core::EventBuffer;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, advance, sleep};

use crate::common::{Bell, ByHand, REQUESTED, SECOND, builder, kind, of, register, run_of, since_noon, tokens, wall};

#[test]
fn what_is_admitted_at_once_needs_no_runtime() {
    let run = run_of(tokens(10));
    assert!(ByHand::new(run.acquire(of(10)).within(SECOND)).poll().is_some_and(|ended| ended.is_ok()));
    assert_eq!(run.waiting_count(), 0);
}

#[test]
fn what_waits_for_others_alone_needs_no_runtime() {
    let run = run_of(tokens(10));
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = ByHand::new(run.acquire(of(4)));
    assert!(waiter.poll().is_none());
    drop(held);
    assert_eq!(waiter.bell.rung(), 1);
    assert!(waiter.poll().is_some_and(|ended| ended.is_ok()));
}

#[test]
fn what_never_fits_is_refused_at_once() {
    let run = run_of(tokens(10));
    let refused = ByHand::new(run.acquire(of(11))).poll().unwrap().unwrap_err();
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::TokenLimit, Retry::Never));
}

#[test]
fn who_waits_is_no_refusal_that_is_told() {
    let events = EventBuffer::new(10);
    let enforcer = Enforcer::builder().limits(tokens(10)).events(events.clone()).build().unwrap();
    let run = register(&enforcer, "exec");
    let held = run.reserve(of(10)).unwrap();
    let mut waiter = ByHand::new(run.acquire(of(4)));
    assert!(waiter.poll().is_none());
    drop(held);
    assert!(waiter.poll().is_some_and(|ended| ended.is_ok()));
    let told = events.drain();
    assert!(!told.iter().any(|event| matches!(event.kind, EventKind::Blocked { .. })), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn f1_a_demand_of_ten_thousand_is_served_in_its_turn_among_thousands_of_one() {
    const SMALL: u64 = 2_000;
    let run = run_of(tokens(10_000));
    let held = run.reserve_owned(of(10_000)).unwrap();
    let (served, mut order) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for number in 0..=2 * SMALL {
        let (run, served) = (run.clone(), served.clone());
        tasks.spawn(async move {
            let hold = run.acquire(of(if number == SMALL { 10_000 } else { 1 })).await.unwrap();
            served.send(number).unwrap();
            sleep(SECOND).await;
            drop(hold);
        });
    }
    drop(served);
    let begun = Instant::now();
    while run.waiting_count() <= 2 * SMALL {
        yield_now().await;
    }
    assert_eq!(kind(run.reserve(of(1))), Some(ViolationType::TokenLimit));
    drop(held);
    while tasks.join_next().await.is_some() {}
    for number in 0..=2 * SMALL {
        assert_eq!(order.recv().await, Some(number));
    }
    assert_eq!(begun.elapsed(), 3 * SECOND, "the small ones before it, it, and those behind it");
    assert_eq!((run.waiting_count(), run.snapshot().outstanding.tokens), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn w1_who_waits_for_a_rate_is_woken_at_the_very_instant() {
    let (on, unit, per) = (RateOn::Provider, RateUnit::Requests, RatePeriod::Minute);
    let limit = RateLimit { on, name: None, unit, limit: 6, per, burst: Some(1) };
    let enforcer = builder().rate(limit).build().unwrap();
    let run = register(&enforcer, "exec");
    let demand = Demand::none().provider(enforcer.provider("provider").unwrap());
    let begun = Instant::now();
    for seconds in [0, 10, 20, 30] {
        drop(run.acquire(demand).await.unwrap());
        assert_eq!(begun.elapsed(), Duration::from_secs(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn w1_the_end_of_the_wall_time_is_told_at_the_very_instant() {
    let run = run_of(ResourceLimits { max_tokens: 10, ..wall(4_000) });
    let _held = run.reserve(of(10)).unwrap();
    let begun = Instant::now();
    let (first, second) = tokio::join!(run.acquire(of(1)), run.acquire(of(1)));
    assert_eq!(begun.elapsed(), 5 * SECOND); // and the grace
    // Whoever looks first halts it.
    let mut told = [kind(first), kind(second)];
    told.sort_by_key(|kind| *kind == Some(ViolationType::Halted));
    assert_eq!(told, [Some(ViolationType::WallTimeLimit), Some(ViolationType::Halted)]);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_at_the_very_instant_with_the_last_refusal_and_leaves_the_line() {
    let run = run_of(tokens(10));
    let held = run.reserve_owned(of(10)).unwrap();
    let begun = Instant::now();
    let refused = run.acquire(of(4)).within(3 * SECOND).await.unwrap_err();
    assert_eq!(begun.elapsed(), 3 * SECOND);
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::TokenLimit, Retry::WhenFreed));
    assert_eq!(run.waiting_count(), 0);
    drop(held);
    assert!(run.reserve(of(10)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_time_of_zero_asks_once_and_an_endless_one_waits() {
    let run = run_of(tokens(10));
    let held = run.reserve_owned(of(10)).unwrap();
    assert!(ByHand::new(run.acquire(of(1)).within(Duration::ZERO)).poll().is_some_and(|ended| ended.is_err()));
    let mut endless = ByHand::new(run.acquire(of(1)).within(Duration::MAX));
    assert!(endless.poll().is_none());
    drop(held);
    assert!(endless.poll().is_some_and(|ended| ended.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn no_timer_is_set_where_time_does_not_help_and_none_is_left() {
    let run = run_of(tokens(10));
    let held = run.reserve_owned(of(10)).unwrap();
    let mut patient = ByHand::new(run.acquire(of(2)));
    let mut hasty = ByHand::new(run.acquire(of(2)).within(10 * SECOND));
    let dropped = ByHand::new(run.acquire(of(2)).within(10 * SECOND));
    let bell = Arc::clone(&dropped.bell);
    assert!(patient.poll().is_none() && hasty.poll().is_none());
    drop(dropped);
    drop(held);
    patient.bell.rung();
    let _holds = (patient.poll().unwrap().unwrap(), hasty.poll().unwrap().unwrap());
    hasty.bell.rung();
    advance(3_600 * SECOND).await;
    assert_eq!((patient.bell.rung(), hasty.bell.rung(), bell.rung()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn w1_a_timer_that_moves_is_followed() {
    let run = run_of(ResourceLimits { max_tokens: 10, ..wall(4_000) });
    let _held = run.reserve_owned(of(10)).unwrap();
    let begun = Instant::now();
    let waiter = tokio::spawn({
        let run = run.clone();
        async move { kind(run.acquire(of(1)).await) }
    });
    sleep(SECOND).await;
    run.set_limits(ResourceLimits { max_tokens: 10, ..wall(7_000) }).unwrap();
    assert_eq!(waiter.await.unwrap(), Some(ViolationType::WallTimeLimit));
    assert_eq!(begun.elapsed(), 8 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn w1_a_halt_ends_all_waiting() {
    let run = run_of(tokens(10));
    let _held = run.reserve_owned(of(10)).unwrap();
    let mut tasks = JoinSet::new();
    for amount in 1..=8 {
        let run = run.clone();
        tasks.spawn(async move { kind(run.acquire(of(amount)).await) });
    }
    sleep(SECOND).await;
    run.halt(REQUESTED);
    while let Some(ended) = tasks.join_next().await {
        assert_eq!(ended.unwrap(), Some(ViolationType::Halted));
    }
    assert_eq!(run.waiting_count(), 0);
}

/// Counts how often somebody asks for the time: whoever looks in vain does.
#[derive(Clone)]
struct Counting(TokioClock, Arc<Bell>);

impl TimeSource for Counting {
    fn now(&self) -> Timestamp {
        Waker::from(Arc::clone(&self.1)).wake();
        self.0.now()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_polled_while_time_passes() {
    let clock = Counting(since_noon(), Arc::default());
    let limits = ResourceLimits { max_tokens: 10, ..wall(7_200_000) };
    let enforcer = Enforcer::builder().limits(limits).clock(Clock::custom(clock.clone())).build().unwrap();
    let _driven = drive(&enforcer);
    let run = register(&enforcer, "exec");
    let deadline = run.clock().now().saturating_add(SECOND * 3_600);
    let _held = run.reserve_owned(of(10)).unwrap().with_deadline(deadline).unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let run = run.clone();
        tasks.spawn(async move {
            let waits = async { run.acquire(of(10)).within(SECOND * (1_000 + number)).await.is_ok() };
            run.run(waits).await
        });
    }
    sleep(SECOND).await;
    assert!(clock.1.rung() > 0);
    sleep(998 * SECOND).await;
    assert_eq!(clock.1.rung(), 0, "nothing was due");
    for _ in 0..10 {
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), Ok(false));
        clock.1.rung();
    }
    sleep(2_000 * SECOND).await;
    assert_eq!(clock.1.rung(), 0, "and no timer is left");
}

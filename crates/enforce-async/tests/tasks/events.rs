//! Events as a stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use enforce_async::{Enforcer, EventBroadcast, EventKind, EventLag, EventStream, ExecutionExt, Stream, drive};
use tokio::time::{advance, timeout};

use crate::common::{ByHand, REQUESTED, SECOND, builder, of, register, tokens};

async fn next(heard: &mut EventStream) -> Option<Result<u64, EventLag>> {
    let event = poll_fn(|context| Pin::new(&mut *heard).poll_next(context)).await?;
    Some(event.map(|event| event.sequence))
}

async fn all(heard: &mut EventStream) -> Vec<Result<u64, EventLag>> {
    let mut all = Vec::new();
    while let Some(event) = next(heard).await {
        all.push(event);
    }
    all
}

/// An enforcer with that sink, and `lives` executions that came and went: two events each.
fn told(events: EventBroadcast, lives: usize) -> Enforcer {
    let enforcer = builder().events(events).build().unwrap();
    (0..lives).for_each(|_| drop(register(&enforcer, "exec").finish()));
    enforcer
}

#[tokio::test(start_paused = true)]
async fn v1_each_subscriber_hears_of_everything_in_the_order_of_its_number() {
    let events = EventBroadcast::new(64);
    let (mut one, mut other) = (events.subscribe(), events.subscribe());
    drop(told(events, 3));
    assert_eq!(all(&mut one).await, (1..=6).map(Ok).collect::<Vec<_>>());
    assert_eq!(all(&mut other).await, (1..=6).map(Ok).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_is_told_how_many_it_has_missed_and_hears_the_rest() {
    let events = EventBroadcast::new(4);
    let mut slow = events.subscribe();
    drop(told(events, 5));
    let heard = all(&mut slow).await;
    assert_eq!(heard.first().and_then(|first| first.err()).map(|lag| lag.missed), Some(6));
    assert_eq!(heard[1..], [Ok(7), Ok(8), Ok(9), Ok(10)]);
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_later_hears_of_what_comes_later() {
    let events = EventBroadcast::new(4);
    let enforcer = told(events.clone(), 1);
    let mut late = events.subscribe();
    register(&enforcer, "late");
    assert_eq!(next(&mut late).await, Some(Ok(3)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_enforcer() {
    let events = EventBroadcast::new(4);
    let mut heard = events.subscribe();
    drop(told(events, 0));
    assert_eq!(next(&mut heard).await, None);
}

#[test]
fn no_capacity_is_too_small_or_too_large() {
    for capacity in [0, usize::MAX] {
        let events = EventBroadcast::new(capacity);
        let _heard = events.subscribe();
        assert_eq!(told(events, 1).dropped_events(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_enforcer_though_its_deadlines_are_kept() {
    let events = EventBroadcast::new(4);
    let mut heard = events.subscribe();
    let enforcer = told(events, 0);
    let _driven = drive(&enforcer);
    tokio::task::yield_now().await;
    drop(enforcer);
    assert_eq!(timeout(SECOND, next(&mut heard)).await, Ok(None));
}

/// What was told of refusals: where one began, and how many there were when it was over.
async fn refusals(heard: &mut EventStream) -> Vec<u64> {
    let mut told = Vec::new();
    while let Some(event) = poll_fn(|context| Pin::new(&mut *heard).poll_next(context)).await {
        match event.unwrap().kind {
            EventKind::Blocked { .. } => told.push(0),
            EventKind::Cleared { count, .. } => told.push(count),
            _ => {}
        }
    }
    told
}

#[tokio::test(start_paused = true)]
async fn waiting_is_no_refusal_unless_it_comes_to_nothing() {
    let told_once = || vec![0, 1];
    for (case, expected) in [
        ("served", vec![]),
        ("dropped", vec![]),
        ("too late", told_once()),
        ("halted", told_once()),
        ("asks once", told_once()),
    ] {
        let events = EventBroadcast::new(64);
        let mut heard = events.subscribe();
        let enforcer = builder().limits(tokens(10)).events(events).build().unwrap();
        let run = register(&enforcer, "exec");
        let mut held = Some(run.reserve_owned(of(10)).unwrap());
        let asks_once = case == "asks once";
        let mut waiter = ByHand::new(run.acquire(of(4)).within(if asks_once { Duration::ZERO } else { SECOND }));
        assert_eq!(waiter.poll().is_some_and(|ended| ended.is_err()), asks_once);
        match case {
            "served" => {
                drop(held.take());
                assert!(waiter.poll().is_some_and(|ended| ended.is_ok()));
            }
            "too late" => {
                advance(SECOND).await;
                assert!(waiter.poll().is_some_and(|ended| ended.is_err()));
            }
            "halted" => {
                run.halt(REQUESTED);
                assert!(waiter.poll().is_some_and(|ended| ended.is_err()));
            }
            _ => {}
        }
        drop(waiter);
        run.finish();
        drop((held, run, enforcer));
        assert_eq!(refusals(&mut heard).await, expected, "{case}");
    }
}

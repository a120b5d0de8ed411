//! Deadlines that come by themselves: of holds, and of executions that nobody asks any more.

use enforce_async::{Enforcer, Execution, TimedHold, drive};
use tokio::task::yield_now;
use tokio::time::{Duration, advance, sleep};

use crate::common::{SECOND, builder, of, register, tokens};

fn world() -> (Enforcer, Execution) {
    let enforcer = builder().limits(tokens(100)).build().unwrap();
    let run = register(&enforcer, "exec");
    (enforcer, run)
}

fn hold(run: &Execution, ms: u64) -> TimedHold {
    let deadline = run.started_at().saturating_add(Duration::from_millis(ms));
    run.reserve_owned(of(1)).unwrap().with_deadline(deadline).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_hold_is_ended_at_the_very_instant() {
    let (enforcer, run) = world();
    let _driven = drive(&enforcer);
    let forgotten = hold(&run, 10_000);
    sleep(Duration::from_millis(9_999)).await;
    assert!(!forgotten.has_expired());
    sleep(Duration::from_millis(1)).await;
    yield_now().await;
    assert!(forgotten.has_expired());
    assert_eq!(run.snapshot().outstanding.tokens, 0);
}

#[tokio::test(start_paused = true)]
async fn w1_an_earlier_deadline_is_not_missed() {
    let (enforcer, run) = world();
    let _driven = drive(&enforcer);
    let late = hold(&run, 60_000);
    sleep(SECOND).await;
    let early = hold(&run, 2_000);
    sleep(2 * SECOND).await;
    assert!(early.has_expired() && !late.has_expired());
    sleep(58 * SECOND).await;
    assert!(late.has_expired());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_comes_at_once() {
    let (enforcer, run) = world();
    let _driven = drive(&enforcer);
    sleep(SECOND).await;
    let past = hold(&run, 0);
    yield_now().await;
    yield_now().await;
    assert!(past.has_expired());
}

/// How many holds a task that does nothing but yield sees open, one after the other, until none is.
async fn seen(enforcer: Enforcer) -> Vec<u64> {
    let mut seen = vec![enforcer.timed_hold_count()];
    while let Some(1..) = seen.last() {
        yield_now().await;
        let open = enforcer.timed_hold_count();
        if seen.last() != Some(&open) {
            seen.push(open);
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn others_run_while_thousands_of_deadlines_come_at_once() {
    let (enforcer, run) = world();
    let hold = || run.reserve_owned(of(0)).unwrap().with_deadline(run.started_at()).unwrap();
    let _many: Vec<_> = (0..5_000).map(|_| hold()).collect();
    let other = tokio::spawn(seen(enforcer.clone()));
    let _driven = drive(&enforcer);
    let seen = other.await.unwrap();
    assert!(seen.len() > 3, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn others_run_while_thousands_of_deadlines_come_in_a_shutdown() {
    let (enforcer, run) = world();
    let hold = || run.reserve_owned(of(0)).unwrap().with_deadline(run.started_at()).unwrap();
    let _many: Vec<_> = (0..5_000).map(|_| hold()).collect();
    let other = tokio::spawn(seen(enforcer.clone()));
    let begun = tokio::time::Instant::now();
    let stopping = tokio::spawn(enforce_async::shutdown(&enforcer, SECOND));
    let seen = other.await.unwrap();
    assert!(seen.len() > 3, "{seen:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing sleeps between two turns");
    run.finish();
    assert_eq!(stopping.await.unwrap().ended, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_in_time_is_left_alone() {
    let (enforcer, run) = world();
    let _driven = drive(&enforcer);
    let settled = hold(&run, 1_000).settle(enforce_async::Actual::tokens(1, 0));
    sleep(2 * SECOND).await;
    assert!(!settled.late);
    assert_eq!(run.snapshot().total_tokens, 1);
}

#[tokio::test(start_paused = true)]
async fn once_everything_has_come_it_goes_on_with_what_is_set_later() {
    let (enforcer, run) = world();
    let _driven = drive(&enforcer);
    for round in 1..=3 {
        let forgotten = hold(&run, round * 10_000);
        sleep(10 * SECOND).await;
        yield_now().await;
        assert!(forgotten.has_expired());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_once_the_guard_is_dropped() {
    let (enforcer, run) = world();
    let driven = drive(&enforcer);
    let open = hold(&run, 1_000);
    yield_now().await;
    drop(driven);
    advance(60 * SECOND).await;
    yield_now().await;
    assert!(!open.has_expired());
    assert_eq!(enforcer.expire_holds(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_time_is_over_is_halted_though_it_never_asks_again() {
    let limits = enforce_async::ResourceLimits { max_wall_time_ms: 9_000, ..tokens(100) };
    let enforcer = builder().limits(limits).build().unwrap();
    let _driven = drive(&enforcer);
    sleep(SECOND).await;
    let run = register(&enforcer, "exec");
    sleep(Duration::from_millis(9_999)).await; // the limit and its grace of one second, but for a millisecond
    assert_eq!(run.status(), enforce_async::Status::Live);
    sleep(Duration::from_millis(1)).await;
    yield_now().await;
    assert!(matches!(run.status(), enforce_async::Status::Halted(_)));
}

#[tokio::test(start_paused = true)]
async fn w1_a_limit_of_time_that_is_brought_forward_is_not_missed() {
    let wall = |ms| enforce_async::ResourceLimits { max_wall_time_ms: ms, ..tokens(100) };
    let enforcer = builder().limits(wall(3_600_000)).build().unwrap();
    let _driven = drive(&enforcer);
    let run = register(&enforcer, "exec");
    sleep(SECOND).await;
    run.set_limits(wall(4_000)).unwrap();
    sleep(Duration::from_millis(4_000)).await;
    yield_now().await;
    assert!(matches!(run.status(), enforce_async::Status::Halted(_)));
}

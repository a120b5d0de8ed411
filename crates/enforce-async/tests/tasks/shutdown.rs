//! Bringing everything to an end: a grace for what runs, a halt for what still does, and a report.

use std::time::Duration;

use enforce_async::{
    Cause, Enforcer, Execution, ExecutionExt, OnDrop, RegisterError, ResourceLimits, ScopeKind, ScopeStatus,
    ShutdownReport, Status, ViolationType, shutdown,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::common::{ByHand, REQUESTED, SECOND, builder, kind, of, register, tokens, wall};

fn enforcer() -> Enforcer {
    builder().limits(tokens(10)).build().unwrap()
}

/// The task of an agent that has a hold for so long, and then ends.
fn work(enforcer: &Enforcer, id: &str, lasts: Duration) -> (Execution, JoinHandle<bool>) {
    let run = register(enforcer, id);
    let owner = run.clone();
    let task = tokio::spawn(async move {
        let ended = owner
            .run(async {
                let hold = owner.acquire(of(6)).await.unwrap();
                sleep(lasts).await;
                drop(hold);
                owner.finish();
            })
            .await;
        ended.is_ok()
    });
    (run, task)
}

const CAUSE: Cause = Cause { scope: ScopeKind::Process, ..REQUESTED };

fn counts(report: &ShutdownReport) -> (u64, u64, u64) {
    (report.ended, report.halted, report.unsettled)
}

#[tokio::test(start_paused = true)]
async fn nothing_that_runs_takes_no_time() {
    let (enforcer, begun) = (enforcer(), Instant::now());
    let report = shutdown(&enforcer, 60 * SECOND).await;
    assert_eq!((counts(&report), begun.elapsed()), ((0, 0, 0), Duration::ZERO));
    assert_eq!(enforcer.status(), ScopeStatus::Halted(CAUSE));
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_last_execution_that_ends_by_itself() {
    let (enforcer, begun) = (enforcer(), Instant::now());
    let (_, one) = work(&enforcer, "one", 3 * SECOND);
    let (_, other) = work(&enforcer, "other", 5 * SECOND);
    let report = shutdown(&enforcer, 60 * SECOND).await;
    assert_eq!((counts(&report), begun.elapsed()), ((2, 0, 0), 5 * SECOND));
    assert!(report.is_settled() && one.await.unwrap() && other.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_runs_goes_on_in_the_grace_and_nobody_new_comes() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec");
    let ending = tokio::spawn(shutdown(&enforcer, 10 * SECOND));
    sleep(SECOND).await;
    assert!(run.reserve(of(1)).is_ok() && run.child("child").register().is_ok());
    let Err(RegisterError::Refused(refused)) = enforcer.execution("new", "tenant").register() else {
        panic!("it was let in")
    };
    assert_eq!((refused.violation_type, refused.cause), (ViolationType::Closed, Some(CAUSE)));
    run.finish();
    assert_eq!(counts(&ending.await.unwrap()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_runs_beyond_the_grace_is_halted_and_its_holds_end() {
    let (enforcer, begun) = (enforcer(), Instant::now());
    let (_, quick) = work(&enforcer, "quick", 3 * SECOND);
    let (slow, task) = work(&enforcer, "slow", 300 * SECOND);
    // Waits for room in vain.
    let waiter = tokio::spawn({
        let slow = slow.clone();
        async move { kind(slow.acquire(of(6)).await) }
    });
    let cause = Cause::own(ViolationType::CostLimit);
    let report = shutdown(&enforcer, 10 * SECOND).cause(cause).await;
    assert_eq!((counts(&report), begun.elapsed()), ((1, 1, 0), 10 * SECOND));
    assert_eq!(slow.status(), Status::Halted(Cause { scope: ScopeKind::Process, ..cause }));
    assert!(quick.await.unwrap() && !task.await.unwrap());
    assert_eq!(waiter.await.unwrap(), Some(ViolationType::Halted));
    assert!(slow.snapshot().outstanding.is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_outlives_its_execution_is_waited_for() {
    let (enforcer, begun) = (enforcer(), Instant::now());
    let run = register(&enforcer, "exec");
    let hold = run.reserve_owned(of(6)).unwrap();
    let ending = tokio::spawn(shutdown(&enforcer, 60 * SECOND));
    sleep(SECOND).await;
    run.finish();
    sleep(SECOND).await;
    drop(hold);
    assert_eq!(counts(&ending.await.unwrap()), (1, 0, 0));
    assert_eq!(begun.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_nobody_ends_is_told_of_and_one_with_a_deadline_is_ended() {
    let (enforcer, begun) = (builder().build().unwrap(), Instant::now());
    let run = register(&enforcer, "exec");
    let deadline = enforcer.clock().now().saturating_add(600 * SECOND);
    std::mem::forget(run.reserve_owned(of(5).on_drop(OnDrop::ChargeAll)).unwrap().with_deadline(deadline).unwrap());
    let kept = run.reserve_owned(of(6)).unwrap();
    let report = shutdown(&enforcer, SECOND).settle_within(3 * SECOND).await;
    assert_eq!((counts(&report), report.holds_ended, begun.elapsed()), ((0, 1, 1), 1, 4 * SECOND));
    assert_eq!((report.outstanding.tokens, run.snapshot().total_tokens), (6, 5));
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn deadlines_come_meanwhile_though_nobody_drives() {
    let (enforcer, begun) = (builder().limits(wall(2_000)).build().unwrap(), Instant::now());
    let run = register(&enforcer, "exec");
    let report = shutdown(&enforcer, 60 * SECOND).await;
    assert_eq!((counts(&report), begun.elapsed()), ((1, 0, 0), 3 * SECOND));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::WallTimeLimit)));
}

#[tokio::test(start_paused = true)]
async fn who_was_halted_before_is_neither_ended_nor_halted_by_it() {
    let enforcer = enforcer();
    register(&enforcer, "exec").halt(REQUESTED);
    assert_eq!(counts(&shutdown(&enforcer, SECOND).await), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_in_the_grace_it_leaves_all_closed_and_nothing_halted_and_another_goes_on_from_there() {
    let (enforcer, begun) = (enforcer(), Instant::now());
    let run = register(&enforcer, "exec");
    drop(shutdown(&enforcer, SECOND));
    assert_eq!(enforcer.status(), ScopeStatus::Open, "it was never polled");
    let cut_off = tokio::time::timeout(SECOND, shutdown(&enforcer, 60 * SECOND)).await;
    assert!(cut_off.is_err());
    assert_eq!((enforcer.status(), run.status()), (ScopeStatus::Closed(CAUSE), Status::Live));
    sleep(100 * SECOND).await;
    assert_eq!(run.status(), Status::Live);
    assert_eq!(counts(&shutdown(&enforcer, SECOND).await), (0, 1, 0));
    assert_eq!(begun.elapsed(), 102 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn two_at_once_share_the_work() {
    let enforcer = enforcer();
    let (_, task) = work(&enforcer, "slow", 300 * SECOND);
    let (one, other) = tokio::join!(shutdown(&enforcer, SECOND), shutdown(&enforcer, SECOND));
    assert_eq!((one.halted + other.halted, one.is_settled(), other.is_settled()), (1, true, true));
    assert!(!task.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_polled_meanwhile() {
    let enforcer = builder().limits(ResourceLimits::unlimited()).build().unwrap();
    let run = register(&enforcer, "exec");
    let mut ending = ByHand::new(shutdown(&enforcer, 60 * SECOND));
    assert!(ending.poll().is_none());
    sleep(30 * SECOND).await;
    assert_eq!(ending.bell.rung(), 0, "nothing has happened");
    let hold = run.reserve_owned(of(6)).unwrap();
    run.finish();
    assert!(ending.bell.rung() > 0 && ending.poll().is_none(), "a hold is open");
    drop(hold);
    assert_eq!(ending.bell.rung(), 1);
    assert_eq!(ending.poll().map(|report| counts(&report)), Some((1, 0, 0)));
}

//! `run`: stopped at once (E1), by whatever ends an execution, and its holds with it.

use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use enforce_async::{
    Action, Approval, Cause, Demand, EnforcementPolicy, ExecutionErrorCategory, ExecutionExt, LimitActions,
    LongRunningExecutionPolicy, OnDrop, ResourceLimits, Status, StepId, StepTimeoutExt, StepTimeoutGuard, Stopped,
    ViolationType,
};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

use crate::common::{ByHand, REQUESTED, SECOND, builder, idle_after, of, register, run_of, tokens, wall};

#[expect(clippy::disallowed_types, reason = "what another thread does is told by a number")]
type Number = std::sync::atomic::AtomicU64;

fn limit(stopped: &Stopped) -> Option<ViolationType> {
    stopped.cause().map(|cause| cause.violation_type)
}

#[test]
fn work_that_ends_by_itself_keeps_its_result() {
    let run = run_of(ResourceLimits::unlimited());
    assert_eq!(ByHand::new(run.run(async { 42 })).poll(), Some(Ok(42)));
}

#[test]
fn work_of_an_execution_that_is_over_is_never_polled() {
    let run = run_of(ResourceLimits::unlimited());
    run.halt(REQUESTED);
    let work = async { panic!("never polled") };
    let stopped = ByHand::new(run.run(work)).poll().unwrap().unwrap_err();
    assert_eq!(limit(&stopped), Some(ViolationType::Requested));
    assert_eq!(stopped.violation().violation_type, ViolationType::Halted);
}

#[test]
fn an_end_has_no_cause() {
    let run = run_of(ResourceLimits::unlimited());
    let mut work = ByHand::new(run.run(pending::<()>()));
    assert!(work.poll().is_none());
    run.finish();
    assert_eq!(work.bell.rung(), 1);
    let stopped = work.poll().unwrap().unwrap_err();
    assert_eq!((stopped.cause(), stopped.to_string().as_str()), (None, "stopped: closed"));
}

#[tokio::test]
async fn e1_on_one_thread_no_poll_begins_once_halt_has_returned() {
    for rounds in 0..20 {
        let run = run_of(ResourceLimits::unlimited());
        let (halted, polls) = (Arc::new(Number::new(0)), Arc::new(Number::new(0)));
        let work = {
            let (halted, polls) = (Arc::clone(&halted), Arc::clone(&polls));
            poll_fn(move |cx| {
                assert_eq!(halted.load(Ordering::SeqCst), 0, "E1");
                polls.fetch_add(1, Ordering::SeqCst);
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
        };
        let task = tokio::spawn({
            let run = run.clone();
            async move { run.run(work).await }
        });
        for _ in 0..rounds {
            yield_now().await;
        }
        run.halt(REQUESTED);
        halted.store(1, Ordering::SeqCst);
        assert_eq!(limit(&task.await.unwrap().unwrap_err()), Some(ViolationType::Requested));
        assert!(polls.load(Ordering::SeqCst) >= rounds.min(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_on_several_threads_the_poll_that_is_under_way_when_halt_returns_is_the_last() {
    for _ in 0..300 {
        let run = run_of(ResourceLimits::unlimited());
        let [halted, begun, let_go, late] = [(); 4].map(|()| Arc::new(Number::new(0)));
        let work = {
            let (halted, begun, let_go, late) = (halted.clone(), begun.clone(), let_go.clone(), late.clone());
            poll_fn(move |cx| {
                late.fetch_add(halted.load(Ordering::SeqCst), Ordering::SeqCst);
                begun.store(1, Ordering::SeqCst);
                while let_go.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
        };
        let task = tokio::spawn({
            let run = run.clone();
            async move { run.run(work).await }
        });
        while begun.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        run.halt(REQUESTED);
        halted.store(1, Ordering::SeqCst);
        let_go.store(1, Ordering::SeqCst);
        assert!(task.await.unwrap().is_err());
        assert_eq!(late.load(Ordering::SeqCst), 0, "E1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_on_several_threads_work_that_waits_is_not_polled_by_the_halt_that_calls_it() {
    for _ in 0..300 {
        let run = run_of(ResourceLimits::unlimited());
        let polls = Arc::new(Number::new(0));
        let work = {
            let polls = Arc::clone(&polls);
            poll_fn(move |_| {
                polls.fetch_add(1, Ordering::SeqCst);
                Poll::<()>::Pending
            })
        };
        let task = tokio::spawn({
            let run = run.clone();
            async move { run.run(work).await }
        });
        while polls.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        run.halt(REQUESTED);
        assert!(task.await.unwrap().is_err());
        assert_eq!(polls.load(Ordering::SeqCst), 1, "E1");
    }
}

/// Tells when it is dropped.
struct Told(Arc<Number>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_dropped_before_the_answer_and_its_holds_end_by_their_policies() {
    let run = run_of(tokens(1_000));
    let dropped = Arc::new(Number::new(0));
    let work = {
        let (run, told) = (run.clone(), Told(Arc::clone(&dropped)));
        async move {
            let _told = told;
            let _given_back = run.reserve_owned(Demand::step().tokens(100, 200)).unwrap();
            let _charged = run.reserve_owned(Demand::step().tokens(30, 40).on_drop(OnDrop::ChargeInput)).unwrap();
            pending::<()>().await;
        }
    };
    let mut running = ByHand::new(run.run(work));
    assert!(running.poll().is_none());
    run.halt(REQUESTED);
    assert_eq!((running.bell.rung(), dropped.load(Ordering::SeqCst)), (1, 0));
    assert!(running.poll().is_some_and(|ended| ended.is_err()));
    // The future that ran it is still there.
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    let usage = run.snapshot();
    assert_eq!((usage.total_tokens, usage.outstanding.tokens), (30, 0));
    assert!(running.poll().is_some_and(|ended| ended.is_err()), "it stays stopped");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_the_work_itself_exhausts_stops_it() {
    let run = run_of(ResourceLimits { max_steps: 3, ..ResourceLimits::unlimited() });
    let steps = async {
        loop {
            // It pays no heed to what it is told.
            let _told = run.reserve(Demand::step()).err();
            yield_now().await;
        }
    };
    let stopped: Result<(), Stopped> = run.run(steps).await;
    assert_eq!(limit(&stopped.unwrap_err()), Some(ViolationType::StepLimit));
    assert_eq!(run.snapshot().steps, 3);
}

#[tokio::test(start_paused = true)]
async fn the_wall_time_stops_it_at_the_very_instant_and_halts_the_execution() {
    let run = run_of(wall(4_000));
    let begun = Instant::now();
    let stopped = run.run(pending::<()>()).await.unwrap_err();
    assert_eq!((limit(&stopped), begun.elapsed()), (Some(ViolationType::WallTimeLimit), 5 * SECOND));
    assert_eq!(run.status().violation(), Some(stopped.violation()));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_raised_meanwhile_counts() {
    let run = run_of(wall(4_000));
    let begun = Instant::now();
    let raise = async {
        sleep(SECOND).await;
        run.set_limits(wall(9_000)).unwrap();
    };
    let (stopped, ()) = tokio::join!(run.run(pending::<()>()), raise);
    assert_eq!((limit(&stopped.unwrap_err()), begun.elapsed()), (Some(ViolationType::WallTimeLimit), 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_pause_stops_nothing_and_active_time_stands_still_in_it() {
    let limits = ResourceLimits { max_active_time_ms: Some(4_000), ..ResourceLimits::unlimited() };
    let run = run_of(limits);
    let begun = Instant::now();
    let pause = async {
        sleep(SECOND).await;
        run.pause("look at it");
        sleep(60 * SECOND).await;
        run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    };
    let (stopped, ()) = tokio::join!(run.run(pending::<()>()), pause);
    assert_eq!((limit(&stopped.unwrap_err()), begun.elapsed()), (Some(ViolationType::WallTimeLimit), 65 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_pauses_does_so_at_the_very_instant_and_stops_nothing() {
    let actions = LimitActions { wall_time: Action::Pause, ..Default::default() };
    let policy = EnforcementPolicy { actions, ..Default::default() };
    let run = register(&builder().limits(wall(4_000)).policy(policy).build().unwrap(), "exec");
    let begun = Instant::now();
    let watch = async {
        sleep(5 * SECOND).await;
        yield_now().await;
        assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::WallTimeLimit)));
        sleep(60 * SECOND).await;
        run.set_limits(ResourceLimits::unlimited()).unwrap();
        run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    };
    let work = async {
        sleep(100 * SECOND).await;
        begun.elapsed()
    };
    let (worked, ()) = tokio::join!(run.run(work), watch);
    assert_eq!(worked, Ok(100 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_refuses_stops_it_and_halts_nothing() {
    let actions = LimitActions { wall_time: Action::Refuse, ..Default::default() };
    let policy = EnforcementPolicy { actions, ..Default::default() };
    let run = register(&builder().limits(wall(4_000)).policy(policy).build().unwrap(), "exec");
    let stopped = run.run(pending::<()>()).await.unwrap_err();
    assert_eq!((limit(&stopped), run.status()), (Some(ViolationType::WallTimeLimit), Status::Live));
}

#[tokio::test(start_paused = true)]
async fn i1_work_that_is_idle_is_stopped_and_work_that_is_not_goes_on() {
    let run = idle_after(10);
    let begun = Instant::now();
    let work = async {
        for _ in 0..3 {
            sleep(9 * SECOND).await;
            run.touch().unwrap();
        }
        pending::<()>().await;
    };
    let stopped = run.run(work).await.unwrap_err();
    assert_eq!((limit(&stopped), begun.elapsed()), (Some(ViolationType::IdleTimeout), 37 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn i1_work_with_an_open_hold_is_not_idle() {
    let run = idle_after(10);
    let begun = Instant::now();
    let work = async {
        let hold = run.reserve(Demand::step()).unwrap();
        sleep(95 * SECOND).await;
        drop(hold);
        pending::<()>().await;
    };
    let stopped = run.run(work).await.unwrap_err();
    // The look of second 95 found the hold open, and the next was one timeout later.
    assert_eq!((limit(&stopped), begun.elapsed()), (Some(ViolationType::IdleTimeout), 105 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn no_timer_is_left_behind() {
    let run = run_of(wall(4_000));
    let mut work = ByHand::new(run.run(yield_now()));
    assert!(work.poll().is_none());
    assert_eq!(work.poll(), Some(Ok(())));
    let bell = Arc::clone(&work.bell);
    drop(work);
    yield_now().await; // the runtime calls who has yielded when it comes to that
    bell.rung();
    advance(3_600 * SECOND).await;
    assert_eq!(bell.rung(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_halted_stops_what_runs_below() {
    let enforcer = builder().long_running(LongRunningExecutionPolicy::disabled()).build().unwrap();
    let run = register(&enforcer, "exec");
    let child = run.child("child").register().unwrap();
    let mut work = ByHand::new(child.run(pending::<()>()));
    assert!(work.poll().is_none());
    run.halt(REQUESTED);
    assert_eq!(work.bell.rung(), 1);
    assert!(work.poll().is_some_and(|ended| ended.is_err()));
}

#[tokio::test(start_paused = true)]
async fn a_step_ends_at_the_very_instant_and_a_result_in_time_is_kept() {
    let guard = || StepTimeoutGuard::new(StepId::new(), Duration::MAX);
    assert_eq!(guard().limit(async { 7 }).await.ok(), Some(7));
    let spent = StepTimeoutGuard::new(StepId::new(), Duration::ZERO);
    assert_eq!(spent.limit(async { 7 }).await.ok(), Some(7), "it was there at once");
    let begun = Instant::now();
    let hung = StepTimeoutGuard::new(StepId::new(), 3_600 * SECOND).limit(pending::<()>()).await;
    assert_eq!(hung.unwrap_err().category, ExecutionErrorCategory::Timeout);
    // The guard is timed by the system and had begun a moment before.
    assert!(begun.elapsed() <= 3_600 * SECOND && begun.elapsed() > 3_590 * SECOND);
}

#[cfg(feature = "cancellation-token")]
mod token {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_cancelled_at_the_very_instant() {
        let run = run_of(wall(4_000));
        let token = CancellationToken::new();
        let begun = Instant::now();
        let stopped = tokio::spawn(run.cancel_when_over(token.clone()));
        token.cancelled().await;
        assert_eq!(begun.elapsed(), 5 * SECOND);
        assert_eq!(limit(&stopped.await.unwrap().unwrap()), Some(ViolationType::WallTimeLimit));
    }

    #[test]
    fn one_that_was_cancelled_before_ends_it_and_one_that_is_dropped_is_left_alone() {
        let run = run_of(tokens(1));
        let token = CancellationToken::new();
        let mut dropped = ByHand::new(run.cancel_when_over(token.clone()));
        assert!(dropped.poll().is_none());
        drop(dropped);
        drop(run.reserve(of(1)).unwrap());
        assert!(!token.is_cancelled());
        let mut watched = ByHand::new(run.cancel_when_over(token.clone()));
        assert!(watched.poll().is_none());
        token.cancel();
        assert_eq!((watched.bell.rung(), watched.poll()), (1, Some(None)));
    }
}

#[test]
fn a_future_that_runs_can_be_spawned() {
    fn spawnable(_future: impl Future + Send + 'static) {}
    let run = run_of(tokens(1));
    spawnable(run.run(pending::<()>()));
    spawnable(run.halted());
    spawnable(run.resumed());
    spawnable(enforce_async::Acquire::new(run, of(1)));
}

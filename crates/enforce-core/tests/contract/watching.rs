//! Watching a state (W1: whatever changes it calls who watches), and keeping deadlines.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use enforce_core::{
    Action, Actual, Approval, Cause, Demand, EnforcementPolicy, Execution, LimitActions, LongRunningExecutionPolicy,
    ManualClock, ResourceLimits, Status, Timestamp, ViolationType, Watch,
};

use crate::common::{SECOND, builder, disabled, noon, pass, register, run, run_on, unlimited};
use crate::waiting::Bell;

/// Who watches, and its bell.
struct Watcher {
    watch: Watch,
    bell: Arc<Bell>,
}

impl Watcher {
    fn of(run: &Execution) -> Self {
        let mut watcher = Self { watch: run.watch(), bell: Arc::default() };
        watcher.look();
        watcher
    }

    fn look(&mut self) -> Status {
        self.watch.look(&Waker::from(Arc::clone(&self.bell)))
    }

    /// The limit that ends it, if it is over.
    fn over(&mut self, time: &ManualClock) -> Option<ViolationType> {
        match self.watch.poll_over_at(&Waker::from(Arc::clone(&self.bell)), time.now()) {
            Poll::Ready(violation) => Some(violation.violation_type),
            Poll::Pending => None,
        }
    }
}

const REQUESTED: Cause = Cause::own(ViolationType::Requested);

fn approve(run: &Execution) {
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
}

fn wall(ms: u64) -> ResourceLimits {
    ResourceLimits { max_wall_time_ms: ms, ..unlimited() }
}

fn idle(seconds: u64) -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy { idle_timeout_seconds: Some(seconds), ..disabled() }
}

#[test]
fn w1_every_change_of_the_state_calls_who_watches_once() {
    let run = run(unlimited());
    let mut watcher = Watcher::of(&run);
    run.pause("look at it");
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Paused(REQUESTED));
    approve(&run);
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Live);
    run.set_limits(wall(1)).unwrap();
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Live);
    run.halt(REQUESTED);
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Halted(REQUESTED));
    run.finish();
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Finished(Some(REQUESTED)));
}

#[test]
fn w1_what_happens_above_calls_who_watches_below() {
    let run = run(unlimited());
    let child = run.child("child").register().unwrap();
    let leaf = child.child("leaf").register().unwrap();
    let mut watchers = [Watcher::of(&child), Watcher::of(&leaf)];
    let mut told = |seen: fn(Status) -> bool| {
        assert!(watchers.iter_mut().all(|watcher| watcher.bell.rung() >= 1 && seen(watcher.look())));
    };
    run.pause("look at it");
    told(|status| matches!(status, Status::Paused(_)));
    approve(&run);
    told(|status| status == Status::Live);
    run.halt(REQUESTED);
    told(|status| matches!(status, Status::Halted(_)));
}

#[test]
fn w1_a_limit_that_pauses_or_halts_calls_who_watches() {
    let long = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(crate::common::nano(5)), ..disabled() };
    let run = run_on(&noon(), ResourceLimits { max_steps: 1, ..unlimited() }, long);
    let mut watcher = Watcher::of(&run);
    run.charge(Actual::none().cost(crate::common::nano(5)));
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Paused(Cause::own(ViolationType::CostThreshold)));
    approve(&run);
    assert_eq!((watcher.bell.rung() >= 1, watcher.look()), (true, Status::Live));
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(watcher.bell.rung(), 0, "a step changes no state");
    assert!(run.reserve(Demand::step()).is_err());
    assert_eq!(watcher.bell.rung(), 1);
    assert_eq!(watcher.look(), Status::Halted(Cause::own(ViolationType::StepLimit)));
}

#[test]
fn w1_one_that_is_dropped_takes_no_call_of_another_with_it() {
    let run = run(unlimited());
    let [first, second, third] = [(); 3].map(|()| Watcher::of(&run));
    drop(first);
    drop(third);
    run.halt(REQUESTED);
    assert_eq!(second.bell.rung(), 1);
}

#[test]
fn to_watch_is_not_to_wait() {
    let run = run(unlimited());
    let _watcher = Watcher::of(&run);
    assert_eq!(run.waiting_count(), 0);
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn it_is_over_at_the_very_end_of_its_wall_time() {
    let time = noon();
    let run = run_on(&time, wall(4_000), disabled());
    let mut watcher = Watcher::of(&run);
    assert_eq!(watcher.over(&time), None);
    let end = run.started_at().saturating_add(Duration::from_secs(5)); // and the grace
    assert_eq!(watcher.watch.wake_at(), Some(end));
    pass(&time, 5 * SECOND - 1);
    assert_eq!(watcher.over(&time), None);
    pass(&time, 1);
    assert_eq!(watcher.over(&time), Some(ViolationType::Halted));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::WallTimeLimit)));
}

#[test]
fn a_time_that_only_refuses_is_over_and_halts_nothing() {
    let time = noon();
    let actions = LimitActions { wall_time: Action::Refuse, ..Default::default() };
    let policy = EnforcementPolicy { actions, ..Default::default() };
    let enforcer = builder(&time).limits(wall(4_000)).policy(policy).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut watcher = Watcher::of(&run);
    pass(&time, 5 * SECOND);
    assert_eq!(watcher.over(&time), Some(ViolationType::WallTimeLimit));
    assert_eq!(run.status(), Status::Live);
}

#[test]
fn a_time_that_only_observes_is_never_over() {
    let time = noon();
    let policy = EnforcementPolicy { actions: LimitActions::observe(), ..Default::default() };
    let enforcer = builder(&time).limits(wall(0)).long_running(idle(1)).policy(policy).build().unwrap();
    let mut watcher = Watcher::of(&register(&enforcer, "exec", "tenant"));
    pass(&time, 50 * SECOND);
    assert_eq!((watcher.over(&time), watcher.watch.wake_at()), (None, None));
}

#[test]
fn a_pause_stops_the_judging_of_times_until_it_ends() {
    let time = noon();
    let run = run_on(&time, wall(4_000), disabled());
    let mut watcher = Watcher::of(&run);
    run.pause("look at it");
    pass(&time, 50 * SECOND);
    assert_eq!((watcher.over(&time), watcher.watch.wake_at()), (None, None));
    watcher.bell.rung();
    approve(&run);
    assert!(watcher.bell.rung() > 0);
    assert_eq!(watcher.over(&time), Some(ViolationType::Halted));
}

#[test]
fn i1_it_is_over_when_it_is_idle_and_to_watch_is_no_activity() {
    let time = noon();
    let run = run_on(&time, unlimited(), idle(10));
    let mut watcher = Watcher::of(&run);
    for _ in 0..3 {
        pass(&time, 3 * SECOND);
        assert_eq!(watcher.over(&time), None);
    }
    let end = run.started_at().saturating_add(Duration::from_secs(10));
    assert_eq!(watcher.watch.wake_at(), Some(end));
    pass(&time, SECOND);
    assert_eq!(watcher.over(&time), Some(ViolationType::Halted));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::IdleTimeout)));
}

#[test]
fn i1_an_open_hold_is_no_idleness_and_is_looked_at_again() {
    let time = noon();
    let run = run_on(&time, unlimited(), idle(10));
    let mut watcher = Watcher::of(&run);
    let hold = run.reserve(Demand::step()).unwrap();
    pass(&time, 10 * SECOND);
    assert_eq!(watcher.over(&time), None);
    assert_eq!(watcher.watch.wake_at(), Some(time.now().saturating_add(Duration::from_secs(10))));
    hold.settle(Actual::none());
    pass(&time, 10 * SECOND);
    assert_eq!(watcher.over(&time), Some(ViolationType::Halted));
}

#[test]
fn an_idle_timeout_of_zero_is_over_at_once() {
    let time = noon();
    let run = run_on(&time, wall(u64::MAX - 1), idle(0));
    assert_eq!(Watcher::of(&run).over(&time), Some(ViolationType::Halted));
}

#[test]
fn it_never_asks_to_be_polled_at_a_time_that_has_come() {
    let time = noon();
    let run = run_on(&time, wall(u64::MAX - 1), idle(1));
    let mut watcher = Watcher::of(&run);
    let _hold = run.reserve_owned(Demand::none()).unwrap();
    run.set_long_running(idle(0)).unwrap();
    assert_eq!(watcher.over(&time), None, "a hold is open");
    assert!(watcher.watch.wake_at().is_some_and(|wake_at| wake_at > time.now()));
}

#[test]
fn w1_an_earlier_deadline_calls_the_timekeeper_and_a_later_one_does_not() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let bell: Arc<Bell> = Arc::default();
    let waker = Waker::from(Arc::clone(&bell));
    let at = |seconds| run.started_at().saturating_add(Duration::from_secs(seconds));
    let hold = |seconds| run.reserve_owned(Demand::none().tokens(1, 0)).unwrap().with_deadline(at(seconds)).unwrap();
    let mut keeper = enforcer.timekeeper();
    assert_eq!(keeper.turn_at(&waker, time.now()), None);
    let ten = hold(10);
    assert_eq!(bell.rung(), 1);
    assert_eq!(keeper.turn_at(&waker, time.now()), Some(at(10)));
    let twenty = hold(20);
    assert_eq!(bell.rung(), 0);
    let five = hold(5);
    assert_eq!(bell.rung(), 1);
    assert_eq!(keeper.turn_at(&waker, at(10)), Some(at(20)));
    assert_eq!((five.has_expired(), ten.has_expired(), twenty.has_expired()), (true, true, false));
}

#[test]
fn w1_a_turn_ends_a_bounded_number_and_says_at_once_while_more_is_due() {
    let time = noon();
    let enforcer = builder(&time).limits(wall(4_000)).build().unwrap();
    let runs: Vec<_> = (0..3_000).map(|number| register(&enforcer, &format!("exec_{number}"), "tenant")).collect();
    let due = time.now().saturating_add(Duration::from_secs(5));
    let hold = |deadline| runs[0].reserve_owned(Demand::none()).unwrap().with_deadline(deadline).unwrap();
    let holds: Vec<_> = (0..3_000).map(|_| hold(due)).collect();
    let bell: Arc<Bell> = Arc::default();
    let waker = Waker::from(Arc::clone(&bell));
    let mut keeper = enforcer.timekeeper();
    assert!(keeper.turn_at(&waker, time.now()).is_some_and(|next| time.now() < next && next <= due));
    pass(&time, 5 * SECOND);
    let over = || {
        let halted = runs.iter().filter(|run| run.status() != Status::Live).count();
        (halted, holds.iter().filter(|hold| hold.has_expired()).count())
    };
    let mut before = over();
    let mut turns = 0;
    while keeper.turn_at(&waker, due) == Some(due) {
        let now = over();
        assert!(now.0 - before.0 <= 1_024 && now.1 - before.1 <= 1_024, "{before:?} {now:?}");
        (before, turns) = (now, turns + 1);
    }
    assert!((2..100).contains(&turns), "{turns}");
    assert_eq!(over(), (3_000, 3_000));
}

#[test]
fn w1_an_earlier_deadline_calls_a_timekeeper_that_is_to_turn_at_once() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = |deadline| run.reserve_owned(Demand::none()).unwrap().with_deadline(deadline).unwrap();
    let now = time.now();
    let _many: Vec<_> = (0..2_000).map(|_| hold(now)).collect();
    let bell: Arc<Bell> = Arc::default();
    let waker = Waker::from(Arc::clone(&bell));
    let mut keeper = enforcer.timekeeper();
    assert_eq!(keeper.turn_at(&waker, now), Some(now));
    let early = hold(Timestamp::ZERO);
    assert_eq!(bell.rung(), 1);
    assert_eq!(keeper.turn_at(&waker, now), None);
    assert!(early.has_expired());
}

#[test]
fn a_timekeeper_at_the_end_of_the_clock_turns_once() {
    let time = noon();
    let enforcer = builder(&time).limits(wall(u64::MAX - 1)).long_running(idle(u64::MAX)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let end = Timestamp::from_nanos(u64::MAX);
    let last = run.reserve_owned(Demand::none()).unwrap().with_deadline(end).unwrap();
    let mut keeper = enforcer.timekeeper();
    assert_eq!(keeper.turn_at(Waker::noop(), time.now()), None);
    assert_eq!(keeper.turn_at(Waker::noop(), end), None);
    assert!(last.has_expired());
}

#[test]
fn a_timekeeper_outlives_its_enforcer() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let mut keeper = enforcer.timekeeper();
    drop(enforcer);
    assert_eq!(keeper.turn_at(Waker::noop(), time.now()), None);
}

#[test]
fn who_watches_no_more_leaves_nobody_to_be_called() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let Watcher { watch, bell } = Watcher::of(&run);
    drop(watch);
    assert_eq!(Arc::strong_count(&bell), 1);
    let mut keeper = enforcer.timekeeper();
    keeper.turn_at(&Waker::from(Arc::clone(&bell)), time.now());
    drop(keeper);
    assert_eq!(Arc::strong_count(&bell), 1);
}

#[test]
fn a_time_that_ends_behind_the_last_moment_of_the_clock_is_not_looked_at_again() {
    let time = ManualClock::starting_at(Timestamp::from_nanos(u64::MAX));
    let run = run_on(&time, ResourceLimits { max_wall_time_ms: 9_000, ..unlimited() }, disabled());
    let mut watcher = Watcher::of(&run);
    assert_eq!((watcher.over(&time), watcher.watch.wake_at()), (None, None));
}

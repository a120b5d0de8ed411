//! Whoever waits out such a pause is to be woken when it ends (W1).

use std::task::{Poll, Waker};

use enforce_core::{Cause, Demand, EnforcementViolation, Execution, Status, Timestamp, ViolationType, Waiting};

use crate::common::{DAY, NOON, builder, noon, pass, register};

use super::super::{approval, ticket};
use super::{HOUR, ONE, deciders, enforcer, hourly, is_paused, paused, spend};

/// What came of it, if anything has.
fn poll(waiting: &mut Waiting, now: Timestamp) -> Option<Result<(), EnforcementViolation>> {
    match waiting.poll_at(Waker::noop(), now) {
        Poll::Ready(ended) => Some(ended.map(drop)),
        Poll::Pending => None,
    }
}

/// Polls it whenever it says so until it is ready: what came of it, and when.
fn awake(mut waiting: Waiting, from: u64) -> (Result<(), EnforcementViolation>, Timestamp) {
    let mut now = Timestamp::from_nanos(from);
    for _ in 0..8 {
        match poll(&mut waiting, now) {
            Some(ended) => return (ended, now),
            None => now = waiting.wake_at().unwrap(),
        }
    }
    panic!("{waiting:?}")
}

#[test]
fn w1_who_waits_is_polled_at_that_instant_and_goes_on() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let mut waiting = run.wait_for(Demand::step());
    assert_eq!((poll(&mut waiting, time.now()), waiting.wake_at()), (None, Some(ONE)));
    assert_eq!(poll(&mut waiting, Timestamp::from_nanos(ONE.as_nanos() - 1)), None);
    assert_eq!(waiting.wake_at(), Some(ONE));
    assert_eq!(poll(&mut waiting, ONE), Some(Ok(())));
    assert_eq!(deciders(&run).len(), 1);
}

#[test]
fn w1_who_is_paused_by_its_own_waiting_demand_waits_that_out() {
    let time = noon();
    let run = register(&enforcer(&time), "exec", "tenant");
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(awake(run.wait_for(Demand::step()), NOON), (Ok(()), ONE));
}

#[test]
fn w1_who_waits_below_goes_on_at_that_instant() {
    let time = noon();
    let run = register(&enforcer(&time), "exec", "tenant");
    let child = run.child("child").register().unwrap();
    spend(&run);
    assert_eq!(awake(child.wait_for(Demand::step()), NOON), (Ok(()), ONE));
}

#[test]
fn w1_everyone_in_line_goes_on_or_is_paused_until_the_next_period() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let mut waiting = [0; 3].map(|_| run.wait_for(Demand::step()));
    assert!(waiting.iter_mut().all(|waiting| poll(waiting, time.now()).is_none()));
    assert!(waiting.iter().all(|waiting| waiting.wake_at() == Some(ONE)), "not only the first");
    let mut waiting = Vec::from(waiting);
    for hours in 1..=3 {
        let now = Timestamp::from_nanos(NOON + HOUR * hours);
        // One after another: of those who are woken all are polled until nothing more comes of it.
        let admitted = (0..4).map(|_| {
            let before = waiting.len();
            waiting.retain_mut(|waiting| poll(waiting, now).is_none());
            before - waiting.len()
        });
        assert_eq!(admitted.sum::<usize>(), 1, "one step an hour");
        assert_eq!(is_paused(&run), hours < 3, "who comes behind it has spent the hour");
    }
}

#[test]
fn e2_who_is_halted_meanwhile_is_told_so() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let mut waiting = run.wait_for(Demand::step());
    assert_eq!(poll(&mut waiting, time.now()), None);
    run.halt(Cause::own(ViolationType::Requested));
    let told = poll(&mut waiting, ONE).unwrap().unwrap_err();
    assert_eq!(told.violation_type, ViolationType::Halted);
}

#[test]
fn e3_approved_by_hand_before_and_paused_anew_by_hand_it_waits_on() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let mut waiting = run.wait_for(Demand::step());
    assert_eq!(poll(&mut waiting, time.now()), None);
    run.approve(&ticket(&run), approval()).unwrap();
    run.pause("a look at it");
    assert_eq!((poll(&mut waiting, ONE), waiting.wake_at(), is_paused(&run)), (None, None, true));
}

#[test]
fn a_thread_that_waits_goes_on_by_itself() {
    let time = noon();
    let run = paused(&hourly(builder(&time)).build().unwrap());
    let admitted = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| run.reserve_within(Demand::step(), std::time::Duration::MAX).is_ok());
        while run.waiting_count() == 0 {
            std::thread::yield_now();
        }
        pass(&time, HOUR);
        waiter.join().unwrap()
    });
    assert!(admitted);
}

#[test]
fn who_watches_is_told_when_to_look_again() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let mut watch = run.watch();
    assert!(matches!(watch.look_at(Waker::noop(), time.now()), Status::Paused(_)));
    assert_eq!(watch.wake_at(), Some(ONE));
    assert_eq!((watch.poll_over_at(Waker::noop(), time.now()), watch.wake_at()), (Poll::Pending, Some(ONE)));
    assert_eq!((watch.look_at(Waker::noop(), ONE), watch.wake_at()), (Status::Live, None));
    run.pause("by hand");
    assert!(matches!(watch.look_at(Waker::noop(), Timestamp::from_nanos(NOON + DAY)), Status::Paused(_)));
    assert_eq!(watch.wake_at(), None);
}

#[test]
fn who_watches_what_is_over_ends_such_a_pause_and_judges_what_comes_behind_it() {
    let time = noon();
    let limits = enforce_core::ResourceLimits { max_wall_time_ms: 60_000, ..crate::common::unlimited() };
    let run: Execution = paused(&hourly(builder(&time).limits(limits)).build().unwrap());
    let mut watch = run.watch();
    pass(&time, HOUR - 1);
    assert!(watch.poll_over(Waker::noop()).is_pending());
    pass(&time, 1);
    assert!(
        matches!(watch.poll_over(Waker::noop()), Poll::Ready(over) if over.violation_type == ViolationType::Halted)
    );
}

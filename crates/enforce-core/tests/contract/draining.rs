//! Waiting until nothing runs and nothing is outstanding (W1): nobody sleeps on when it is so, and nobody wakes before.

use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Duration;

use enforce_core::{
    Actual, Cause, Demand, Drain, Enforcer, LongRunningExecutionPolicy, OnDrop, ResourceLimits, Timestamp,
    ViolationType,
};

use crate::common::{builder, disabled, nano, noon, pass, register, unlimited};
use crate::waiting::Bell;

const REQUESTED: Cause = Cause::own(ViolationType::Requested);

/// Who waits, and its bell.
struct Waiter {
    drain: Drain,
    bell: Arc<Bell>,
}

impl Waiter {
    fn of(enforcer: &Enforcer) -> Self {
        Self { drain: enforcer.drain(), bell: Arc::default() }
    }

    fn is_over(&mut self) -> bool {
        self.drain.poll_drained(&Waker::from(Arc::clone(&self.bell))).is_ready()
    }

    /// Whether it was called, and has then found that it is over.
    fn is_called_and_over(&mut self) -> bool {
        self.bell.rung() > 0 && self.is_over()
    }
}

fn enforcer() -> Enforcer {
    builder(&noon()).build().unwrap()
}

#[test]
fn nothing_to_wait_for_is_over_at_once() {
    assert!(Waiter::of(&enforcer()).is_over());
}

#[test]
fn w1_the_end_or_the_halt_of_the_last_execution_calls() {
    let enforcer = enforcer();
    let runs = ["a", "b", "c"].map(|id| register(&enforcer, id, "tenant"));
    let mut waiter = Waiter::of(&enforcer);
    assert!(!waiter.is_over());
    runs[2].finish();
    assert!(!waiter.is_called_and_over());
    runs[0].halt(REQUESTED);
    assert!(!waiter.is_over());
    runs[1].pause("look at it");
    assert!(!waiter.is_called_and_over());
    runs[1].halt(REQUESTED);
    assert!(waiter.is_called_and_over());
}

#[test]
fn who_comes_later_is_not_waited_for() {
    let enforcer = enforcer();
    let mut waiter = Waiter::of(&enforcer);
    register(&enforcer, "exec", "tenant");
    assert!(waiter.is_over());
}

/// How a hold of a hundred tokens ends.
type End = fn(enforce_core::OwnedHold);

const ENDS: [(&str, End); 6] = [
    ("settled in full", |hold| {
        hold.settle(Actual::tokens(60, 40));
    }),
    ("settled in part", |hold| {
        hold.settle(Actual::tokens(60, 0));
    }),
    ("settled above it", |hold| {
        hold.settle(Actual::tokens(600, 400));
    }),
    ("settled without use", |hold| {
        hold.settle(Actual::none());
    }),
    ("dropped", drop),
    ("dropped and charged", |mut hold| {
        hold.on_drop(OnDrop::ChargeAll);
        drop(hold);
    }),
];

fn demand() -> Demand {
    Demand::step().tokens(60, 40).memory_bytes(1_024)
}

/// Memory is what a settle writes last; without it, that may be what was used.
const DEMANDS: [fn() -> Demand; 3] =
    [demand, || Demand::step().tokens(60, 40), || Demand::none().tokens(60, 40).cost(nano(10))];

#[test]
fn w1_however_the_last_hold_ends_it_calls() {
    for demand in DEMANDS.map(|demand| demand()) {
        for (how, end) in ENDS {
            for halts in [false, true] {
                let enforcer = enforcer();
                let run = register(&enforcer, "exec", "tenant");
                let hold = run.reserve_owned(demand).unwrap();
                let mut waiter = Waiter::of(&enforcer);
                assert!(!waiter.is_over(), "it runs");
                if halts {
                    run.halt(REQUESTED);
                } else {
                    run.finish();
                }
                assert!(waiter.bell.rung() > 0 && !waiter.is_over(), "a hold is open");
                assert_eq!((waiter.drain.running(), waiter.drain.outstanding().tokens), (0, 100));
                end(hold);
                assert!(waiter.is_called_and_over(), "{demand:?} {how}, halts: {halts}");
            }
        }
    }
}

#[test]
fn w1_holds_of_children_are_waited_for_with_the_pool_or_slice_that_they_are_of() {
    let ends = DEMANDS.into_iter().flat_map(|demand| ENDS.map(|(how, end)| (demand(), how, end)));
    for (demand, how, end) in ends {
        for sliced in [false, true] {
            let enforcer = enforcer();
            let run = register(&enforcer, "exec", "tenant");
            let child = run.child("child");
            let child = if sliced { child.slice(demand) } else { child };
            let hold = child.register().unwrap().reserve_owned(demand).unwrap();
            run.finish();
            let mut waiter = Waiter { drain: enforcer.drain(), bell: Arc::default() };
            assert!(waiter.is_over(), "it had ended before");

            let run = register(&enforcer, "exec", "tenant");
            let child = run.child("child");
            let child = if sliced { child.slice(demand) } else { child };
            let other = child.register().unwrap().reserve_owned(demand).unwrap();
            let mut waiter = Waiter::of(&enforcer);
            run.finish();
            assert!(!waiter.is_over());
            end(hold);
            assert!(!waiter.is_over(), "another's");
            let _rung = waiter.bell.rung();
            end(other);
            assert!(waiter.is_called_and_over(), "{demand:?} {how}, sliced: {sliced}");
        }
    }
}

#[test]
fn w1_the_end_of_a_halted_child_gives_the_rest_of_its_slice_back() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").slice(demand()).register().unwrap();
    child.charge(Actual::tokens(60, 0));
    let mut waiter = Waiter::of(&enforcer);
    run.halt(REQUESTED);
    assert!(!waiter.is_over(), "the slice is set aside");
    let _rung = waiter.bell.rung();
    child.finish();
    assert!(waiter.is_called_and_over());
}

#[test]
fn w1_who_waits_for_room_in_the_same_line_is_in_nobodys_way() {
    let enforcer = builder(&noon()).limits(ResourceLimits { max_tokens: 100, ..unlimited() }).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(demand()).unwrap();
    // It is never polled again.
    let mut waiting = run.wait_for(Demand::none().tokens(1, 0));
    assert!(waiting.poll_at(Waker::noop(), Timestamp::ZERO).is_pending());
    let mut waiter = Waiter::of(&enforcer);
    run.halt(REQUESTED);
    assert!(!waiter.is_over());
    drop(hold);
    assert!(waiter.is_called_and_over());
}

#[test]
fn who_stops_waiting_leaves_nothing_behind() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(demand()).unwrap();
    run.halt(REQUESTED);
    let [mut one, mut other] = [Waiter::of(&enforcer), Waiter::of(&enforcer)];
    assert!(!one.is_over() && !other.is_over());
    drop(one);
    drop(hold);
    assert!(other.is_called_and_over());
}

#[test]
fn a_hold_that_sets_nothing_aside_is_not_waited_for() {
    let enforcer = builder(&noon())
        .long_running(LongRunningExecutionPolicy { idle_timeout_seconds: Some(60), ..disabled() })
        .build()
        .unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let _hold = run.reserve_owned(Demand::step()).unwrap();
    run.halt(REQUESTED);
    assert!(Waiter::of(&enforcer).is_over());
}

#[test]
fn a_thread_waits_until_it_is_so_or_its_time_is_over() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(demand()).unwrap();
    let mut drain = enforcer.drain_tenant("tenant");
    assert!(!drain.wait_within(Duration::ZERO));
    let second = Duration::from_secs(1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drain.wait_within(second));
        while !waiter.is_finished() {
            pass(&time, 1_000_000_000);
            thread::yield_now();
        }
        assert!(!waiter.join().unwrap(), "its time is over");
    });
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drain.wait_within(Duration::MAX));
        run.finish();
        drop(hold);
        assert!(waiter.join().unwrap());
    });
    assert_eq!(drain.left().count(), 0);
}

#[test]
fn holds_with_a_deadline_are_ended_by_their_policies_before_it_comes() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let deadline = time.now().saturating_add(Duration::from_secs(60));
    let hold = |on_drop| run.reserve_owned(demand().on_drop(on_drop)).unwrap().with_deadline(deadline).unwrap();
    let (back, kept) = (hold(OnDrop::GiveBack), hold(OnDrop::ChargeAll));
    run.halt(REQUESTED);
    let mut waiter = Waiter::of(&enforcer);
    assert!(!waiter.is_over());
    assert_eq!(enforcer.end_timed_holds(), 2);
    assert!(waiter.is_called_and_over());
    assert_eq!(run.snapshot().total_tokens, 100);
    // What is told later counts all the same.
    assert!(kept.settle(Actual::tokens(60, 50)).late && back.settle(Actual::tokens(5, 0)).late);
    assert_eq!(run.snapshot().total_tokens, 115);
}

/// Every hold of a crowd that is halted ends in a thread of its own, and whoever waits is woken by the last.
#[test]
fn w1_a_crowd_that_ends_at_once_wakes_who_waits() {
    for _ in 0..50 {
        let enforcer = enforcer();
        let runs: Vec<_> = (0..8).map(|number| register(&enforcer, &format!("exec-{number}"), "tenant")).collect();
        let holds: Vec<_> =
            runs.iter().flat_map(|run| ENDS.map(|(_, end)| (run.reserve_owned(demand()).unwrap(), end))).collect();
        thread::scope(|scope| {
            let mut drain = enforcer.drain();
            let waiter = scope.spawn(move || {
                let over = drain.wait_within(Duration::MAX);
                (over, drain.outstanding().is_zero())
            });
            for (hold, end) in holds {
                scope.spawn(move || end(hold));
            }
            enforcer.halt_all(REQUESTED);
            assert_eq!(waiter.join().unwrap(), (true, true));
        });
    }
}

#[test]
fn who_waits_no_more_stands_in_no_line() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    let _hold = run.reserve_owned(Demand::none().tokens(100, 0)).unwrap();
    run.halt(REQUESTED);
    let mut waiter = Waiter::of(&enforcer);
    assert!(!waiter.is_over());
    let Waiter { drain, bell } = waiter;
    drop(drain);
    assert_eq!(Arc::strong_count(&bell), 1, "its waker is gone");
}

#[test]
fn w1_one_that_waits_no_more_takes_nobody_elses_call_away() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(Demand::none().tokens(100, 0)).unwrap();
    run.halt(REQUESTED);
    let [first, mut second] = [(); 2].map(|()| Waiter::of(&enforcer));
    let mut first = first;
    assert!(!first.is_over() && !second.is_over());
    drop(first);
    drop(hold);
    assert!(second.is_called_and_over());
}

#[test]
fn amounts_that_are_the_same_do_not_cancel_each_other_out() {
    let enforcer = enforcer();
    let run = register(&enforcer, "exec", "tenant");
    for amounts in [Demand::none().cost(nano(7)).memory_bytes(7), Demand::none().tokens(7, 0).cost(nano(7))] {
        let _hold = run.reserve_owned(amounts).unwrap();
        assert!(!run.snapshot().outstanding.is_zero());
    }
}

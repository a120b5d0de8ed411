//! Holds that asked for a deadline: ended by their policy if they are forgotten, once, whoever settles meanwhile.

use std::time::Duration;

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, Enforcer, ExecutionUsage, LimitActions,
    LongRunningExecutionPolicy, ManualClock, OnDrop, ResourceLimits, Settlement, Status, TimedHold, Timestamp,
    ViolationType,
};

use super::{committed, outstanding, roomy};
use crate::common::{SECOND, builder, disabled, nano, noon, pass, register, unlimited};
use crate::limits::all;

/// 60 input and 40 output tokens for 30 nano-dollars, and 7 bytes.
fn whole(on_drop: OnDrop) -> Demand {
    Demand::step().tokens(60, 40).cost(nano(30)).memory_bytes(7).on_drop(on_drop)
}

fn in_seconds(time: &ManualClock, seconds: u64) -> Timestamp {
    time.now().saturating_add(Duration::from_secs(seconds))
}

fn timed(enforcer: &Enforcer, demand: Demand, deadline: Timestamp) -> TimedHold {
    let run = enforcer.get("exec").unwrap_or_else(|| register(enforcer, "exec", "tenant"));
    run.reserve_owned(demand).unwrap().with_deadline(deadline).unwrap()
}

#[test]
fn r1_a_forgotten_hold_is_ended_by_its_policy_at_its_deadline_and_not_before() {
    for (policy, expected) in [
        (OnDrop::GiveBack, (1, 0, 0, 0, 0)),
        (OnDrop::ChargeAll, (1, 60, 40, 30, 0)),
        (OnDrop::ChargeInput, (1, 60, 0, 18, 0)),
    ] {
        let time = noon();
        let enforcer = builder(&time).limits(roomy()).build().unwrap();
        std::mem::forget(timed(&enforcer, whole(policy), in_seconds(&time, 60)));
        let run = enforcer.get("exec").unwrap();
        pass(&time, 60 * SECOND - 1);
        assert_eq!((enforcer.expire_holds(), outstanding(&run)), (0, (100, 30, 7)));
        assert_eq!(enforcer.next_hold_deadline(), Some(in_seconds(&time, 0).saturating_add(Duration::from_nanos(1))));
        pass(&time, 1);
        assert_eq!((enforcer.expire_holds(), enforcer.expire_holds()), (1, 0));
        assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), expected), "{policy:?}");
        assert_eq!((enforcer.timed_hold_count(), enforcer.next_hold_deadline()), (0, None));
    }
}

#[test]
fn only_holds_that_are_due_are_ended_the_earliest_first() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let holds: Vec<_> = [3, 1, 2, 1]
        .into_iter()
        .map(|seconds| timed(&enforcer, Demand::step().tokens(seconds, 0), in_seconds(&time, seconds)))
        .collect();
    let run = enforcer.get("exec").unwrap();
    for (ended, open) in [(2, 5), (1, 3), (1, 0), (0, 0)] {
        pass(&time, SECOND);
        assert_eq!((enforcer.expire_holds(), outstanding(&run).0), (ended, open));
    }
    assert!(holds.iter().all(TimedHold::has_expired));
    drop(holds);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (4, 0, 0, 0, 0)));
}

#[test]
fn r1_a_hold_that_is_settled_or_dropped_in_time_leaves_nothing_to_end() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let hold = timed(&enforcer, whole(OnDrop::GiveBack), in_seconds(&time, 1));
    let run = enforcer.get("exec").unwrap();
    assert_eq!((hold.execution().id(), hold.deadline()), ("exec", in_seconds(&time, 1)));
    assert_eq!(hold.settle(Actual::tokens(10, 5).cost(nano(4))), Settlement::default());
    drop(timed(&enforcer, whole(OnDrop::ChargeInput), in_seconds(&time, 1)));
    assert_eq!(enforcer.timed_hold_count(), 0);
    pass(&time, SECOND);
    assert_eq!(enforcer.expire_holds(), 0);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (2, 70, 5, 22, 0)));
}

#[test]
fn r2_a_settle_after_the_deadline_is_recorded_late_and_of_each_amount_the_larger_counts() {
    for (policy, expected) in [
        (OnDrop::GiveBack, (2, 20, 70, 41, 1)),
        (OnDrop::ChargeAll, (2, 60, 70, 41, 1)),
        (OnDrop::ChargeInput, (2, 60, 70, 41, 1)),
    ] {
        let time = noon();
        let enforcer = builder(&time).limits(ResourceLimits { max_tokens: 100, ..unlimited() }).build().unwrap();
        let hold = timed(&enforcer, whole(policy), time.now());
        assert_eq!(enforcer.expire_holds(), 1);
        let settlement = hold.settle(Actual::tokens(20, 70).cost(nano(41)).steps(1).discovered_steps(1));
        assert_eq!((settlement.late, settlement.overrun_tokens, settlement.overrun_nano_usd), (true, 0, 11));
        let run = enforcer.get("exec").unwrap();
        assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), expected), "{policy:?}");
        assert_eq!(enforcer.tenant_usage("tenant").unwrap().cost_nano_usd, 41);
    }
}

#[test]
fn r1_an_extension_is_ended_with_its_hold_and_a_hold_that_has_expired_is_not_extended() {
    let time = noon();
    let enforcer = builder(&time).limits(roomy()).build().unwrap();
    let mut hold = timed(&enforcer, Demand::step().tokens(10, 0), in_seconds(&time, 1));
    hold.extend(Demand::none().tokens(20, 30).memory_bytes(5)).unwrap();
    assert_eq!(hold.extend(Demand::none().tokens(0, 41)).unwrap_err().violation_type, ViolationType::TokenLimit);
    hold.on_drop(OnDrop::ChargeInput);
    pass(&time, SECOND);
    assert_eq!(enforcer.expire_holds(), 1);
    let run = enforcer.get("exec").unwrap();
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 30, 0, 0, 0)));
    let stop = hold.extend(Demand::step().tokens(1, 0)).unwrap_err();
    assert_eq!(stop.to_string(), "hold_expired: ended by its deadline");
    hold.on_drop(OnDrop::ChargeAll);
    drop(hold);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 30, 0, 0, 0)), "T2");
}

#[test]
fn a_hold_of_an_execution_that_has_ended_expires_into_its_sums() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    std::mem::forget(timed(&enforcer, whole(OnDrop::ChargeAll), time.now()));
    let run = enforcer.get("exec").unwrap();
    assert_eq!(run.finish().outstanding.tokens, 100);
    assert_eq!(enforcer.expire_holds(), 1);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (1, 60, 40, 30, 0)));
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().total_tokens, 100);
}

#[test]
fn i1_an_open_hold_is_no_idleness_until_its_deadline_has_ended_it() {
    let time = noon();
    let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let enforcer = builder(&time).long_running(long_running).build().unwrap();
    let hold = timed(&enforcer, Demand::step(), in_seconds(&time, 20));
    let run = enforcer.get("exec").unwrap();
    pass(&time, 20 * SECOND);
    assert!(run.check(Demand::step()).is_allowed());
    assert!(ExecutionUsage::from(run.clone()).has_open_holds());
    assert_eq!(enforcer.expire_holds(), 1);
    assert!(!ExecutionUsage::from(run.clone()).has_open_holds());
    assert!(run.reserve(Demand::step()).is_err(), "to be ended by a deadline is no activity");
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::IdleTimeout)));
    drop(hold);
}

#[test]
fn a_full_table_gives_the_hold_back_and_a_place_in_it_is_free_when_a_hold_ends() {
    let time = noon();
    let enforcer = builder(&time).max_timed_holds(2).build().unwrap();
    let first = timed(&enforcer, Demand::step().tokens(1, 0), in_seconds(&time, 1));
    let second = timed(&enforcer, Demand::step().tokens(2, 0), in_seconds(&time, 1));
    let run = enforcer.get("exec").unwrap();
    let third = || run.reserve_owned(Demand::step().tokens(4, 0)).unwrap().with_deadline(time.now());
    let full = third().unwrap_err();
    assert_eq!(full.to_string(), "2 holds have a deadline already; raise max_timed_holds");
    full.into_hold().settle(Actual::tokens(3, 0));
    drop(third().unwrap_err());
    assert_eq!((outstanding(&run), committed(&run)), ((3, 0, 0), (4, 3, 0, 0, 0)));
    drop(first);
    third().unwrap().settle(Actual::none());
    drop(second);
}

#[test]
fn a_hold_outlives_its_enforcer() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let hold = timed(&enforcer, Demand::step().tokens(1, 0), time.now());
    let run = hold.execution().clone();
    drop(enforcer);
    hold.settle(Actual::tokens(2, 0));
    let late = run.reserve_owned(Demand::step().tokens(5, 0)).unwrap().with_deadline(time.now()).unwrap();
    drop(late);
    assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (2, 2, 0, 0, 0)));
}

#[test]
fn r1_a_settle_an_extension_and_a_deadline_at_once_end_a_hold_once() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut input = 0;
    for round in 0..2_000 {
        let on_drop = [OnDrop::GiveBack, OnDrop::ChargeAll][round % 2];
        let demand = Demand::none().tokens(2, 0).on_drop(on_drop);
        let mut hold = run.reserve_owned(demand).unwrap().with_deadline(time.now()).unwrap();
        let settlement = std::thread::scope(|scope| {
            let settling = scope.spawn(move || {
                let _stopped = hold.extend(Demand::none().tokens(3, 0)).err();
                hold.settle(Actual::tokens(1, 0))
            });
            scope.spawn(|| enforcer.expire_holds());
            settling.join().unwrap()
        });
        let charged = run.snapshot().input_tokens - input;
        match (settlement.late, on_drop) {
            (false, _) | (true, OnDrop::GiveBack) => assert_eq!(charged, 1),
            // With the extension or before it.
            (true, _) => assert!(charged == 2 || charged == 5, "{charged}"),
        }
        input += charged;
        assert_eq!((outstanding(&run), enforcer.timed_hold_count()), ((0, 0, 0), 0));
    }
}

#[test]
fn a_timed_hold_says_what_it_holds_and_what_was_noticed_when_it_was_taken() {
    let time = noon();
    let limits = ResourceLimits { max_tokens: 10, max_memory_mb: Some(1), ..unlimited() };
    let observing = LimitActions { memory: Action::Observe, ..LimitActions::default() };
    let policy = EnforcementPolicy { actions: observing, ..EnforcementPolicy::default() };
    let enforcer = builder(&time).limits(limits).policy(policy).build().unwrap();
    let mut hold = timed(&enforcer, Demand::step().tokens(4, 3).memory_bytes(1 << 21), in_seconds(&time, 1));
    assert_eq!((hold.held_tokens(), hold.warning()), ((4, 3), None));
    assert_eq!(hold.observed().map(|would| would.violation_type), Some(ViolationType::MemoryLimit));
    hold.extend(Demand::none().tokens(0, 2)).unwrap();
    assert_eq!(hold.held_tokens(), (4, 5));
    assert_eq!(hold.warning().map(|warning| warning.warning_type), Some(ViolationType::TokenLimit));
    pass(&time, SECOND);
    enforcer.expire_holds();
    assert_eq!(hold.held_tokens(), (0, 0));
}

#[test]
fn a_timed_hold_is_extended_and_settled_at_the_time_that_its_caller_has_minted() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 10_000, ..unlimited() };
    let enforcer = builder(&time).limits(limits).policy(all(Action::Refuse)).build().unwrap();
    let mut hold = timed(&enforcer, Demand::step().tokens(1, 0), in_seconds(&time, 60));
    let late = hold.extend_at(Demand::none().tokens(1, 0), in_seconds(&time, 11));
    assert_eq!(late.unwrap_err().violation_type, ViolationType::WallTimeLimit);
    hold.extend_at(Demand::none().tokens(2, 0), in_seconds(&time, 9)).unwrap();
    let settlement = hold.settle_at(Actual::tokens(5, 0), in_seconds(&time, 9));
    assert_eq!(settlement.overrun_tokens, 2);
    assert_eq!(enforcer.get("exec").unwrap().snapshot().input_tokens, 5);
}

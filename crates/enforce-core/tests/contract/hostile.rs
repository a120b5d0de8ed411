//! Absurd amounts, times, names and table sizes (N1): an answer each time, never a panic, a wrap or a residue.

use enforce_core::{
    Actual, Cause, Demand, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy, ManualClock, ResourceLimits,
    Status, Timestamp, ViolationType,
};

use crate::common::{MAX, builder, disabled, kind, nano, noon, register, run, run_on, unlimited};

#[test]
fn n1_check_and_reserve_agree_that_a_sum_past_the_bound_fits_nothing() {
    for demand in [
        Demand::none().tokens(MAX, 0),
        Demand::none().memory_bytes(MAX),
        Demand::none().cost(nano(MAX)),
        Demand::none().discovered_steps(MAX),
    ] {
        for actions in [LimitActions::default(), LimitActions::observe()] {
            let policy = EnforcementPolicy { actions, ..Default::default() };
            let run = register(&builder(&noon()).policy(policy).build().unwrap(), "exec", "tenant");
            let _first = run.reserve(demand).unwrap();
            assert!(run.check(demand).is_blocked(), "{demand:?}");
            assert!(run.reserve(demand).is_err(), "{demand:?}");
            assert_eq!(run.status(), Status::Live);
        }
    }
}

#[test]
fn n1_an_absurd_demand_of_an_exhausted_limit_halts_as_any_other_does() {
    for amount in [1, MAX, MAX + 1, u64::MAX] {
        let run = run(ResourceLimits { max_tokens: 10, ..unlimited() });
        run.charge(Actual::tokens(10, 0));
        assert_eq!(kind(run.reserve(Demand::none().tokens(amount, 0))), Some(ViolationType::TokenLimit));
        assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::TokenLimit)), "{amount}");
    }
}

#[test]
fn n1_a_deadline_past_the_end_of_the_clock_never_comes() {
    for (max_wall_time_ms, timeout_grace_ms) in [(u64::MAX - 1, 0), (1, u64::MAX), (u64::MAX - 1, u64::MAX)] {
        let time = ManualClock::new();
        let limits = ResourceLimits { max_wall_time_ms, ..unlimited() };
        let policy = EnforcementPolicy { timeout_grace_ms, ..Default::default() };
        let run = register(&builder(&time).limits(limits).policy(policy).build().unwrap(), "exec", "tenant");
        time.set(Timestamp::from_nanos(u64::MAX));
        assert!(run.reserve(Demand::step()).is_ok(), "{max_wall_time_ms} ms and {timeout_grace_ms} ms of grace");
    }
}

#[test]
fn n1_who_was_active_at_the_end_of_the_clock_is_not_idle() {
    let time = ManualClock::new();
    let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(1), ..disabled() };
    let run = run_on(&time, unlimited(), long_running);
    time.set(Timestamp::from_nanos(u64::MAX));
    run.touch().unwrap();
    assert!(run.reserve(Demand::step()).is_ok());
}

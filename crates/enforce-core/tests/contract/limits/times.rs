//! Deadlines: wall time with its grace, and idleness.

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, EnforcementResult, Execution, LongRunningExecutionPolicy,
    ManualClock, ResourceLimits, Retry, Status, Timestamp, ViolationType,
};

use crate::common::{DAY, NOON, SECOND, builder, disabled, kind, nano, noon, pass, register, unlimited};

use super::{ACTIONS, all, outcome};

const MS: u64 = 1_000_000;

/// An execution that was registered just now.
fn walled(max_wall_time_ms: u64, policy: EnforcementPolicy) -> (ManualClock, Execution) {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms, ..unlimited() };
    let run = register(&builder(&time).limits(limits).policy(policy).build().unwrap(), "exec", "tenant");
    (time, run)
}

fn idling(seconds: u64, policy: EnforcementPolicy) -> (ManualClock, Execution) {
    let time = noon();
    let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(seconds), ..disabled() };
    let run = register(&builder(&time).long_running(long_running).policy(policy).build().unwrap(), "exec", "tenant");
    (time, run)
}

#[test]
fn wall_time_blocks_from_the_limit_and_its_grace_on_to_the_nanosecond() {
    for (limit, grace) in [(1, 0), (1, 1), (5_000, 1_000), (60_000, 0)] {
        for action in ACTIONS {
            let (time, run) = walled(limit, EnforcementPolicy { timeout_grace_ms: grace, ..all(action) });
            pass(&time, (limit + grace) * MS - 1);
            assert_eq!(run.reserve(Demand::step()).map(|hold| hold.observed()), Ok(None));
            pass(&time, 1);
            let asked = run.reserve(Demand::none()).map(|hold| hold.observed());
            let violation = if action == Action::Observe { asked.unwrap().unwrap() } else { asked.unwrap_err() };
            assert_eq!(
                (violation.used, violation.asked, violation.limit),
                (limit + grace, 0, limit),
                "printed without grace"
            );
            assert_eq!((violation.violation_type, violation.retry), (ViolationType::WallTimeLimit, Retry::Never));
            assert_eq!(run.status(), outcome(action, violation.as_cause()), "exhausted at the ask that it refuses");
        }
    }
}

#[test]
fn wall_time_warns_from_the_threshold_of_the_limit_in_whole_milliseconds() {
    let (time, run) = walled(1_000, EnforcementPolicy::default());
    pass(&time, 800 * MS - 1);
    assert_eq!(run.check(Demand::step()), EnforcementResult::Allowed);
    pass(&time, 1);
    let EnforcementResult::Warning(warning) = run.check(Demand::step()) else { panic!("80 percent have passed") };
    assert_eq!((warning.usage_percent, warning.current, warning.limit), (80, 800, 1_000));
    pass(&time, 1_199 * MS);
    let warning = run.reserve(Demand::step()).unwrap().warning().unwrap();
    assert_eq!(warning.to_string(), "wall_time_limit at 199%: 1999 / 1000", "within the grace");
}

#[test]
fn a_wall_time_of_0_has_no_grace_and_no_percentage() {
    let (_, run) = walled(0, EnforcementPolicy { timeout_grace_ms: u64::MAX, ..Default::default() });
    assert_eq!(run.reserve(Demand::none()).unwrap_err().to_string(), "wall_time_limit exceeded: 0 / 0");
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::WallTimeLimit)));
}

#[test]
fn wall_time_is_not_put_off_by_activity_and_a_clock_that_steps_back_counts_as_none_passed() {
    let (time, run) = walled(1_000, EnforcementPolicy { timeout_grace_ms: 0, ..Default::default() });
    time.set(Timestamp::from_nanos(NOON - DAY));
    assert_eq!(run.check(Demand::step()), EnforcementResult::Allowed);
    time.set(Timestamp::from_nanos(NOON));
    pass(&time, 999 * MS);
    run.touch().unwrap();
    let _open = run.reserve(Demand::step().tokens(1, 0)).unwrap();
    pass(&time, MS);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn i1_idleness_blocks_from_the_timeout_on_to_the_nanosecond() {
    for action in ACTIONS {
        let (time, run) = idling(3, all(action));
        pass(&time, 3 * SECOND - 1);
        run.touch().unwrap();
        pass(&time, 3 * SECOND);
        assert!(matches!(run.check(Demand::none()), EnforcementResult::Blocked(_)) == (action != Action::Observe));
        assert_eq!(run.status(), Status::Live, "a question changes nothing");
        let asked = run.reserve(Demand::none()).map(|hold| hold.observed());
        let violation = if action == Action::Observe { asked.unwrap().unwrap() } else { asked.unwrap_err() };
        assert_eq!((violation.violation_type, violation.used, violation.limit), (ViolationType::IdleTimeout, 3, 3));
        assert_eq!((run.status(), violation.retry), (outcome(action, violation.as_cause()), Retry::Never));
    }
}

#[test]
fn i1_what_is_activity_and_what_is_not() {
    let admitted: fn(&Execution) = |run| drop(run.reserve(Demand::step()).unwrap());
    let charged: fn(&Execution) = |run| assert!(!run.charge(Actual::none()).late);
    let touched: fn(&Execution) = |run| run.touch().unwrap();
    let refused: fn(&Execution) = |run| assert!(run.reserve(Demand::none().tokens(u64::MAX, 0)).is_err());
    let checked: fn(&Execution) = |run| assert!(run.check(Demand::step()).is_allowed());
    let looked_at: fn(&Execution) = |run| assert_eq!(run.snapshot().steps, 0);
    let activities =
        [(admitted, true), (charged, true), (touched, true), (refused, false), (checked, false), (looked_at, false)];
    for (number, (does, active)) in activities.into_iter().enumerate() {
        let (time, run) = idling(10, EnforcementPolicy::default());
        pass(&time, 9 * SECOND);
        does(&run);
        pass(&time, SECOND);
        assert_eq!(run.check(Demand::none()).is_allowed(), active, "number {number}");
    }
}

#[test]
fn i1_a_settle_is_activity_and_a_drop_is_none() {
    for settles in [true, false] {
        let (time, run) = idling(10, EnforcementPolicy::default());
        let hold = run.reserve(Demand::step()).unwrap();
        pass(&time, 100 * SECOND);
        assert!(run.check(Demand::none()).is_allowed(), "one with an open hold is not idle");
        if settles {
            hold.settle(Actual::none());
        } else {
            drop(hold);
        }
        assert_eq!(run.check(Demand::none()).is_allowed(), settles);
    }
}

#[test]
fn i1_any_open_hold_keeps_an_execution_from_being_idle() {
    let demands = [
        Demand::none(),
        Demand::step(),
        Demand::none().tokens(1, 0),
        Demand::none().memory_bytes(1),
        Demand::none().cost(nano(1)),
    ];
    for demand in demands {
        let (time, run) = idling(1, EnforcementPolicy::default());
        let hold = run.reserve(demand).unwrap();
        pass(&time, DAY);
        assert_eq!(run.check(Demand::none()), EnforcementResult::Allowed, "{demand:?}");
        drop(hold);
        assert_eq!(kind(run.reserve(Demand::none())), Some(ViolationType::IdleTimeout), "{demand:?}");
    }
}

#[test]
fn i1_once_idleness_has_halted_it_nothing_brings_it_back() {
    let (time, run) = idling(1, EnforcementPolicy::default());
    pass(&time, SECOND);
    assert!(run.reserve(Demand::step()).is_err());
    assert_eq!(kind(run.touch()), Some(ViolationType::Halted));
    assert!(run.charge(Actual::tokens(1, 0)).late);
    time.set(Timestamp::from_nanos(NOON));
    assert_eq!(run.reserve(Demand::step()).unwrap_err().to_string(), "halted by idle_timeout");
}

#[test]
fn idleness_warns_in_whole_seconds_and_a_timeout_of_0_is_over_at_once() {
    let (time, run) = idling(10, EnforcementPolicy::default());
    pass(&time, 8 * SECOND - 1);
    assert_eq!(run.check(Demand::none()), EnforcementResult::Allowed);
    pass(&time, 1);
    let EnforcementResult::Warning(warning) = run.check(Demand::none()) else { panic!("80 percent have passed") };
    assert_eq!(warning.to_string(), "idle_timeout at 80%: 8 / 10");
    let (_, run) = idling(0, EnforcementPolicy::default());
    assert_eq!(run.reserve(Demand::none()).unwrap_err().to_string(), "idle_timeout exceeded: 0 / 0");
}

//! Limits that change while an execution runs (L1).

use enforce_core::{
    Actual, Demand, EnforcementResult, LongRunningExecutionPolicy, ResourceLimits, Retry, Status, UNLIMITED,
    ViolationType,
};

use crate::common::{MAX, SECOND, disabled, kind, nano, noon, pass, run, run_on, unlimited};

fn tokens(max_tokens: u64) -> ResourceLimits {
    ResourceLimits { max_tokens, ..unlimited() }
}

#[test]
fn l1_a_raise_is_seen_by_the_next_attempt_and_what_is_used_stays() {
    let run = run(tokens(10));
    let hold = run.reserve(Demand::step().tokens(8, 0)).unwrap();
    assert!(run.reserve(Demand::step().tokens(3, 0)).is_err());
    run.set_limits(tokens(11)).unwrap();
    drop(run.reserve(Demand::step().tokens(3, 0)).unwrap());
    let refused = run.reserve(Demand::step().tokens(4, 0)).unwrap_err();
    assert_eq!((refused.used, refused.limit, refused.remaining), (8, 11, 3));
    hold.settle(Actual::tokens(8, 0));
    assert_eq!(run.snapshot().total_tokens, 8);
}

#[test]
fn l1_a_lower_limit_than_what_is_used_leaves_debt_that_blocks() {
    let run = run(tokens(10));
    run.charge(Actual::tokens(4, 0));
    let hold = run.reserve(Demand::step().tokens(4, 0)).unwrap();
    run.set_limits(tokens(5)).unwrap();
    let refused = run.reserve(Demand::none()).unwrap_err();
    assert_eq!((refused.used, refused.limit, refused.retry), (8, 5, Retry::WhenFreed));
    assert_eq!((run.status(), run.snapshot().debt_tokens), (Status::Live, 0), "only an open hold is in the way");
    drop(hold);
    assert!(run.reserve(Demand::step().tokens(1, 0)).is_ok());
    run.set_limits(tokens(3)).unwrap();
    assert_eq!(run.snapshot().debt_tokens, 1);
}

#[test]
fn l1_limits_come_and_go_in_every_size() {
    let run = run(unlimited());
    run.charge(Actual::tokens(7, 0).cost(nano(7)).steps(7));
    for limit in [0, 6, 7, 8, 100, MAX, UNLIMITED] {
        run.set_limits(ResourceLimits { max_steps: limit, ..unlimited() }).unwrap();
        assert_eq!(run.check(Demand::none()).is_allowed(), limit >= 7, "{limit}");
        assert_eq!(run.check(Demand::step()).is_allowed(), limit >= 8, "{limit}");
    }
    run.set_limits(tokens(0)).unwrap();
    assert_eq!(run.reserve(Demand::none()).unwrap_err().to_string(), "token_limit exceeded: 7 / 0");
}

#[test]
fn limits_that_make_no_sense_change_nothing() {
    let run = run(tokens(10));
    assert_eq!(run.set_limits(tokens(MAX + 1)).unwrap_err().key, "max_tokens");
    let absurd = LongRunningExecutionPolicy { max_same_step_repetitions: Some(1), ..disabled() };
    assert_eq!(run.set_long_running(absurd).unwrap_err().key, "max_same_step_repetitions");
    assert_eq!(run.reserve(Demand::none().tokens(11, 0)).unwrap_err().limit, 10);
}

#[test]
fn a_warning_is_of_the_limit_that_holds_now() {
    let run = run(tokens(10));
    run.charge(Actual::tokens(8, 0));
    assert!(matches!(run.check(Demand::none()), EnforcementResult::Warning(_)));
    run.set_limits(tokens(100)).unwrap();
    assert_eq!(run.check(Demand::none()), EnforcementResult::Allowed);
    run.set_limits(tokens(9)).unwrap();
    let EnforcementResult::Warning(warning) = run.check(Demand::none()) else { panic!("8 of 9") };
    assert_eq!((warning.current, warning.limit), (8, 9));
}

#[test]
fn i1_an_idle_timeout_that_is_new_counts_from_its_change() {
    let time = noon();
    let run = run_on(&time, unlimited(), disabled());
    pass(&time, 60 * SECOND);
    run.set_long_running(LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() }).unwrap();
    pass(&time, 10 * SECOND - 1);
    assert!(run.check(Demand::none()).is_allowed());
    pass(&time, 1);
    assert_eq!(kind(run.reserve(Demand::none())), Some(ViolationType::IdleTimeout));
}

#[test]
fn what_is_not_looked_for_is_not_remembered() {
    let equal = |times| LongRunningExecutionPolicy { max_same_step_repetitions: times, ..disabled() };
    let run = run_on(&noon(), unlimited(), equal(Some(3)));
    let step = || run.reserve(Demand::step().fingerprint(1)).map(drop);
    assert_eq!([step(), step()], [Ok(()), Ok(())]);
    run.set_long_running(equal(None)).unwrap();
    assert_eq!(step(), Ok(()));
    run.set_long_running(equal(Some(3))).unwrap();
    assert_eq!([step(), step()], [Ok(()), Ok(())], "a run begins with the change");
    assert_eq!(kind(step()), Some(ViolationType::SameStepLoop));
}

#[test]
fn limits_of_an_execution_that_has_ended_change_nothing_that_was_counted() {
    let run = run(tokens(10));
    run.charge(Actual::tokens(3, 0).steps(2));
    run.finish();
    run.set_limits(tokens(1)).unwrap();
    let usage = run.snapshot();
    assert_eq!((usage.steps, usage.total_tokens, usage.debt_tokens), (2, 3, 2));
}

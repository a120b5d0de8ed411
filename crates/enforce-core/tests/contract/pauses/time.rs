//! Active time, idleness, and the time for which an execution is paused.

use enforce_core::{
    Action, Cause, Demand, EnforcementPolicy, EnforcementResult, Execution, LongRunningExecutionPolicy, ManualClock,
    ResourceLimits, Retry, Status, ViolationType,
};

use crate::common::{SECOND, builder, disabled, kind, noon, pass, register, run_on, unlimited};
use crate::limits::{ACTIONS, all, outcome};

use super::{approval, ticket};

const MS: u64 = 1_000_000;

fn active(max_active_time_ms: u64, policy: EnforcementPolicy) -> (ManualClock, Execution) {
    let time = noon();
    let limits = ResourceLimits { max_active_time_ms: Some(max_active_time_ms), ..unlimited() };
    let run = register(&builder(&time).limits(limits).policy(policy).build().unwrap(), "exec", "tenant");
    (time, run)
}

fn resume(run: &Execution) {
    run.approve(&ticket(run), approval()).unwrap();
}

#[test]
fn active_time_blocks_from_the_limit_and_its_grace_on_to_the_nanosecond() {
    for (limit, grace) in [(1, 0), (1, 1), (5_000, 1_000)] {
        for action in ACTIONS {
            let (time, run) = active(limit, EnforcementPolicy { timeout_grace_ms: grace, ..all(action) });
            pass(&time, (limit + grace) * MS - 1);
            assert_eq!(run.reserve(Demand::step()).map(|hold| hold.observed()), Ok(None));
            pass(&time, 1);
            let asked = run.reserve(Demand::none()).map(|hold| hold.observed());
            let violation = if action == Action::Observe { asked.unwrap().unwrap() } else { asked.unwrap_err() };
            assert_eq!((violation.used, violation.limit, violation.retry), (limit + grace, limit, Retry::Never));
            assert_eq!(violation.violation_type, ViolationType::WallTimeLimit);
            assert_eq!(run.status(), outcome(action, violation.as_cause()));
        }
    }
}

#[test]
fn active_time_of_0_allows_nothing_unset_allows_all_and_the_longest_never_comes() {
    let (_, run) = active(0, EnforcementPolicy::default());
    assert_eq!(run.reserve(Demand::none()).unwrap_err().to_string(), "wall_time_limit exceeded: 0 / 0");
    let (time, run) = active(u64::MAX, EnforcementPolicy::default());
    time.set(enforce_core::Timestamp::from_nanos(u64::MAX));
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn active_time_warns_from_its_threshold_on() {
    let (time, run) = active(1_000, EnforcementPolicy { timeout_grace_ms: 0, ..EnforcementPolicy::default() });
    pass(&time, 800 * MS - 1);
    assert_eq!(run.check(Demand::step()), EnforcementResult::Allowed);
    pass(&time, 1);
    let warning = run.reserve(Demand::step()).unwrap().warning().unwrap();
    assert_eq!((warning.usage_percent, warning.current, warning.limit), (80, 800, 1_000));
}

#[test]
fn time_spent_paused_is_not_active() {
    let time = noon();
    let limits = ResourceLimits { max_active_time_ms: Some(1_000), ..unlimited() };
    let policy = EnforcementPolicy { timeout_grace_ms: 0, ..EnforcementPolicy::default() };
    let run = register(&builder(&time).limits(limits).policy(policy).build().unwrap(), "exec", "tenant");
    for _ in 0..3 {
        pass(&time, 300 * MS);
        run.pause("wait");
        pass(&time, 2_000 * MS);
        resume(&run);
    }
    pass(&time, 100 * MS - 1);
    assert!(run.check(Demand::none()).is_allowed(), "999.999999 ms of activity");
    pass(&time, 1);
    let refused = run.reserve(Demand::none()).unwrap_err();
    assert_eq!((refused.used, refused.limit), (1_000, 1_000));
}

#[test]
fn wall_time_goes_on_while_paused() {
    let time = noon();
    let run = run_on(&time, ResourceLimits { max_wall_time_ms: 1_000, ..unlimited() }, disabled());
    run.pause("wait");
    pass(&time, 2_000 * MS);
    resume(&run);
    assert_eq!(kind(run.reserve(Demand::none())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn pauses_that_overlap_count_once() {
    let (time, root) = active(1_000, EnforcementPolicy { timeout_grace_ms: 0, ..EnforcementPolicy::default() });
    let limits = ResourceLimits { max_active_time_ms: Some(1_000), ..unlimited() };
    let leaf = root.child("leaf").limits(limits).register().unwrap();
    pass(&time, 400 * MS);
    leaf.pause("own");
    pass(&time, 300 * MS);
    root.pause("above");
    pass(&time, 300 * MS);
    resume(&leaf);
    pass(&time, 300 * MS);
    resume(&root);
    pass(&time, 600 * MS - 1);
    assert!(leaf.check(Demand::none()).is_allowed());
    pass(&time, 1);
    assert_eq!(leaf.reserve(Demand::none()).unwrap_err().used, 1_000, "400 before and 600 after");
    assert_eq!(kind(root.reserve(Demand::none())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn i1_a_resume_is_activity_and_a_pause_is_no_idleness() {
    let time = noon();
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let run = register(&builder(&time).long_running(idle.clone()).build().unwrap(), "exec", "tenant");
    let leaf = run.child("leaf").long_running(idle).register().unwrap();
    pass(&time, 9 * SECOND);
    run.pause("wait");
    pass(&time, 60 * SECOND);
    assert_eq!(kind(run.touch()), Some(ViolationType::Paused), "not idle");
    resume(&run);
    pass(&time, 10 * SECOND - 1);
    assert!(run.check(Demand::none()).is_allowed() && leaf.check(Demand::none()).is_allowed());
    pass(&time, 1);
    assert_eq!(kind(leaf.reserve(Demand::none())), Some(ViolationType::IdleTimeout));
}

#[test]
fn an_idle_execution_that_is_paused_for_it_goes_on_after_its_approval() {
    let time = noon();
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let builder = builder(&time).long_running(idle).policy(all(Action::Pause));
    let run = register(&builder.build().unwrap(), "exec", "tenant");
    pass(&time, 10 * SECOND);
    assert_eq!(kind(run.reserve(Demand::none())), Some(ViolationType::IdleTimeout));
    assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::IdleTimeout)));
    resume(&run);
    assert!(run.reserve(Demand::step()).is_ok());
}

//! Guards: loops and cycles, discovery depth, the cost threshold, and a tenant's slots.

use enforce_core::{
    Action, Actual, Cause, Demand, Execution, ExecutionUsage, LongRunningExecutionPolicy, RegisterError,
    ResourceLimits, Retry, ScopeKind, Status, ViolationType,
};

use crate::common::{builder, disabled, nano, noon, register, run_long, unlimited};

use super::{ACTIONS, all, outcome};

fn looping(times: u64, longest: u64, action: Action) -> Execution {
    let long_running =
        LongRunningExecutionPolicy { max_same_step_repetitions: Some(times), max_cycle_length: longest, ..disabled() };
    register(&builder(&noon()).long_running(long_running).policy(all(action)).build().unwrap(), "exec", "tenant")
}

/// How many of these steps are admitted before the first that is not; `.` is a step without a fingerprint.
fn admitted(run: &Execution, steps: &str) -> usize {
    let demand = |step: char| if step == '.' { Demand::step() } else { Demand::step().fingerprint(step.into()) };
    steps.chars().take_while(|step| run.reserve(demand(*step)).is_ok()).count()
}

#[test]
fn the_step_that_would_make_n_equal_steps_in_a_row_is_refused() {
    for (times, longest, steps, through) in [
        (2, 1, "aa", 1),
        (3, 1, "aaa", 2),
        (3, 1, "aabaabaab", 9),
        (3, 1, "aa.aa.aab", 9),
        (3, 1, "bbabaaa", 6),
        (5, 1, "aaaaa", 4),
        (3, 2, "ababab", 5),
        (3, 2, "xababab", 6),
        (3, 2, "ababaab", 7),
        (3, 2, "abab.abab", 9),
        (2, 2, "abab", 3),
        (2, 2, "abcabc", 6),
        (2, 3, "abcabc", 5),
        (2, 3, "aab", 1),
        (3, 3, "aabaabaab", 8),
        (2, 8, "abcdefghabcdefgh", 15),
        (3, 8, "abababa", 5),
        (2, 7, "abcdefghabcdefgh", 16),
        (3, 1, ".....", 5),
    ] {
        assert_eq!(admitted(&looping(times, longest, Action::Halt), steps), through, "{times} × {longest}: {steps}");
    }
}

#[test]
fn a_loop_is_exhausted_at_the_step_that_it_refuses_and_acts_then() {
    for action in ACTIONS {
        let run = looping(3, 1, action);
        assert_eq!(admitted(&run, "aa"), 2);
        let asked = run.reserve(Demand::step().fingerprint('a'.into())).map(|hold| hold.observed());
        let violation = if action == Action::Observe { asked.unwrap().unwrap() } else { asked.unwrap_err() };
        assert_eq!(violation.to_string(), "same_step_loop exceeded: 3 / 3 (100%)");
        assert_eq!((violation.used, violation.asked, violation.remaining), (2, 1, 0));
        assert_eq!((run.status(), violation.retry), (outcome(action, violation.as_cause()), Retry::Never));
        assert_eq!(run.snapshot().steps, if action == Action::Observe { 3 } else { 2 });
    }
}

#[test]
fn t2_only_admitted_steps_are_remembered() {
    let run = looping(3, 1, Action::Refuse);
    assert_eq!(admitted(&run, "aaa"), 2);
    assert!(run.reserve(Demand::step().fingerprint('b'.into()).tokens(u64::MAX, 0)).is_err());
    assert!(run.check(Demand::step().fingerprint('b'.into())).is_allowed());
    assert_eq!(admitted(&run, "a"), 0, "neither a refusal nor a question has broken the run");
    assert!(run.reserve(Demand::none().tokens(1, 0)).is_ok(), "no step, no break");
    assert_eq!(admitted(&run, "aba"), 0);
    assert_eq!(admitted(&run, "baab"), 4);
}

#[test]
fn fewer_than_two_repetitions_or_a_cycle_outside_1_to_8_is_an_error() {
    for (times, longest, key) in [
        (0, 1, "max_same_step_repetitions"),
        (1, 1, "max_same_step_repetitions"),
        (2, 0, "max_cycle_length"),
        (2, 9, "max_cycle_length"),
    ] {
        let long_running = LongRunningExecutionPolicy {
            max_same_step_repetitions: Some(times),
            max_cycle_length: longest,
            ..disabled()
        };
        assert_eq!(builder(&noon()).long_running(long_running).build().unwrap_err().key, key);
    }
}

#[test]
fn d1_depth_never_passes_its_limit_nor_0_and_its_maximum_is_the_true_one() {
    for limit in [0, 1, 2, 5] {
        let run = run_long(LongRunningExecutionPolicy { max_discovery_depth: Some(limit), ..disabled() });
        let mut guards: Vec<_> = (0..limit).map(|_| run.enter_discovery().unwrap()).collect();
        let refused = run.enter_discovery().unwrap_err();
        assert_eq!(
            (refused.violation_type, refused.used, refused.limit),
            (ViolationType::DiscoveryDepthLimit, limit, limit)
        );
        assert_eq!(refused.retry, if limit == 0 { Retry::Never } else { Retry::WhenFreed });
        let depth = || (run.snapshot().discovery_depth, run.snapshot().max_discovery_depth);
        assert_eq!((depth(), run.status()), ((limit, limit), Status::Live));
        assert!(run.reserve(Demand::step().discovered_steps(1)).is_ok(), "depth is asked by its guard alone");
        while guards.pop().is_some() {}
        assert_eq!(depth(), (0, limit));
        let usage = ExecutionUsage::from(run.clone());
        usage.pop_discovery_depth();
        assert_eq!(depth(), (0, limit), "a pop too many changes nothing");
        assert_eq!(usage.try_push_discovery_depth().is_ok(), limit > 0);
    }
    let unlimited = run_long(disabled());
    assert!((0..1_000).all(|_| ExecutionUsage::from(unlimited.clone()).try_push_discovery_depth().is_ok()));
}

fn alerting(threshold: u64, action: Action) -> Execution {
    let long_running = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(threshold)), ..disabled() };
    register(&builder(&noon()).long_running(long_running).policy(all(action)).build().unwrap(), "exec", "tenant")
}

#[test]
fn e1_the_cost_threshold_acts_by_the_record_that_reaches_it_before_that_returns() {
    for action in ACTIONS {
        let run = alerting(100, action);
        let hold = run.reserve(Demand::step().cost(nano(500))).unwrap();
        assert_eq!(run.status(), Status::Live, "what is only set aside is not committed");
        assert_eq!(run.charge(Actual::none().cost(nano(99))).exhausted, None);
        assert_eq!(run.status(), Status::Live, "one below");
        let exhausted = hold.settle(Actual::none().cost(nano(1))).exhausted;
        let cause = Cause::own(ViolationType::CostThreshold);
        assert_eq!(run.status(), outcome(action, cause));
        let acts = matches!(action, Action::Pause | Action::Halt);
        assert_eq!(
            exhausted.map(|violation| (violation.as_cause(), violation.used, violation.limit)),
            acts.then_some((cause, 100, 100))
        );
        let next = run.reserve(Demand::none()).map(|hold| hold.observed().map(|it| it.violation_type));
        match action {
            Action::Observe => assert_eq!(next, Ok(Some(ViolationType::CostThreshold))),
            Action::Refuse => {
                assert_eq!(next.unwrap_err().to_string(), "cost_threshold exceeded: $0.0000001 / $0.0000001 (100%)")
            }
            Action::Pause => assert_eq!(next.unwrap_err().to_string(), "paused by cost_threshold"),
            Action::Halt => assert_eq!(next.unwrap_err().to_string(), "halted by cost_threshold"),
        }
        assert_eq!(run.charge(Actual::none().cost(nano(1))).exhausted, None, "it acts once");
    }
}

#[test]
fn a_paused_execution_is_refused_until_an_approval() {
    let run = alerting(1, Action::Pause);
    run.charge(Actual::none().cost(nano(1)));
    for _ in 0..2 {
        let refused = run.reserve(Demand::none()).unwrap_err();
        assert_eq!((refused.violation_type, refused.retry), (ViolationType::Paused, Retry::AfterApproval));
    }
    assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::CostThreshold)));
}

#[test]
fn a_cost_threshold_of_0_asks_at_the_first_step_and_sums_below_a_cent_count() {
    let run = alerting(0, Action::Pause);
    assert_eq!(run.reserve(Demand::step()).unwrap_err().to_string(), "cost_threshold exceeded: $0.00 / $0.00");
    assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::CostThreshold)));
    let run = alerting(5_000_000_000, Action::Pause);
    let calls = (0..).take_while(|_| run.charge(Actual::none().cost(nano(4_000_000))).exhausted.is_none()).count();
    assert_eq!(calls, 1_249, "the 1,250th call of $0.004 reaches $5");
}

#[test]
fn the_cost_threshold_warns_of_what_is_used_and_asked() {
    let run = alerting(100, Action::Pause);
    assert_eq!(run.reserve(Demand::none().cost(nano(79))).unwrap().warning(), None);
    let warning = run.reserve(Demand::none().cost(nano(80))).unwrap().warning().unwrap();
    assert_eq!(warning.to_string(), "cost_threshold at 80%: $0.00000008 / $0.0000001");
    assert!(run.reserve(Demand::none().cost(nano(101))).is_ok(), "it limits what is committed, not what is asked");
}

#[test]
fn g1_a_tenant_has_as_many_live_executions_as_slots_and_not_one_more() {
    for slots in [0, 1, 2, 7] {
        let limits = ResourceLimits { max_concurrent_executions: Some(slots), ..unlimited() };
        let enforcer = builder(&noon()).limits(limits).build().unwrap();
        let runs: Vec<_> = (0..slots).map(|number| register(&enforcer, &format!("exec_{number}"), "tenant")).collect();
        let Err(RegisterError::Refused(refused)) = enforcer.execution("one_more", "tenant").register() else {
            panic!("one too many")
        };
        assert_eq!((refused.violation_type, refused.scope), (ViolationType::ConcurrencyLimit, ScopeKind::Tenant));
        assert_eq!((refused.used, refused.asked, refused.limit, refused.remaining), (slots, 1, slots, 0));
        assert_eq!(refused.retry, if slots == 0 { Retry::Never } else { Retry::WhenFreed });
        assert!(slots == 0 || enforcer.execution("other", "other").register().is_ok(), "another tenant has its own");
        for run in runs {
            run.finish();
            let next = register(&enforcer, "one_more", "tenant");
            next.finish();
        }
    }
}

#[test]
fn an_executions_own_limits_do_not_change_its_tenants_slots() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let own = ResourceLimits { max_concurrent_executions: Some(9), max_steps: 1, ..unlimited() };
    let first = enforcer.execution("first", "tenant").limits(own.clone()).register().unwrap();
    assert!(enforcer.execution("second", "tenant").limits(own).register().is_err());
    assert!(first.reserve(Demand::step()).is_ok() && first.reserve(Demand::step()).is_err());
}

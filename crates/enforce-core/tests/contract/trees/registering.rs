//! What a registration of a child takes, what refuses it, and that nothing of it is left behind then (G1, I1).

use enforce_core::{
    Cause, Demand, EnforcementViolation, Execution, LongRunningExecutionPolicy, RegisterError, ResourceLimits, Retry,
    ScopeKind, Status, ViolationType,
};

use crate::common::{SECOND, builder, disabled, kind, noon, pass, register, run, run_on, unlimited};

use super::{child, held, sliced};

fn refused(outcome: Result<Execution, RegisterError>) -> EnforcementViolation {
    match outcome {
        Err(RegisterError::Refused(violation)) => violation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn live_children_up_to_the_limit_none_above_it_and_a_slot_comes_back_by_halt_and_by_end() {
    for limit in [1, 2, 5] {
        let root = run(ResourceLimits { max_children: Some(limit), ..unlimited() });
        let children: Vec<_> = (0..limit).map(|number| child(&root, &format!("leaf_{number}"))).collect();
        let violation = refused(root.child("more").register());
        assert_eq!((violation.violation_type, violation.scope), (ViolationType::ChildLimit, ScopeKind::Parent));
        assert_eq!((violation.used, violation.asked, violation.limit, violation.remaining), (limit, 1, limit, 0));
        assert_eq!((violation.retry, violation.to_error().is_fatal()), (Retry::WhenFreed, true));
        assert_eq!(
            violation.to_string(),
            format!("child_limit exceeded: {} / {limit} ({}%)", limit + 1, (limit + 1) * 100 / limit)
        );
        children[0].halt(Cause::own(ViolationType::Requested));
        let next = child(&root, "more");
        children[0].finish();
        refused(root.child("one more").register());
        next.finish();
        assert!(root.child("one more").register().is_ok(), "G1: each slot comes back once");
        assert_eq!(root.status(), Status::Live, "a limit that frees itself acts on nobody");
    }
}

#[test]
fn children_of_a_whole_life_are_counted_for_good() {
    let root = run(ResourceLimits { max_children_total: Some(2), ..unlimited() });
    child(&root, "one").finish();
    assert!(root.child("one").slice(Demand::none()).register().is_ok());
    let violation = refused(root.child("three").register());
    assert_eq!((violation.used, violation.limit, violation.retry), (2, 2, Retry::Never));
}

#[test]
fn limits_of_0_allow_no_child_and_unset_ones_many() {
    for limits in [
        ResourceLimits { max_children: Some(0), ..unlimited() },
        ResourceLimits { max_children_total: Some(0), ..unlimited() },
    ] {
        let violation = refused(run(limits).child("leaf").register());
        assert_eq!((violation.to_string().as_str(), violation.retry), ("child_limit exceeded: 1 / 0", Retry::Never));
    }
    let root = run(unlimited());
    assert_eq!((0..100).map(|number| child(&root, &format!("leaf_{number}"))).count(), 100);
    assert_eq!(root.children().len(), 0, "without an enforcer nobody keeps them but their handles");
}

#[test]
fn l1_limits_of_children_can_be_raised_and_lowered_while_they_live() {
    let root = run(ResourceLimits { max_children: Some(1), ..unlimited() });
    let _one = child(&root, "one");
    root.set_limits(ResourceLimits { max_children: Some(2), ..unlimited() }).unwrap();
    let _two = child(&root, "two");
    root.set_limits(ResourceLimits { max_children: Some(1), ..unlimited() }).unwrap();
    let violation = refused(root.child("three").register());
    assert_eq!((violation.used, violation.limit, violation.remaining), (2, 1, 0));
}

#[test]
fn a_tree_is_at_most_eight_deep_below_its_root() {
    let enforcer = builder(&noon()).build().unwrap();
    let mut deepest = register(&enforcer, "exec_0", "tenant");
    for depth in 1..=8 {
        deepest = child(&deepest, &format!("exec_{depth}"));
    }
    let violation = refused(deepest.child("exec_9").register());
    assert_eq!((violation.violation_type, violation.used, violation.limit), (ViolationType::ChildLimit, 8, 8));
    assert_eq!(violation.retry, Retry::Never);
    let demand = Demand::step().tokens(1, 1).memory_bytes(1).discovered_steps(1).cost(crate::common::nano(1));
    assert!(deepest.reserve(demand).is_ok(), "every limit of nine in one admission");
    assert_eq!(enforcer.get("exec_0").unwrap().snapshot().steps, 1);
}

#[test]
fn g1_of_a_registration_that_is_refused_nothing_is_left() {
    let limits = ResourceLimits { max_children: Some(2), max_tokens: 100, ..unlimited() };
    let time = noon();
    let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let enforcer = builder(&time).limits(limits).long_running(long_running).max_executions(3).build().unwrap();
    let (root, beside) = (register(&enforcer, "root", "tenant"), register(&enforcer, "beside", "tenant"));
    pass(&time, 9 * SECOND);
    let slice = Demand::none().tokens(80, 0);
    assert!(matches!(root.child("beside").slice(slice).register(), Err(RegisterError::Duplicate { .. })));
    assert!(matches!(root.child("").slice(slice).register(), Err(RegisterError::InvalidId(_))));
    let absurd = ResourceLimits { max_steps: u64::MAX - 1, ..unlimited() };
    assert!(matches!(root.child("leaf").limits(absurd).slice(slice).register(), Err(RegisterError::Config(_))));
    refused(root.child("leaf").slice(Demand::none().tokens(101, 0)).register());
    let _third = register(&enforcer, "third", "tenant");
    assert_eq!(root.child("leaf").slice(slice).register().unwrap_err(), RegisterError::Full { table: "executions" });
    assert_eq!((held(&root), root.children().len(), enforcer.execution_count()), ([0; 3], 0, 3));
    pass(&time, SECOND);
    assert_eq!(kind(root.reserve(Demand::none())), Some(ViolationType::IdleTimeout), "T2: nor is it activity");
    beside.finish();
}

#[test]
fn g1_an_id_is_one_registration_whoever_bears_it() {
    let enforcer = builder(&noon()).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let leaf = child(&root, "leaf");
    assert!(matches!(leaf.child("root").register(), Err(RegisterError::Duplicate { .. })));
    assert!(matches!(enforcer.execution("leaf", "other").register(), Err(RegisterError::Duplicate { .. })));
    assert_eq!(enforcer.get("leaf").unwrap().parent().unwrap().id(), "root");
    leaf.finish();
    assert!(enforcer.execution("leaf", "other").register().is_ok());
}

#[test]
fn a_child_takes_no_slot_of_its_tenant() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let _leaf = child(&root, "leaf");
    assert_eq!((enforcer.live_executions("tenant"), enforcer.execution_count()), (1, 2));
}

#[test]
fn e1_a_parent_that_is_paused_halted_or_ended_has_no_more_children() {
    type Stop = fn(&Execution);
    let stops: [(Stop, ViolationType); 3] = [
        (|run| assert!(matches!(run.pause("wait"), Status::Paused(_))), ViolationType::Paused),
        (
            |run| assert!(matches!(run.halt(Cause::own(ViolationType::CostLimit)), Status::Halted(_))),
            ViolationType::Halted,
        ),
        (|run| drop(run.finish()), ViolationType::Closed),
    ];
    for (stop, kind) in stops {
        let root = run(unlimited());
        stop(&root);
        for slice in [None, Some(Demand::step())] {
            let builder = root.child("leaf");
            let violation = refused(slice.map_or_else(|| root.child("leaf"), |it| builder.slice(it)).register());
            assert_eq!((violation.violation_type, violation.scope), (kind, ScopeKind::Parent));
            assert!(violation.cause.is_none_or(|cause| cause.scope == ScopeKind::Parent));
        }
    }
}

#[test]
fn i1_a_parent_with_a_live_child_is_not_idle_and_is_idle_since_it_was_halted_or_ended() {
    for (slice, halted) in [(None, false), (Some(Demand::step()), false), (None, true), (Some(Demand::step()), true)] {
        let time = noon();
        let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
        let root = run_on(&time, unlimited(), idle);
        let leaf = root.child("leaf").long_running(disabled());
        let leaf = match slice {
            Some(slice) => leaf.slice(slice).register().unwrap(),
            None => leaf.register().unwrap(),
        };
        pass(&time, 60 * SECOND);
        assert!(root.check(Demand::none()).is_allowed());
        if halted {
            leaf.halt(Cause::own(ViolationType::CostLimit));
        } else {
            leaf.finish();
        }
        pass(&time, 10 * SECOND - 1);
        assert!(root.check(Demand::none()).is_allowed(), "the time of the child is no idleness");
        pass(&time, 1);
        assert_eq!(kind(root.reserve(Demand::none())), Some(ViolationType::IdleTimeout));
    }
}

#[test]
fn i1_a_halted_child_does_not_keep_its_parent_from_being_idle() {
    let time = noon();
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() };
    let root = run_on(&time, unlimited(), idle);
    let leaf = child(&root, "leaf");
    leaf.halt(Cause::own(ViolationType::CostLimit));
    pass(&time, 10 * SECOND);
    assert_eq!(kind(root.reserve(Demand::none())), Some(ViolationType::IdleTimeout));
}

#[test]
fn a_child_has_its_parents_guards_unless_it_is_given_others() {
    let guards =
        LongRunningExecutionPolicy { max_same_step_repetitions: Some(2), max_discovered_steps: Some(1), ..disabled() };
    let root = run_on(&noon(), unlimited(), guards);
    let leaf = child(&root, "leaf");
    drop(leaf.reserve(Demand::step().fingerprint(1)).unwrap());
    assert_eq!(kind(leaf.reserve(Demand::step().fingerprint(1))), Some(ViolationType::SameStepLoop));
    assert_eq!(
        kind(sliced(&root, "other", Demand::none()).reserve(Demand::none().discovered_steps(1))),
        Some(ViolationType::DiscoveredStepLimit)
    );
}

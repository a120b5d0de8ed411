//! The process's slots: as many live executions as all tenants together may have (G1).

use enforce_core::{
    Action, Cause, EnforcementPolicy, Enforcer, LimitActions, ProcessPolicy, RegisterError, ResourceLimits, Retry,
    ScopeKind, ViolationType,
};

use crate::common::{builder, noon, register, unlimited};

fn limited(process: u64, tenant: u64) -> Enforcer {
    let limits = ResourceLimits { max_concurrent_executions: Some(tenant), ..unlimited() };
    let process = ProcessPolicy { max_concurrent_executions: Some(process), ..Default::default() };
    builder(&noon()).limits(limits).process(process).build().unwrap()
}

/// Which scope has no slot to give.
fn lacking(enforcer: &Enforcer, id: &str, tenant: &str) -> Option<(ScopeKind, u64, Retry)> {
    match enforcer.execution(id, tenant).register() {
        Ok(_) => None,
        Err(RegisterError::Refused(it)) if it.violation_type == ViolationType::ConcurrencyLimit => {
            Some((it.scope, it.limit, it.retry))
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn g1_a_registration_takes_both_slots_or_neither_and_the_tenants_is_asked_first() {
    let enforcer = limited(3, 2);
    let live = || (enforcer.live_executions("a"), enforcer.process_usage().live_executions);
    let [_a1, _a2, _b] = [("1", "a"), ("2", "a"), ("3", "b")].map(|(id, tenant)| register(&enforcer, id, tenant));
    assert_eq!(lacking(&enforcer, "4", "a"), Some((ScopeKind::Tenant, 2, Retry::WhenFreed)), "both are full");
    assert_eq!(lacking(&enforcer, "4", "b"), Some((ScopeKind::Process, 3, Retry::WhenFreed)));
    assert_eq!(lacking(&enforcer, "4", "c"), Some((ScopeKind::Process, 3, Retry::WhenFreed)));
    assert_eq!((live(), enforcer.live_executions("b"), enforcer.live_executions("c")), ((2, 3), 1, 0));
    assert!(matches!(enforcer.execution("1", "c").register(), Err(RegisterError::Duplicate { .. })));
    assert_eq!(live(), (2, 3), "whoever is refused has taken nothing");
}

#[test]
fn g1_a_halt_gives_both_back_at_once_and_an_end_behind_it_gives_nothing_more() {
    for halted in [true, false] {
        let enforcer = limited(1, 1);
        let run = register(&enforcer, "1", "a");
        if halted {
            run.halt(Cause::own(ViolationType::Requested));
            assert_eq!((enforcer.live_executions("a"), enforcer.process_usage().live_executions), (0, 0));
            run.halt(Cause::own(ViolationType::Requested));
        }
        run.finish();
        run.finish();
        assert_eq!((enforcer.live_executions("a"), enforcer.process_usage().live_executions), (0, 0));
        let _next = register(&enforcer, "1", "a");
        assert_eq!(lacking(&enforcer, "2", "b"), Some((ScopeKind::Process, 1, Retry::WhenFreed)));
    }
}

#[test]
fn g1_a_full_table_keeps_no_slot() {
    let process = ProcessPolicy { max_concurrent_executions: Some(9), ..Default::default() };
    let enforcer = builder(&noon()).process(process).max_executions(1).build().unwrap();
    let _run = register(&enforcer, "1", "a");
    assert!(matches!(enforcer.execution("2", "b").register(), Err(RegisterError::Full { .. })));
    assert_eq!(enforcer.process_usage().live_executions, 1);
}

#[test]
fn a_child_takes_no_slot_of_the_process() {
    let enforcer = limited(1, 1);
    let run = register(&enforcer, "1", "a");
    let child = run.child("1.1").register().unwrap();
    assert_eq!(enforcer.process_usage().live_executions, 1);
    child.finish();
    assert_eq!(enforcer.process_usage().live_executions, 1);
    run.finish();
    assert_eq!(enforcer.process_usage().live_executions, 0);
}

#[test]
fn l1_the_processs_slots_follow_their_limit_up_and_down_and_back() {
    let enforcer = limited(1, 9);
    let set = |max_concurrent_executions| {
        enforcer.set_process(&ProcessPolicy { max_concurrent_executions, ..Default::default() }).unwrap();
    };
    let first = register(&enforcer, "1", "a");
    assert!(lacking(&enforcer, "2", "b").is_some());
    set(Some(2));
    let second = register(&enforcer, "2", "b");
    set(Some(1));
    first.finish();
    assert_eq!(lacking(&enforcer, "3", "c"), Some((ScopeKind::Process, 1, Retry::WhenFreed)));
    second.finish();
    let third = register(&enforcer, "3", "c");
    set(Some(0));
    assert_eq!(lacking(&enforcer, "4", "d"), Some((ScopeKind::Process, 0, Retry::Never)));
    set(None);
    let _fourth = register(&enforcer, "4", "d");
    assert_eq!(enforcer.process_usage().live_executions, 2);
    drop(third);
}

#[test]
fn an_observed_limit_on_live_executions_counts_and_refuses_nobody() {
    let actions = LimitActions { concurrency: Action::Observe, ..Default::default() };
    let process = ProcessPolicy { max_concurrent_executions: Some(1), ..Default::default() };
    let policy = EnforcementPolicy { actions, ..Default::default() };
    let enforcer = builder(&noon()).policy(policy).process(process).build().unwrap();
    let _runs = ["1", "2", "3"].map(|id| register(&enforcer, id, id));
    assert_eq!(enforcer.process_usage().live_executions, 3);
}

//! Halts, ends and ids that are used again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use enforce_core::{
    Actual, Cause, Demand, Execution, LongRunningExecutionPolicy, RegisterError, ResourceLimits, Status, ViolationType,
};

use crate::common::{builder, disabled, kind, nano, noon, register, run_on, unlimited};

use super::{committed, outstanding, roomy, whole};

/// Something that stops an execution, and what it is called then.
type Stop = (fn(&Execution), ViolationType);

/// Everything that stops an execution.
fn stops() -> [Stop; 3] {
    [
        (|run| assert_ne!(run.halt(Cause::own(ViolationType::IdleTimeout)), Status::Live), ViolationType::Halted),
        (|run| assert!(!run.finish().execution_id.is_empty()), ViolationType::Closed),
        (|run| assert!(run.charge(Actual::none().cost(nano(50))).exhausted.is_some()), ViolationType::Paused),
    ]
}

#[test]
fn r1_e1_a_hold_is_settled_after_a_halt_an_end_or_a_pause_as_it_would_have_been_before() {
    for (stop, state) in stops() {
        let long_running = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(50)), ..disabled() };
        let run = run_on(&noon(), roomy(), long_running);
        let (settled, dropped) = (run.reserve(whole()).unwrap(), run.reserve(Demand::step().memory_bytes(1)).unwrap());
        let before = committed(&run).3;
        stop(&run);
        let spent = committed(&run).3 - before;
        for demand in
            [Demand::none(), Demand::step(), whole(), Demand::none().memory_bytes(1), Demand::none().fingerprint(1)]
        {
            assert_eq!(kind(run.reserve(demand)), Some(state), "{demand:?}");
            assert!(run.check(demand).is_blocked(), "{demand:?}");
        }
        assert_eq!(kind(run.touch()), Some(state));
        assert_eq!(kind(run.enter_discovery()), Some(state));
        let settlement = settled.settle(Actual::tokens(70, 50).cost(nano(31)));
        assert_eq!((settlement.overrun_tokens, settlement.overrun_nano_usd), (20, 1));
        assert_eq!(settlement.late, state != ViolationType::Paused, "{state}");
        drop(dropped);
        assert_eq!((outstanding(&run), committed(&run)), ((0, 0, 0), (2, 70, 50, 31 + spent, 2)), "{state}");
        assert_eq!(run.snapshot().debt_tokens, 20);
    }
}

#[test]
fn c1_a_tenants_sums_are_those_of_its_executions_live_ended_and_settled_late() {
    let enforcer = builder(&noon()).build().unwrap();
    let (first, second) = (register(&enforcer, "first", "tenant"), register(&enforcer, "second", "tenant"));
    let sums = || {
        let usage = enforcer.tenant_usage("tenant").unwrap();
        [usage.steps, usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cost_nano_usd]
    };
    let hold = first.reserve(whole()).unwrap();
    second.reserve(whole()).unwrap().settle(Actual::tokens(1, 2).cost(nano(3)));
    assert_eq!(sums(), [2, 1, 2, 3, 3]);
    let usage = first.finish();
    assert_eq!((usage.outstanding.tokens, usage.outstanding.cost_nano_usd), (100, 30), "not final yet");
    assert_eq!(sums(), [2, 1, 2, 3, 3]);
    assert!(hold.settle(Actual::tokens(10, 20).cost(nano(30)).steps(5)).late);
    assert!(first.charge(Actual::tokens(100, 0).cost(nano(1))).late);
    assert!(first.finish().outstanding.is_zero(), "final");
    assert_eq!(sums(), [7, 111, 22, 133, 34]);
    second.finish();
    drop((first, second));
    assert_eq!(sums(), [7, 111, 22, 133, 34]);
    let evicted = enforcer.evict_idle_tenants();
    assert_eq!((evicted.len(), evicted[0].total_tokens, enforcer.tenant_count()), (1, 133, 0), "they leave with it");
}

#[test]
fn g1_a_halt_and_an_end_give_the_slot_back_once_together() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let live = || enforcer.tenant_usage("tenant").unwrap().live_executions;
    let first = register(&enforcer, "first", "tenant");
    assert_eq!(live(), 1);
    first.halt(Cause::own(ViolationType::StepLimit));
    first.halt(Cause::own(ViolationType::TokenLimit));
    assert_eq!((live(), first.status()), (0, Status::Halted(Cause::own(ViolationType::StepLimit))), "E2");
    let second = register(&enforcer, "second", "tenant");
    assert_eq!(live(), 1);
    first.finish();
    first.finish();
    assert_eq!((live(), first.status()), (1, Status::Finished(Some(Cause::own(ViolationType::StepLimit)))));
    assert!(matches!(enforcer.execution("third", "tenant").register(), Err(RegisterError::Refused(_))));
    second.finish();
    second.halt(Cause::own(ViolationType::StepLimit));
    assert_eq!((live(), second.status()), (0, Status::Finished(None)), "a halt after the end does nothing");
}

#[test]
fn g1_a_paused_execution_keeps_its_slot_and_its_id() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let long_running = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(1)), ..disabled() };
    let enforcer = builder(&noon()).limits(limits).long_running(long_running).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::none().cost(nano(1)));
    assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::CostThreshold)));
    assert!(matches!(enforcer.execution("exec", "other").register(), Err(RegisterError::Duplicate { .. })));
    assert!(matches!(enforcer.execution("next", "tenant").register(), Err(RegisterError::Refused(_))));
    run.halt(Cause::own(ViolationType::CostLimit));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::CostLimit)));
    assert!(enforcer.execution("next", "tenant").register().is_ok());
}

#[test]
fn g1_a_second_registration_of_an_id_is_refused_and_takes_nothing() {
    let enforcer = builder(&noon()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    for tenant in ["tenant", "other"] {
        let refused = enforcer.execution("exec", tenant).register();
        assert!(matches!(refused, Err(RegisterError::Duplicate { id }) if id == "exec"));
    }
    assert_eq!((enforcer.execution_count(), enforcer.tenant_count()), (1, 1));
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().live_executions, 1);
    run.halt(Cause::own(ViolationType::StepLimit));
    assert!(matches!(enforcer.execution("exec", "tenant").register(), Err(RegisterError::Duplicate { .. })));
}

#[test]
fn g2_a_stale_handle_never_touches_its_successor_of_the_same_id() {
    let limits = ResourceLimits { max_tokens: 100, max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).build().unwrap();
    let stale = register(&enforcer, "exec", "tenant");
    let hold = stale.reserve_owned(Demand::step().tokens(50, 0)).unwrap();
    stale.finish();
    let successor = register(&enforcer, "exec", "tenant");
    assert_eq!(kind(stale.reserve(Demand::step())), Some(ViolationType::Closed));
    hold.settle(Actual::tokens(70, 0));
    stale.charge(Actual::tokens(70, 0));
    stale.halt(Cause::own(ViolationType::StepLimit));
    stale.finish();
    drop(stale.finish_on_drop());
    assert_eq!((committed(&successor), successor.status()), ((0, 0, 0, 0, 0), Status::Live));
    assert_eq!(enforcer.snapshot("exec").unwrap().status, Status::Live, "the id is the successor's");
    assert!(enforcer.reserve("exec", Demand::step().tokens(100, 0)).is_ok());
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().live_executions, 1);
}

#[test]
fn an_owner_that_finishes_on_drop_finishes_on_panic_too() {
    let enforcer = builder(&noon()).build().unwrap();
    let watched = register(&enforcer, "exec", "tenant");
    let owner = watched.clone().finish_on_drop();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _hold = owner.reserve(Demand::step().tokens(5, 5)).unwrap();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert_eq!((watched.status(), outstanding(&watched)), (Status::Finished(None), (0, 0, 0)));
    assert_eq!(enforcer.execution_count(), 0);
}

#[test]
fn dropping_handles_ends_nothing() {
    let enforcer = builder(&noon()).build().unwrap();
    drop(register(&enforcer, "exec", "tenant"));
    assert!(enforcer.reserve("exec", Demand::step()).is_ok());
    assert_eq!(enforcer.finish("exec").unwrap().steps, 1);
    assert_eq!(kind(enforcer.finish("exec")), Some(ViolationType::UnknownExecution));
}

#[test]
fn handles_and_holds_go_on_deciding_when_the_enforcer_has_gone() {
    let enforcer = builder(&noon()).limits(roomy()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve_owned(whole()).unwrap();
    drop(enforcer);
    assert_eq!(kind(run.reserve(Demand::step().tokens(1, 0))), Some(ViolationType::TokenLimit));
    hold.settle(Actual::tokens(1, 1));
    assert!(run.reserve(Demand::step().tokens(98, 0)).is_ok());
    assert_eq!(run.finish().total_tokens, 2);
    assert_eq!(run.finish().status, Status::Finished(None));
}

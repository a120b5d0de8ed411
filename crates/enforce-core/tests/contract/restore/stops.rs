//! Pauses and halts.

use enforce_core::{
    Actual, Approval, ApprovalError, Cause, Demand, EventBuffer, EventKind, LongRunningExecutionPolicy, OpenHolds,
    RestoreOptions, ScopeKind, Status, ViolationType,
};

use super::{into, saved};
use crate::common::{builder, disabled, kind, nano, noon, register, unlimited};

#[test]
fn e3_a_ticket_of_before_the_restart_approves_the_pause_behind_it() {
    let before = builder(&noon()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.pause("looks lost");
    let ticket = run.pause_ticket().unwrap();
    let run = into(builder(&noon()), &saved(&before)).get("exec").unwrap();
    assert_eq!(run.pause_ticket().as_ref(), Some(&ticket));
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::Paused));
    run.approve(&ticket, Approval::new("ada", "go on")).unwrap();
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn e3_a_number_that_was_given_out_after_the_state_was_saved_approves_nothing() {
    let before = builder(&noon()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let state = saved(&before);
    run.pause("after it was saved");
    let ticket = run.pause_ticket().unwrap();
    let run = into(builder(&noon()), &state).get("exec").unwrap();
    run.pause("another pause");
    assert_eq!(run.approve(&ticket, Approval::new("ada", "late")), Err(ApprovalError::NotPaused));
}

#[test]
fn e3_approvals_stay_on_record_and_raise_no_limit_unless_the_caller_says_so() {
    let time = noon();
    let policy = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(5)), ..disabled() };
    let guarded = || builder(&time).long_running(policy.clone());
    let before = guarded().build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.charge(Actual::none().cost(nano(6)));
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "worth it")).unwrap();
    assert!(run.reserve(Demand::step()).is_ok());
    let state = saved(&before);

    let as_configured = into(guarded(), &state).get("exec").unwrap();
    assert_eq!(as_configured.approvals(), run.approvals());
    assert_eq!(kind(as_configured.reserve(Demand::step())), Some(ViolationType::CostThreshold));

    let mut after = guarded().build().unwrap();
    let options = RestoreOptions::new().limits(|it| {
        let raised = it.approvals.last()?.next_limit?;
        Some((
            unlimited(),
            LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(raised)), ..policy.clone() },
        ))
    });
    after.restore(&state, options).unwrap();
    assert!(after.get("exec").unwrap().reserve(Demand::step()).is_ok());
}

#[test]
fn e1_a_pause_reaches_what_is_below_it_and_so_does_its_end() {
    let before = builder(&noon()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.child("below").register().unwrap();
    run.pause("wait");
    let after = into(builder(&noon()), &saved(&before));
    let (run, below) = (after.get("exec").unwrap(), after.get("below").unwrap());
    let above = Cause { violation_type: ViolationType::Requested, scope: ScopeKind::Parent };
    assert_eq!(below.status(), Status::Paused(above));
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
    assert!(below.reserve(Demand::step()).is_ok());
}

#[test]
fn e2_a_halt_stays_for_its_own_cause_and_has_given_its_slot_back() {
    let time = noon();
    let one =
        || builder(&time).limits(enforce_core::ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() });
    let before = one().build().unwrap();
    let run = register(&before, "exec", "tenant");
    let below = run.child("below").register().unwrap();
    below.halt(Cause::own(ViolationType::SameStepLoop));
    run.halt(Cause::own(ViolationType::StepLimit));
    let after = into(one(), &saved(&before));
    assert_eq!(after.get("exec").unwrap().status(), Status::Halted(Cause::own(ViolationType::StepLimit)));
    assert_eq!(after.get("below").unwrap().status(), Status::Halted(Cause::own(ViolationType::SameStepLoop)));
    assert_eq!(after.live_executions("tenant"), 0);
    assert!(after.execution("next", "tenant").register().is_ok());
}

#[test]
fn r2_a_charge_of_open_holds_that_reaches_the_cost_threshold_pauses() {
    let time = noon();
    let policy = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(5)), ..disabled() };
    let before = builder(&time).long_running(policy.clone()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let below = run.child("below").register().unwrap();
    let _hold = below.reserve(Demand::step().cost(nano(5))).unwrap();
    let state = saved(&before);
    for (holds, paused) in [(OpenHolds::ChargeInFull, true), (OpenHolds::GiveBack, false)] {
        let mut after = builder(&time).long_running(policy.clone()).build().unwrap();
        after.restore(&state, RestoreOptions::new().open_holds(holds)).unwrap();
        assert_eq!(after.get("exec").unwrap().pause_ticket().is_some(), paused, "{holds:?}");
    }
}

#[test]
fn v1_a_restart_tells_who_is_there_and_what_stops_them() {
    let before = builder(&noon()).build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.child("below").register().unwrap().halt(Cause::own(ViolationType::SameStepLoop));
    run.pause("wait");
    let events = EventBuffer::new(10);
    let _after = into(builder(&noon()).events(events.clone()), &saved(&before));
    let told = events.drain().into_iter().map(|event| (event.sequence, event.execution_id, event.kind));
    let told: Vec<_> = told.map(|(sequence, id, kind)| (sequence, id.unwrap().to_string(), kind)).collect();
    assert!(
        matches!(
            &told[..],
            [
                (1, exec, EventKind::Registered { parent: None }),
                (2, below, EventKind::Registered { parent: Some(_) }),
                (3, halted, EventKind::Halted { .. }),
                (4, paused, EventKind::Paused { .. }),
            ] if exec == "exec" && below == "below" && halted == "below" && paused == "exec"
        ),
        "{told:?}"
    );
}

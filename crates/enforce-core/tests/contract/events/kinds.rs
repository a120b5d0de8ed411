//! Each kind, with whom it is about and its number.

use std::time::Duration;

use enforce_core::{
    Action, Actual, Approval, Budget, BudgetAmount, BudgetPeriod, Cause, Demand, Event, EventKind, NetworkPolicy,
    OnDrop, ResourceLimits, ScopeKind, TenantPolicy, Timestamp, ViolationType,
};

use crate::common::{DAY, NOON, nano, noon, pass, register, unlimited};
use crate::limits::all;

use super::{cleared, heard, heard_at, heard_run, kinds, names};

#[test]
fn a_life_is_told_in_the_order_of_its_numbers_with_whose_it_is_and_when() {
    let time = noon();
    let limits = ResourceLimits { max_steps: 1, ..unlimited() };
    let (enforcer, events) = heard_at(&time, limits, |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::step()).unwrap());
    pass(&time, 7);
    let refused = run.reserve(Demand::step()).unwrap_err();
    let usage = run.finish();
    let told = events.drain();
    let expected = [
        EventKind::Registered { parent: None },
        EventKind::Warning { warning: told_warning(&told) },
        EventKind::Halted { cause: Cause::own(ViolationType::StepLimit) },
        EventKind::Blocked { violation: refused },
        EventKind::Cleared { violation: refused, count: 1, since: 4 },
        EventKind::Ended { usage },
    ];
    assert_eq!(told.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(told.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for event in &told {
        assert_eq!((event.execution_id.as_deref(), event.tenant_id.as_deref()), (Some("exec"), Some("tenant")));
        let since = if event.sequence <= 2 { 0 } else { 7 };
        assert_eq!(event.at, Timestamp::from_nanos(NOON + since), "{event:?}");
    }
}

fn told_warning(events: &[Event]) -> enforce_core::EnforcementWarning {
    let warning = events.iter().find_map(|event| match event.kind {
        EventKind::Warning { warning } => Some(warning),
        _ => None,
    });
    warning.unwrap()
}

#[test]
fn events_serialize_flat_with_stable_names_and_are_read_again() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    assert!(run.reserve(Demand::step().tokens(11, 0)).is_err());
    run.reserve(Demand::step()).unwrap().settle(Actual::tokens(3, 0));
    run.pause("look");
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    run.halt(Cause::own(ViolationType::Requested));
    run.charge(Actual::tokens(1, 0));
    run.finish();
    let told = events.drain();
    let expected = ["blocked", "overrun", "paused", "approved", "halted", "late_settle", "cleared", "ended"];
    assert_eq!(names(&told), expected);
    for (event, name) in told.iter().zip(expected) {
        let value = serde_json::to_value(event).unwrap();
        assert_eq!((&value["kind"], &value["execution_id"]), (&name.into(), &"exec".into()));
        assert_eq!(value["sequence"], event.sequence);
        assert_eq!(&serde_json::from_value::<Event>(value).unwrap(), event);
    }
    let blocked = serde_json::to_value(&told[0]).unwrap();
    assert_eq!(blocked["violation"]["violation_type"], "token_limit");
    assert_eq!(blocked["violation"]["scope"], "execution");
}

#[test]
fn a_settle_above_its_hold_is_an_overrun_and_one_within_it_is_nothing() {
    let (run, events, _enforcer) = heard_run(unlimited());
    run.reserve(Demand::step().tokens(10, 0).cost(nano(5))).unwrap().settle(Actual::tokens(10, 0).cost(nano(5)));
    assert_eq!(kinds(&events), []);
    run.reserve_owned(Demand::step().tokens(10, 0).cost(nano(5))).unwrap().settle(Actual::tokens(7, 5).cost(nano(9)));
    assert_eq!(kinds(&events), [EventKind::Overrun { tokens: 2, nano_usd: 4 }]);
    run.reserve(Demand::step()).unwrap().settle(Actual::tokens(3, 0).cost(nano(3)));
    assert_eq!(kinds(&events), [EventKind::Overrun { tokens: 3, nano_usd: 3 }]);
    run.charge(Actual::tokens(7, 5));
    assert_eq!(kinds(&events), [], "a charge holds nothing that it could pass");
}

#[test]
fn what_is_settled_behind_the_end_is_late() {
    let (run, events, _enforcer) = heard_run(unlimited());
    let hold = run.reserve(Demand::step().tokens(10, 0)).unwrap();
    run.finish();
    assert_eq!(names(&events.drain()), ["ended"]);
    hold.settle(Actual::tokens(4, 4).cost(nano(3)));
    let (overrun, late) =
        (EventKind::Overrun { tokens: 0, nano_usd: 3 }, EventKind::LateSettle { tokens: 8, nano_usd: 3 });
    assert_eq!(kinds(&events), [overrun, late]);
}

#[test]
fn a_hold_that_its_deadline_ends_is_told_with_what_it_is_charged() {
    let time = noon();
    let (enforcer, events) = heard_at(&time, unlimited(), |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().tokens(6, 4).cost(nano(10)).on_drop(OnDrop::ChargeInput);
    let deadline = time.now().saturating_add(Duration::from_nanos(5));
    let hold = run.reserve_owned(demand).unwrap().with_deadline(deadline).unwrap();
    events.drain().clear();
    enforcer.expire_holds();
    assert_eq!(kinds(&events), []);
    pass(&time, 5);
    enforcer.expire_holds();
    let told = events.drain();
    assert_eq!(told[0].kind, EventKind::HoldExpired { tokens: 6, nano_usd: 6 });
    assert_eq!((told.len(), told[0].at), (1, deadline));
    hold.settle(Actual::tokens(6, 4));
    assert_eq!(kinds(&events), [EventKind::LateSettle { tokens: 10, nano_usd: 0 }]);
}

#[test]
fn pauses_and_what_ends_them_are_told_with_their_number() {
    let (run, events, _enforcer) = heard_run(unlimited());
    run.pause("look");
    let ticket = run.pause_ticket().unwrap();
    let approved = run.approve(&ticket, Approval::new("ada", "fine")).unwrap();
    assert!(run.approve(&ticket, Approval::new("bob", "late")).is_err());
    run.pause("again");
    let again = run.pause_ticket().unwrap();
    run.reject(&again).unwrap();
    assert!(run.reject(&again).is_err());
    let cause = Cause::own(ViolationType::Requested);
    let expected = [
        EventKind::Paused { cause, pause: Some(ticket.pause) },
        EventKind::Approved { approved },
        EventKind::Paused { cause, pause: Some(again.pause) },
        EventKind::Rejected { cause, pause: again.pause },
        EventKind::Halted { cause },
    ];
    assert_eq!(kinds(&events), expected);
}

#[test]
fn what_happens_to_a_parent_is_told_of_what_is_below() {
    let (run, events, enforcer) = heard_run(unlimited());
    let child = run.child("child").register().unwrap();
    run.pause("look");
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    enforcer.halt("exec", Cause::own(ViolationType::Requested)).unwrap();
    run.finish();
    let told = events.drain();
    let below: Vec<_> = told.iter().filter(|event| event.execution_id.as_deref() == Some("child")).collect();
    let cause = Cause { violation_type: ViolationType::Requested, scope: ScopeKind::Parent };
    let expected = [
        EventKind::Registered { parent: Some("exec".into()) },
        EventKind::Paused { cause, pause: None },
        EventKind::Resumed {},
        EventKind::Halted { cause },
        EventKind::Ended { usage: child.snapshot() },
    ];
    assert_eq!(below.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(told.len(), 9, "{told:?}");
}

#[test]
fn a_child_that_is_paused_by_itself_too_is_told_of_once() {
    let (run, events, _enforcer) = heard_run(unlimited());
    let child = run.child("child").register().unwrap();
    child.pause("own");
    run.pause("above");
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "fine")).unwrap();
    let told = names(&events.drain());
    assert_eq!(told, ["registered", "paused", "paused", "paused", "approved"], "it does not go on");
}

#[test]
fn a_limit_that_only_observes_is_told_once_and_counted() {
    let (enforcer, events) = heard(ResourceLimits { max_steps: 2, ..unlimited() }, |builder| {
        builder.policy(enforce_core::EnforcementPolicy { emit_warning_events: false, ..all(Action::Observe) })
    });
    let run = register(&enforcer, "exec", "tenant");
    for _ in 0..5 {
        drop(run.reserve(Demand::step()).unwrap());
    }
    assert_eq!(names(&events.drain()), ["registered", "observed"]);
    run.finish();
    let told = events.drain();
    assert_eq!((names(&told), cleared(&told)), (vec!["cleared", "ended"], vec![(ViolationType::StepLimit, 3)]));
}

#[test]
fn registrations_that_are_refused_are_a_run_of_the_tenant() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let (enforcer, events) = heard(limits, |builder| builder);
    let run = register(&enforcer, "exec", "tenant");
    for id in ["one", "two", "three"] {
        assert!(enforcer.execution(id, "tenant").register().is_err());
    }
    let told = events.drain();
    assert_eq!(names(&told), ["registered", "registration_refused"]);
    assert_eq!((told[1].execution_id.as_deref(), told[1].tenant_id.as_deref()), (Some("one"), Some("tenant")));
    run.finish();
    register(&enforcer, "four", "tenant");
    let told = events.drain();
    assert_eq!(names(&told), ["ended", "cleared", "registered"]);
    assert_eq!(cleared(&told), [(ViolationType::ConcurrencyLimit, 3)]);
    assert_eq!((told[1].execution_id.as_deref(), told[1].tenant_id.as_deref()), (None, Some("tenant")));
}

#[test]
fn children_that_are_refused_are_a_run_of_their_parent() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_children: Some(1), ..unlimited() });
    let child = run.child("child").register().unwrap();
    assert!(run.child("one").register().is_err());
    assert!(run.child("two").register().is_err());
    child.finish();
    run.child("three").register().unwrap();
    let told = events.drain();
    assert_eq!(names(&told), ["registered", "registration_refused", "ended", "registered", "cleared"]);
    assert_eq!(cleared(&told), [(ViolationType::ChildLimit, 2)]);
}

#[test]
fn hosts_levels_and_unknown_ids_are_blocked_and_cleared_as_demands_are() {
    let policy = enforce_core::LongRunningExecutionPolicy { max_discovery_depth: Some(1), ..crate::common::disabled() };
    let (enforcer, events) =
        heard(unlimited(), |builder| builder.network(NetworkPolicy::AirGapped).long_running(policy));
    let run = register(&enforcer, "exec", "tenant");
    events.drain().clear();
    for _ in 0..2 {
        assert!(run.check_host("example.com").is_err());
        let level = run.enter_discovery().unwrap();
        assert!(run.enter_discovery().is_err());
        drop(level);
        assert!(enforcer.reserve("nobody", Demand::step()).is_err());
    }
    run.check_host("localhost").unwrap();
    drop(run.enter_discovery().unwrap());
    drop(enforcer.reserve("exec", Demand::step()).unwrap());
    let told = events.drain();
    let (network, depth, unknown) =
        (ViolationType::NetworkViolation, ViolationType::DiscoveryDepthLimit, ViolationType::UnknownExecution);
    // A level came through in between.
    assert_eq!(cleared(&told), [(depth, 1), (network, 2), (depth, 1), (unknown, 2)]);
    let nobody: Vec<_> = told.iter().filter(|event| event.execution_id.as_deref() == Some("nobody")).collect();
    assert_eq!((nobody.len(), nobody[0].tenant_id.as_deref()), (1, None));
}

#[test]
fn a_tenant_that_is_let_go_is_told_with_its_last_figures() {
    let time = noon();
    let (enforcer, events) = heard_at(&time, unlimited(), |builder| {
        builder.max_tenants(1).tenant(TenantPolicy {
            budgets: vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Day)],
            ..TenantPolicy::default()
        })
    });
    let run = register(&enforcer, "exec", "one");
    run.charge(Actual::tokens(3, 0));
    run.finish();
    drop(run);
    pass(&time, DAY);
    let usage = enforcer.tenant_usage("one").unwrap();
    events.drain().clear();
    drop(register(&enforcer, "exec", "two"));
    let told = events.drain();
    assert_eq!((names(&told), told[0].tenant_id.as_deref()), (vec!["evicted", "registered"], Some("one")));
    assert_eq!(told[0].kind, EventKind::Evicted { usage });
    enforcer.finish("exec").unwrap();
    enforcer.evict_idle_tenants();
}

#[test]
fn the_switches_are_honoured() {
    for (warnings, blocks) in [(true, true), (true, false), (false, true), (false, false)] {
        let policy = enforce_core::EnforcementPolicy {
            emit_warning_events: warnings,
            emit_block_events: blocks,
            ..all(Action::Refuse)
        };
        let limits = ResourceLimits { max_steps: 1, max_concurrent_executions: Some(1), ..unlimited() };
        let (enforcer, events) = heard(limits, |builder| builder.policy(policy));
        let run = register(&enforcer, "exec", "tenant");
        assert!(enforcer.execution("more", "tenant").register().is_err());
        assert!(run.reserve(Demand::step()).unwrap().warning().is_some(), "results are not events");
        assert!(run.reserve(Demand::step()).is_err());
        run.finish();
        let told = names(&events.drain());
        let has = |name| told.contains(&name);
        assert_eq!((has("warning"), has("registered"), has("ended")), (warnings, true, true));
        for name in ["blocked", "cleared", "registration_refused"] {
            assert_eq!(has(name), blocks, "{name}");
        }
    }
}

//! When such a pause ends, to the nanosecond, and what is told of it.

use std::time::Duration;

use enforce_core::{
    Action, Approved, Budget, BudgetAmount, BudgetPeriod, Cause, Demand, EnforcementResult, EventBuffer, EventKind,
    LongRunningExecutionPolicy, ResourceLimits, Retry, ScopeKind, Status, Timestamp, ViolationType,
};

use crate::common::{DAY, NOON, SECOND, builder, disabled, kind, noon, pass, register, unlimited};
use crate::limits::budgets::{RESOURCES, SCOPES, with};

use super::super::ticket;
use super::{HOUR, ONE, enforcer, hourly, is_paused, meets_pause, paused, spend, steps};

#[test]
fn it_ends_with_the_period_and_not_a_nanosecond_before() {
    for scope in SCOPES {
        for per in [BudgetPeriod::Hour, BudgetPeriod::Day] {
            let length = if per == BudgetPeriod::Hour { HOUR } else { DAY / 2 };
            let time = noon();
            let run = register(&with(builder(&time), scope, vec![steps(1, per)]).build().unwrap(), "exec", "tenant");
            spend(&run);
            assert_eq!(ticket(&run).until, Some(Timestamp::from_nanos(NOON + length)));
            pass(&time, length - 1);
            assert!(meets_pause(run.reserve(Demand::step())), "{scope}, {per}");
            pass(&time, 1);
            assert!(run.reserve(Demand::step()).is_ok(), "{scope}, {per}");
            assert_eq!((run.status(), run.pause_ticket()), (Status::Live, None));
        }
    }
}

#[test]
fn budgets_of_every_resource_that_has_periods_end_their_pauses() {
    for resource in RESOURCES {
        let Some(used) = (resource.used)(10) else { continue };
        let time = noon();
        let budget = resource.budget(10, BudgetPeriod::Hour).action(Action::Pause).next_period_approves(true);
        let enforcer = with(builder(&time), ScopeKind::Tenant, vec![budget]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge(used);
        assert!(run.reserve((resource.ask)(1)).is_err() && is_paused(&run), "{}", resource.name);
        pass(&time, HOUR);
        assert!(run.reserve((resource.ask)(10)).is_ok(), "{}", resource.name);
    }
}

#[test]
fn months_end_where_they_do_at_their_offset() {
    // 2024-02-29T22:30:00Z, which is half past eleven of that day an hour further east.
    let evening = 1_709_245_800 * SECOND;
    let time = enforce_core::ManualClock::starting_at(Timestamp::from_nanos(evening));
    let budget = steps(1, BudgetPeriod::Month).utc_offset_minutes(60);
    let enforcer = with(builder(&time), ScopeKind::Tenant, vec![budget]).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    spend(&run);
    pass(&time, HOUR / 2 - 1);
    assert!(meets_pause(run.reserve(Demand::step())));
    pass(&time, 1); // March has begun there
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn every_refusal_until_then_says_how_long_it_lasts() {
    let time = noon();
    let run = register(&enforcer(&time), "exec", "tenant");
    pass(&time, 60 * SECOND);
    drop(run.reserve(Demand::step()).unwrap());
    let left = |ns| Retry::After(Duration::from_nanos(HOUR - 60 * SECOND - ns));
    let first = run.reserve(Demand::step()).unwrap_err();
    assert_eq!((first.violation_type, first.retry), (ViolationType::StepLimit, left(0)));
    pass(&time, 7);
    let met = run.reserve(Demand::step()).unwrap_err();
    assert_eq!((met.violation_type, met.retry), (ViolationType::Paused, left(7)));
    assert_eq!(met.cause, Some(Cause { violation_type: ViolationType::StepLimit, scope: ScopeKind::Tenant }));
    let error = met.to_error();
    assert_eq!((error.to_http_status(), error.is_retryable()), (429, true));
    assert_eq!(run.touch().unwrap_err(), met);
    assert_eq!(run.enter_discovery().unwrap_err(), met);
    assert_eq!(run.check(Demand::step()), EnforcementResult::Blocked(met));
    assert_eq!(run.reserve(Demand::step().tokens_up_to(1, 1)).unwrap_err(), met);
}

#[test]
fn what_never_fits_a_period_is_not_waited_for_though_the_pause_ends() {
    let time = noon();
    let run = register(&enforcer(&time), "exec", "tenant");
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(run.reserve(Demand::none().steps(2)).unwrap_err().retry, Retry::Never);
    pass(&time, HOUR);
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn a_question_says_what_would_happen_and_changes_nothing() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let before = ticket(&run);
    pass(&time, HOUR);
    assert_eq!(run.check(Demand::step()), warned());
    let refused = run.check(Demand::none().steps(2));
    let EnforcementResult::Blocked(refused) = refused else { panic!("{refused:?}") };
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::StepLimit, Retry::Never));
    assert_eq!(run.check(Demand::step().tokens_up_to(1, 1)), warned());
    assert_eq!((ticket(&run), run.approvals()), (before, Vec::new()));
}

/// A step of one is at its limit.
fn warned() -> EnforcementResult {
    let run = register(&enforcer(&noon()), "exec", "tenant");
    run.check(Demand::step())
}

#[test]
fn a_question_judges_active_time_as_the_demand_would() {
    let (time, worked) = (noon(), 11 * SECOND - 1);
    let limits = ResourceLimits { max_active_time_ms: Some(10_000), ..unlimited() };
    let run = register(&hourly(builder(&time).limits(limits)).build().unwrap(), "exec", "tenant");
    pass(&time, worked);
    spend(&run);
    pass(&time, HOUR - worked);
    assert!(!run.check(Demand::step()).is_blocked(), "paused time is no active time");
    drop(run.reserve(Demand::step()).unwrap());
    pass(&time, 1);
    assert_eq!(kind(run.reserve(Demand::none())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn active_time_stands_still_until_it_is_carried_out_and_that_is_activity() {
    let time = noon();
    let limits = ResourceLimits { max_active_time_ms: Some(10_000), ..unlimited() };
    let idle = LongRunningExecutionPolicy { idle_timeout_seconds: Some(60), ..disabled() };
    let run = register(&hourly(builder(&time).limits(limits).long_running(idle)).build().unwrap(), "exec", "tenant");
    spend(&run);
    pass(&time, HOUR + 600 * SECOND); // nobody came by
    run.touch().unwrap();
    pass(&time, 11 * SECOND - 1);
    assert!(run.reserve(Demand::step()).is_ok());
    pass(&time, 1);
    assert_eq!(run.reserve(Demand::none()).unwrap_err().violation_type, ViolationType::WallTimeLimit);
}

#[test]
fn wall_time_that_has_passed_meanwhile_is_what_it_goes_on_to() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 60_000, ..unlimited() };
    let run = register(&hourly(builder(&time).limits(limits)).build().unwrap(), "exec", "tenant");
    spend(&run);
    pass(&time, HOUR);
    assert_eq!(run.reserve(Demand::step()).unwrap_err().violation_type, ViolationType::WallTimeLimit);
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::WallTimeLimit)));
}

#[test]
fn a_touch_a_discovery_and_a_child_are_let_through_as_a_demand_is() {
    let time = noon();
    let enforcer = enforcer(&time);
    let runs = ["touch", "discover", "child"].map(|id| register(&enforcer, id, "tenant"));
    drop(runs[0].reserve(Demand::step()).unwrap());
    assert!(runs.iter().all(|run| run.reserve(Demand::step()).is_err() && is_paused(run)));
    pass(&time, HOUR - 1);
    assert!(meets_pause(runs[0].touch()) && meets_pause(runs[1].enter_discovery()));
    assert!(runs[2].child("early").register().is_err());
    pass(&time, 1);
    assert_eq!(runs[0].touch(), Ok(()));
    assert!(runs[1].enter_discovery().is_ok());
    assert!(runs[2].child("in_time").register().is_ok());
}

#[test]
fn each_approval_is_told_and_kept_once() {
    let (time, events) = (noon(), EventBuffer::new(100));
    let enforcer = hourly(builder(&time).events(events.clone())).build().unwrap();
    let run = paused(&enforcer);
    let pause = ticket(&run).pause;
    pass(&time, HOUR + 5);
    drop(run.reserve(Demand::step()).unwrap());
    enforcer.expire();
    run.touch().unwrap();
    let told = events.drain().into_iter().filter_map(|event| match event.kind {
        EventKind::Approved { approved } => Some((event.at, approved)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let [(at, approved)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((approved.pause, approved.by.as_str(), approved.next_limit), (pause, Approved::NEXT_PERIOD, None));
    assert_eq!((*at, approved.at), (Timestamp::from_nanos(NOON + HOUR + 5), *at), "when it was carried out");
    assert_eq!(approved.why, "the period of tenant:step_limit that paused it is over");
    assert_eq!(run.approvals(), std::slice::from_ref(approved));
}

#[test]
fn a_ticket_of_before_there_was_a_moment_in_it_can_be_read() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let mut text = serde_json::to_value(ticket(&run)).unwrap();
    assert_eq!(text["until"], serde_json::to_value(ONE).unwrap());
    text.as_object_mut().unwrap().remove("until");
    let read: enforce_core::PauseTicket = serde_json::from_value(text).unwrap();
    assert_eq!((read.until, read.pause), (None, ticket(&run).pause));
}

#[test]
fn n1_a_period_that_never_ends_ends_no_pause() {
    let end = u64::MAX - 1;
    let time = enforce_core::ManualClock::starting_at(Timestamp::from_nanos(end));
    let run = paused(&enforcer(&time));
    assert_eq!(ticket(&run).until, None);
    assert_eq!(run.reserve(Demand::step()).unwrap_err().retry, Retry::AfterApproval);
    time.set(Timestamp::from_nanos(u64::MAX));
    assert!(meets_pause(run.reserve(Demand::step())));
}

#[test]
fn without_the_approval_a_pause_stays_whatever_period_begins() {
    let time = noon();
    let budget = Budget::new(BudgetAmount::Steps(1), BudgetPeriod::Hour).action(Action::Pause);
    let enforcer = with(builder(&time), ScopeKind::Tenant, vec![budget]).build().unwrap();
    let run = paused(&enforcer);
    assert_eq!(ticket(&run).until, None);
    pass(&time, 1_000 * DAY);
    assert_eq!(run.reserve(Demand::step()).unwrap_err().retry, Retry::AfterApproval);
    assert_eq!((enforcer.expire().resumed.len(), is_paused(&run)), (0, true));
}

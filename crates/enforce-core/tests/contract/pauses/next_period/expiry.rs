//! Pauses that end although nobody asks.

use std::sync::Arc;
use std::task::Waker;

use enforce_core::{
    Cause, Demand, Enforcer, Execution, ResourceLimits, ScopeKind, Status, TenantPolicy, Timestamp, ViolationType,
};

use crate::common::{NOON, SECOND, builder, noon, pass, register, unlimited};
use crate::limits::budgets::with;
use crate::waiting::Bell;

use super::super::{approval, ticket};
use super::{HOUR, ONE, deciders, enforcer, hourly, is_paused, paused, spend, steps};

fn resumed(enforcer: &Enforcer) -> Vec<String> {
    enforcer.expire().resumed.iter().map(|run| run.id().to_owned()).collect()
}

#[test]
fn expire_ends_it_at_that_nanosecond_and_lists_it_once() {
    let time = noon();
    let enforcer = enforcer(&time);
    let run = paused(&enforcer);
    pass(&time, HOUR - 1);
    assert!(resumed(&enforcer).is_empty() && is_paused(&run));
    pass(&time, 1);
    assert_eq!(resumed(&enforcer), ["exec"]);
    assert_eq!((run.status(), deciders(&run).len()), (Status::Live, 1));
    assert!(resumed(&enforcer).is_empty());
}

#[test]
fn it_is_found_whether_expire_was_called_before_the_pause_or_not() {
    for before in [false, true] {
        let time = noon();
        let enforcer = enforcer(&time);
        if before {
            enforcer.expire();
        }
        let run = paused(&enforcer);
        assert!(enforcer.next_expiry().is_some_and(|next| next <= ONE));
        pass(&time, HOUR);
        assert_eq!((resumed(&enforcer).len(), is_paused(&run)), (1, false), "expire before: {before}");
        assert_eq!(enforcer.next_expiry(), None, "nothing else is waited for");
    }
}

#[test]
fn in_bounded_calls_everyone_is_found_in_the_end() {
    let time = noon();
    let enforcer = enforcer(&time);
    let runs: Vec<Execution> = (0..200).map(|n| register(&enforcer, &format!("exec_{n}"), "tenant")).collect();
    drop(runs[0].reserve(Demand::step()).unwrap());
    assert!(runs.iter().all(|run| run.reserve(Demand::step()).is_err() && is_paused(run)));
    pass(&time, HOUR);
    let mut found = 0;
    for _ in 0..200 {
        let expired = enforcer.expire_some_at(time.now(), 7);
        assert!(expired.resumed.len() <= 7);
        found += expired.resumed.len();
        if expired.next.is_none() {
            break;
        }
    }
    assert_eq!((found, runs.iter().filter(|run| is_paused(run)).count()), (200, 0));
}

#[test]
fn what_the_next_demand_would_have_brought_about_comes_with_it() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 60_000, ..unlimited() };
    let enforcer = hourly(builder(&time).limits(limits)).build().unwrap();
    let run = paused(&enforcer);
    let child = run.child("child").register();
    assert!(child.is_err(), "paused");
    pass(&time, HOUR);
    let expired = enforcer.expire();
    let cause = Cause::own(ViolationType::WallTimeLimit);
    assert_eq!((expired.resumed.len(), expired.executions.len(), run.status()), (1, 1, Status::Halted(cause)));
}

#[test]
fn who_goes_on_below_is_looked_at_in_the_same_call() {
    let time = noon();
    let enforcer = enforcer(&time);
    let run = register(&enforcer, "exec", "tenant");
    let limits = ResourceLimits { max_wall_time_ms: 60_000, ..unlimited() };
    let child = run.child("child").limits(limits).register().unwrap();
    spend(&run);
    pass(&time, HOUR);
    let expired = enforcer.expire();
    let halted: Vec<_> = expired.executions.iter().map(|(run, cause)| (run.id(), *cause)).collect();
    assert_eq!(halted, [("child", Cause::own(ViolationType::WallTimeLimit))]);
    assert_eq!((run.status(), matches!(child.status(), Status::Halted(_))), (Status::Live, true));
}

#[test]
fn limits_of_time_are_found_as_before_once_it_has_ended() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 2 * 3_600_000, ..unlimited() };
    let enforcer = hourly(builder(&time).limits(limits)).build().unwrap();
    let run = paused(&enforcer);
    pass(&time, HOUR);
    assert_eq!(resumed(&enforcer), ["exec"]);
    pass(&time, HOUR + SECOND - 1);
    assert!(enforcer.expire().executions.is_empty());
    pass(&time, 1);
    assert_eq!((enforcer.expire().executions.len(), run.status() == Status::Live), (1, false));
}

#[test]
fn who_has_ended_is_not_kept_among_those_who_are_waited_for() {
    let time = noon();
    let enforcer = enforcer(&time);
    enforcer.expire();
    let run = paused(&enforcer);
    assert_eq!(enforcer.timed_execution_count(), 1);
    run.finish();
    assert_eq!(enforcer.timed_execution_count(), 0);
    let again = register(&enforcer, "exec", "tenant");
    assert!(again.reserve(Demand::step()).is_err() && is_paused(&again));
    again.approve(&ticket(&again), approval()).unwrap();
    assert_eq!(enforcer.next_expiry(), None, "approved by hand");
    again.finish();
    assert_eq!(enforcer.timed_execution_count(), 0);
}

#[test]
fn a_pause_that_begins_calls_who_keeps_deadlines() {
    let time = noon();
    let enforcer = enforcer(&time);
    let (mut keeper, bell) = (enforcer.timekeeper(), Arc::<Bell>::default());
    let waker = Waker::from(Arc::clone(&bell));
    assert_eq!(keeper.turn_at(&waker, time.now()), None);
    let run = paused(&enforcer);
    assert!(bell.rung() > 0, "W1");
    let mut now = time.now();
    let mut turns = 0;
    while let Some(next) = keeper.turn_at(&waker, now) {
        assert!(next > now && next <= ONE);
        now = next;
        turns += 1;
    }
    assert_eq!((now, run.status()), (ONE, Status::Live));
    assert!(turns <= 3, "{turns}");
}

#[test]
fn each_ends_with_the_period_of_its_own_budget() {
    let time = noon();
    let enforcer = with(builder(&time), ScopeKind::Tenant, vec![]).build().unwrap();
    for (tenant, offset) in [("hour", 0), ("half", 30)] {
        let budget = steps(1, enforce_core::BudgetPeriod::Hour).utc_offset_minutes(offset);
        let policy = TenantPolicy { budgets: vec![budget], ..TenantPolicy::default() };
        enforcer.set_tenant(tenant, policy).unwrap();
        spend(&register(&enforcer, tenant, tenant));
    }
    let half = Timestamp::from_nanos(NOON + HOUR / 2);
    let ids = |now| enforcer.expire_at(now).resumed.iter().map(|run| run.id().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(half), ["half"]);
    assert_eq!(ids(ONE), ["hour"]);
}

//! What runs while nothing runs, to the nanosecond.

use enforce_core::{
    Approval, Clock, Demand, Enforcer, LongRunningExecutionPolicy, ManualClock, RateLimit, RateOn, RatePeriod,
    RateUnit, ResourceLimits, RestoreError, RestoreOptions, Timestamp, ViolationType,
};

use super::{into, saved, try_into};
use crate::common::{NOON, SECOND, builder, disabled, kind, noon, pass, register, unlimited};

#[test]
fn wall_time_goes_on_where_it_was() {
    let time = noon();
    let walled = || builder(&time).limits(ResourceLimits { max_wall_time_ms: 9_000, ..unlimited() });
    let before = walled().build().unwrap();
    register(&before, "exec", "tenant");
    pass(&time, 4 * SECOND);
    let state = saved(&before);
    pass(&time, 3_600 * SECOND);
    let run = into(walled(), &state).get("exec").unwrap();
    pass(&time, 6 * SECOND - 1); // the limit and its grace of one second, but for a nanosecond
    assert!(run.reserve(Demand::step()).is_ok());
    pass(&time, 1);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn i1_idleness_goes_on_where_it_was() {
    let time = noon();
    let idle =
        || builder(&time).long_running(LongRunningExecutionPolicy { idle_timeout_seconds: Some(10), ..disabled() });
    let before = idle().build().unwrap();
    register(&before, "exec", "tenant");
    pass(&time, 4 * SECOND);
    let state = saved(&before);
    pass(&time, 3_600 * SECOND);
    let after = into(idle(), &state);
    pass(&time, 6 * SECOND - 1);
    assert!(after.get("exec").unwrap().check(Demand::step()).is_allowed());
    pass(&time, 1);
    assert_eq!(kind(after.reserve("exec", Demand::step())), Some(ViolationType::IdleTimeout));
}

#[test]
fn time_that_was_paused_is_taken_off_active_time_once() {
    let time = noon();
    let active = || {
        let limits = ResourceLimits { max_active_time_ms: Some(9_000), ..unlimited() };
        builder(&time).limits(limits)
    };
    let before = active().build().unwrap();
    let run = register(&before, "exec", "tenant");
    pass(&time, 4 * SECOND);
    run.pause("wait");
    pass(&time, 100 * SECOND);
    let state = saved(&before);
    pass(&time, 1_000 * SECOND);
    let run = into(active(), &state).get("exec").unwrap();
    pass(&time, 100 * SECOND);
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
    pass(&time, 6 * SECOND - 1);
    assert!(run.reserve(Demand::step()).is_ok());
    pass(&time, 1);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn a_clock_that_stepped_back_meanwhile_gives_no_time_and_one_that_began_anew_is_refused() {
    let time = noon();
    let walled = |time| builder(time).limits(ResourceLimits { max_wall_time_ms: 9_000, ..unlimited() });
    let before = walled(&time).build().unwrap();
    register(&before, "exec", "tenant");
    pass(&time, 9 * SECOND);
    let state = saved(&before);
    let behind = ManualClock::starting_at(Timestamp::from_nanos(NOON - 3_600 * SECOND));
    let run = into(walled(&behind), &state).get("exec").unwrap();
    pass(&behind, SECOND);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::WallTimeLimit));
    let anew = ManualClock::starting_at(Timestamp::from_nanos(9 * SECOND - 1));
    let (now, least) = (anew.now(), Timestamp::from_nanos(9 * SECOND));
    assert_eq!(try_into(walled(&anew), &state).map(drop), Err(RestoreError::Clock { now, least }));
}

fn rated(time: &ManualClock, per_minute: u64) -> enforce_core::EnforcerBuilder {
    let rate = |on| {
        let (name, unit, per, limit) = (None, RateUnit::Requests, RatePeriod::Minute, per_minute);
        RateLimit { on, name, unit, per, limit, burst: Some(2) }
    };
    let all = [RateOn::Provider, RateOn::TenantProvider, RateOn::Model].map(rate);
    all.into_iter().fold(Enforcer::builder().clock(Clock::manual(time)), |builder, rate| builder.rate(rate))
}

#[test]
fn q1_rates_drain_while_nothing_runs_and_no_more_than_that() {
    let demands: [fn(&Enforcer) -> Demand; 2] = [
        |enforcer| Demand::step().provider(enforcer.provider("openai").unwrap()),
        |enforcer| Demand::step().model(enforcer.model("gpt").unwrap()),
    ];
    for demand in demands {
        let time = noon();
        let before = rated(&time, 7).build().unwrap();
        let run = register(&before, "exec", "tenant");
        (0..2).for_each(|_| drop(run.reserve(demand(&before)).unwrap()));
        let state = saved(&before);
        // One comes back every 60/7 seconds.
        pass(&time, 60 * SECOND / 7);
        let after = into(rated(&time, 7), &state);
        let run = after.get("exec").unwrap();
        assert_eq!(kind(run.reserve(demand(&after))), Some(ViolationType::RateLimit));
        pass(&time, 1);
        assert!(run.reserve(demand(&after)).is_ok());
        assert_eq!(kind(run.reserve(demand(&after))), Some(ViolationType::RateLimit));
    }
}

#[test]
fn l1_of_a_rate_that_is_another_by_now_as_many_units_have_not_drained() {
    let time = noon();
    let before = rated(&time, 60).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let openai = before.provider("openai").unwrap();
    (0..2).for_each(|_| drop(run.reserve(Demand::step().provider(openai)).unwrap()));
    let after = into(rated(&time, 1), &saved(&before));
    let (run, openai) = (after.get("exec").unwrap(), after.provider("openai").unwrap());
    pass(&time, 60 * SECOND - 1);
    assert_eq!(kind(run.reserve(Demand::step().provider(openai))), Some(ViolationType::RateLimit));
    pass(&time, 1);
    assert!(run.reserve(Demand::step().provider(openai)).is_ok());
}

#[test]
fn rates_of_more_providers_than_may_be_known_are_refused_and_known_ones_take_no_room_twice() {
    let time = noon();
    let before = rated(&time, 7).build().unwrap();
    let run = register(&before, "exec", "tenant");
    for name in ["a", "b"] {
        drop(run.reserve(Demand::step().provider(before.provider(name).unwrap())).unwrap());
    }
    let state = saved(&before);
    for (known, fits) in [("a", true), ("c", false)] {
        let mut after = rated(&time, 7).max_providers(2).build().unwrap();
        after.provider(known).unwrap();
        let full = RestoreError::Full { table: "providers", cap: 2 };
        let restored = after.restore(&state, enforce_core::RestoreOptions::new()).map(drop);
        assert_eq!(restored, if fits { Ok(()) } else { Err(full) });
    }
}

#[test]
fn i1_a_limit_of_time_comes_by_itself_after_a_restart() {
    let time = noon();
    let limits = ResourceLimits { max_wall_time_ms: 9_000, ..unlimited() };
    let walled = || builder(&time).limits(limits.clone());
    let before = walled().build().unwrap();
    let run = register(&before, "exec", "tenant");
    run.child("below").limits(limits.clone()).register().unwrap();
    pass(&time, 4 * SECOND);
    let state = saved(&before);
    pass(&time, 3_600 * SECOND);
    for started in [false, true] {
        let mut after = walled().build().unwrap();
        if started {
            after.expire();
        }
        let options = enforce_core::RestoreOptions::new();
        after.restore(&state, options.limits(|_| Some((limits.clone(), disabled())))).unwrap();
        let ends = time.now().as_nanos() + 6 * SECOND;
        assert!(after.next_expiry().is_some_and(|next| next.as_nanos() <= ends));
        after.expire_at(Timestamp::from_nanos(ends - 1));
        assert_eq!(after.get("exec").unwrap().status(), enforce_core::Status::Live);
        after.expire_at(Timestamp::from_nanos(ends));
        assert!(matches!(after.get("below").unwrap().status(), enforce_core::Status::Halted(_)));
        assert!(matches!(after.get("exec").unwrap().status(), enforce_core::Status::Halted(_)));
    }
}

#[test]
fn time_that_was_paused_from_above_is_taken_off_active_time_without_an_approval_of_its_own() {
    let time = noon();
    let before = builder(&time).build().unwrap();
    let run = register(&before, "exec", "tenant");
    let limits = ResourceLimits { max_active_time_ms: Some(9_000), ..unlimited() };
    run.child("below").limits(limits.clone()).register().unwrap();
    run.pause("wait");
    pass(&time, 100 * SECOND);
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
    let mut after = builder(&time).build().unwrap();
    let own = RestoreOptions::new().limits(|it| (it.id == "below").then(|| (limits.clone(), disabled())));
    after.restore(&saved(&before), own).unwrap();
    let below = after.get("below").unwrap();
    pass(&time, 10 * SECOND - 1);
    assert!(below.reserve(Demand::step()).is_ok());
    pass(&time, 1);
    assert_eq!(kind(below.reserve(Demand::step())), Some(ViolationType::WallTimeLimit));
}

#[test]
fn a_pause_that_had_begun_and_stood_nowhere_yet_holds_no_time_back() {
    let time = noon();
    let active = || {
        let limits = ResourceLimits { max_active_time_ms: Some(9_000), ..unlimited() };
        builder(&time).limits(limits)
    };
    let before = active().build().unwrap();
    register(&before, "exec", "tenant");
    pass(&time, 4 * SECOND);
    let mut state = saved(&before);
    state.executions[0].paused_since = Some(state.saved_at);
    let after = into(active(), &state);
    pass(&time, 2 * SECOND);
    let again = saved(&after).executions.remove(0);
    assert_eq!((again.pause, again.paused_since, again.paused_ns), (None, None, 0));
}

//! To the nanosecond, each limit and each action.

use enforce_core::{Action, Demand, EnforcementPolicy, Expired, ResourceLimits, Status, Timestamp, ViolationType};

use super::{IDLE, MS, WALL, active, exact, expire, found, halting, idle, is_live, wall};
use crate::common::{DAY, SECOND, builder, disabled, kind, noon, pass, register, unlimited};
use crate::limits::{ACTIONS, all, outcome};

#[test]
fn wall_time_comes_at_the_limit_and_its_grace_and_no_nanosecond_before() {
    for (limit, grace) in [(1, 0), (1, 1), (999, 0), (5_000, 1_000), (3_600_000, 7), (86_400_000, 0)] {
        let time = noon();
        let policy = EnforcementPolicy { timeout_grace_ms: grace, ..all(Action::Halt) };
        let enforcer = builder(&time).limits(wall(limit)).policy(policy).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        pass(&time, (limit + grace) * MS - 1);
        assert_eq!((expire(&enforcer), run.status()), (0, Status::Live));
        pass(&time, 1);
        assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
        assert_eq!(run.status(), Status::Halted(WALL));
        assert_eq!(expire(&enforcer), 0, "once");
    }
}

#[test]
fn idleness_comes_at_the_timeout_and_no_nanosecond_before() {
    for seconds in [1, 2, 63, 64, 65, 1_800, 86_400] {
        let (time, enforcer) = halting(unlimited(), idle(seconds));
        let run = register(&enforcer, "exec", "tenant");
        pass(&time, seconds * SECOND - 1);
        assert_eq!((expire(&enforcer), run.status()), (0, Status::Live));
        pass(&time, 1);
        assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
        assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::Halted));
    }
}

#[test]
fn active_time_comes_later_by_what_was_paused() {
    let (time, enforcer) = halting(active(1_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, 400 * MS);
    run.pause("wait");
    pass(&time, DAY);
    assert_eq!(expire(&enforcer), 0, "paused time is not active");
    run.approve(&run.pause_ticket().unwrap(), enforce_core::Approval::new("ada", "go on")).unwrap();
    pass(&time, 600 * MS - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

#[test]
fn each_action_does_what_the_next_demand_would_have_done() {
    for (limits, long_running, cause) in
        [(wall(1_000), disabled(), WALL), (active(1_000), disabled(), WALL), (unlimited(), idle(1), IDLE)]
    {
        for action in ACTIONS {
            let time = noon();
            let builder = builder(&time).limits(limits.clone()).long_running(long_running.clone());
            let enforcer = builder.policy(exact(action)).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            pass(&time, SECOND);
            let acts = matches!(action, Action::Halt | Action::Pause);
            assert_eq!(found(&enforcer.expire()), if acts { vec![("exec", cause)] } else { Vec::new() });
            assert_eq!(run.status(), if acts { outcome(action, cause) } else { Status::Live });
            // What is left to the demand has the same outcome.
            assert_eq!(run.reserve(Demand::none()).is_err(), action != Action::Observe);
            assert_eq!(run.status(), outcome(action, cause), "{action:?}");
        }
    }
}

#[test]
fn g1_who_is_halted_gives_the_slot_back_and_stays_registered_until_it_is_finished() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..wall(10) };
    let (time, enforcer) = halting(limits, disabled());
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, 10 * MS);
    assert_eq!((expire(&enforcer), enforcer.live_executions("tenant")), (1, 0));
    let next = register(&enforcer, "next", "tenant");
    assert_eq!((enforcer.execution_count(), enforcer.timed_execution_count()), (2, 2));
    run.finish();
    next.finish();
    assert_eq!((enforcer.execution_count(), enforcer.timed_execution_count()), (0, 0));
}

#[test]
fn an_idle_halt_comes_although_a_wall_time_that_only_refuses_came_before() {
    let time = noon();
    let mut policy = exact(Action::Halt);
    policy.actions.wall_time = Action::Refuse;
    let enforcer = builder(&time).limits(wall(1)).long_running(idle(2)).policy(policy).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, SECOND);
    assert_eq!((expire(&enforcer), is_live(&run)), (0, true));
    pass(&time, SECOND);
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
}

#[test]
fn a_limit_of_0_has_come_at_once() {
    for (limits, long_running, cause) in
        [(wall(0), disabled(), WALL), (active(0), disabled(), WALL), (unlimited(), idle(0), IDLE)]
    {
        let (_, enforcer) = halting(limits, long_running);
        register(&enforcer, "exec", "tenant");
        assert_eq!(found(&enforcer.expire()), [("exec", cause)]);
    }
}

#[test]
fn a_deadline_past_the_end_of_the_clock_never_comes() {
    let (time, enforcer) =
        halting(ResourceLimits { max_active_time_ms: Some(u64::MAX), ..wall(u64::MAX - 1) }, idle(u64::MAX));
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(enforcer.next_expiry(), None);
    time.set(Timestamp::from_nanos(u64::MAX));
    assert_eq!((expire(&enforcer), is_live(&run)), (0, true));
}

#[test]
fn who_has_no_limit_of_time_that_acts_waits_for_none() {
    let (time, enforcer) = halting(unlimited(), disabled());
    let run = register(&enforcer, "exec", "tenant");
    let observing =
        builder(&time).limits(wall(1)).long_running(idle(1)).policy(exact(Action::Observe)).build().unwrap();
    register(&observing, "exec", "tenant");
    pass(&time, DAY);
    for enforcer in [&enforcer, &observing] {
        let Expired { executions, holds, next, .. } = enforcer.expire();
        assert_eq!((executions.len(), holds, next, enforcer.timed_execution_count()), (0, 0, None, 0));
    }
    assert!(is_live(&run));
}

#[test]
fn a_wall_time_that_pauses_pauses_again_as_long_as_it_stands() {
    let time = noon();
    let enforcer = builder(&time).limits(wall(1_000)).policy(exact(Action::Pause)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, SECOND);
    for _ in 0..3 {
        assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
        assert_eq!(expire(&enforcer), 0, "it is paused");
        run.approve(&run.pause_ticket().unwrap(), enforce_core::Approval::new("ada", "go on")).unwrap();
    }
}

#[test]
fn holds_end_first_and_an_execution_that_this_leaves_idle_is_found_in_the_same_call() {
    let (time, enforcer) = halting(unlimited(), idle(10));
    let run = register(&enforcer, "exec", "tenant");
    let deadline = time.now().saturating_add(std::time::Duration::from_secs(10));
    std::mem::forget(run.reserve_owned(Demand::step().tokens(7, 0)).unwrap().with_deadline(deadline).unwrap());
    pass(&time, 10 * SECOND - 1);
    let early = enforcer.expire();
    assert_eq!((early.holds, early.executions.len(), early.next), (0, 0, Some(deadline)));
    pass(&time, 1);
    let expired = enforcer.expire();
    assert_eq!((expired.holds, found(&expired)), (1, vec![("exec", IDLE)]));
    assert_eq!(run.snapshot().outstanding.tokens, 0);
}

//! Limits that change and pauses that end: whoever is concerned is found at the new time.

use enforce_core::{Approval, Demand, ResourceLimits};

use super::{IDLE, MS, WALL, after_noon, expire, found, halting, idle, is_live, wall};
use crate::common::{DAY, SECOND, disabled, pass, register, unlimited};

#[test]
fn l1_a_deadline_that_is_brought_forward_is_found_when_it_comes() {
    let (time, enforcer) = halting(wall(86_400_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, SECOND);
    assert_eq!(expire(&enforcer), 0);
    run.set_limits(wall(5_000)).unwrap();
    pass(&time, 4 * SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

#[test]
fn l1_a_deadline_that_has_passed_when_it_is_set_is_found_by_the_next_call() {
    let (time, enforcer) = halting(unlimited(), disabled());
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, DAY);
    run.set_limits(wall(1)).unwrap();
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

#[test]
fn l1_a_deadline_that_is_put_off_or_lifted_does_not_come() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    let [later, never] = ["later", "never"].map(|id| register(&enforcer, id, "tenant"));
    later.set_limits(wall(2_000)).unwrap();
    never.set_limits(unlimited()).unwrap();
    pass(&time, 2 * SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("later", WALL)]);
    assert_eq!((enforcer.next_expiry(), is_live(&never)), (None, true));
}

#[test]
fn l1_a_timeout_that_is_new_counts_from_the_change() {
    let (time, enforcer) = halting(unlimited(), disabled());
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!((expire(&enforcer), enforcer.timed_execution_count()), (0, 0));
    pass(&time, DAY);
    run.set_long_running(idle(3)).unwrap();
    assert_eq!(enforcer.timed_execution_count(), 1);
    pass(&time, 3 * SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
}

#[test]
fn a_limit_that_is_new_leaves_with_the_end_although_it_was_lifted_again() {
    let (_, enforcer) = halting(unlimited(), disabled());
    assert_eq!(expire(&enforcer), 0);
    let run = register(&enforcer, "exec", "tenant");
    run.set_limits(wall(1)).unwrap();
    assert_eq!(enforcer.timed_execution_count(), 1);
    run.set_limits(unlimited()).unwrap();
    run.finish();
    assert_eq!(enforcer.timed_execution_count(), 0);
}

#[test]
fn who_is_paused_is_left_alone_and_found_when_the_pause_has_ended() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    run.pause("wait");
    pass(&time, DAY);
    assert_eq!(expire(&enforcer), 0, "as its demand would be: refused as paused");
    assert_eq!(enforcer.next_expiry(), None);
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

#[test]
fn a_pause_and_its_end_between_two_calls_lose_nobody() {
    let (time, enforcer) = halting(wall(2_000), idle(1));
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, 900 * MS);
    run.pause("wait");
    pass(&time, 600 * MS);
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
    assert_eq!(expire(&enforcer), 0, "to be paused is not to be idle");
    pass(&time, 500 * MS - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

#[test]
fn e3_who_is_paused_from_above_is_found_when_all_pauses_have_ended() {
    let (time, enforcer) = halting(unlimited(), disabled());
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").limits(wall(1_000)).register().unwrap();
    run.pause("wait");
    child.pause("wait, too");
    let [above, own] = [&run, &child].map(|run| run.pause_ticket().unwrap());
    pass(&time, 2 * SECOND);
    assert_eq!(expire(&enforcer), 0);
    run.approve(&above, Approval::new("ada", "go on")).unwrap();
    assert_eq!(expire(&enforcer), 0, "it is paused by itself");
    child.approve(&own, Approval::new("ada", "go on")).unwrap();
    assert_eq!(found(&enforcer.expire()), [("child", WALL)]);
}

#[test]
fn a_child_that_is_registered_under_a_limit_of_its_own_is_found() {
    let (time, enforcer) = halting(unlimited(), disabled());
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").limits(wall(1_000)).long_running(idle(600)).register().unwrap();
    assert_eq!(enforcer.next_expiry().map(|next| next <= after_noon(SECOND)), Some(true));
    pass(&time, SECOND);
    assert_eq!(found(&enforcer.expire()), [("child", WALL)]);
    assert!(child.reserve(Demand::step()).is_err() && run.reserve(Demand::step()).is_ok());
}

#[test]
fn an_approval_that_raises_another_limit_leaves_the_time_as_it_is() {
    let limits = ResourceLimits { max_steps: 1, ..wall(1_000) };
    let time = crate::common::noon();
    let mut policy = super::exact(enforce_core::Action::Halt);
    policy.actions.steps = enforce_core::Action::Pause;
    let enforcer = crate::common::builder(&time).limits(limits).policy(policy).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::step()).unwrap());
    assert!(run.reserve(Demand::step()).is_err(), "exhausted: paused");
    run.approve(&run.pause_ticket().unwrap(), Approval::new("ada", "go on")).unwrap();
    pass(&time, SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

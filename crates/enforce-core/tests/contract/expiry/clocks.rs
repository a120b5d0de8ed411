//! Clocks that step back, jump ahead, and reach their end; and what is said about when to call again.

use enforce_core::{Demand, Timestamp};

use super::{IDLE, MS, WALL, after_noon, expire, found, halting, idle, is_live, wall};
use crate::common::{DAY, NOON, SECOND, disabled, pass, register, unlimited};

#[test]
fn a_clock_that_steps_back_brings_nothing_and_loses_nobody() {
    let (time, enforcer) = halting(wall(10_000), idle(5));
    let run = register(&enforcer, "exec", "tenant");
    pass(&time, 4 * SECOND);
    run.touch().unwrap();
    assert_eq!(expire(&enforcer), 0);
    time.set(Timestamp::from_nanos(NOON - DAY));
    assert_eq!(expire(&enforcer), 0);
    // It was registered later than now, and its time counts from then.
    let other = register(&enforcer, "other", "tenant");
    time.set(after_noon(9 * SECOND - 1));
    assert_eq!(found(&enforcer.expire()), [("other", WALL)]);
    assert!(is_live(&run) && !is_live(&other));
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
}

#[test]
fn a_clock_that_jumps_ahead_by_years_finds_everyone_who_is_due_and_goes_on_to_be_exact() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    let long = enforcer.execution("long", "tenant").limits(wall(100 * 365 * 86_400_000)).register().unwrap();
    pass(&time, 100 * 365 * DAY - 1);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
    assert!(!is_live(&run) && is_live(&long));
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("long", WALL)]);
    // And back again: what is registered now is earlier than the wheel has turned.
    time.set(after_noon(0));
    register(&enforcer, "again", "tenant");
    pass(&time, SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("again", WALL)]);
}

#[test]
fn the_last_moment_of_the_clock_is_no_end_without_a_limit_and_ends_every_call() {
    let (time, enforcer) = halting(unlimited(), idle(1));
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(Demand::step()).unwrap();
    time.set(Timestamp::from_nanos(u64::MAX));
    assert_eq!((expire(&enforcer), expire(&enforcer), is_live(&run)), (0, 0, true));
    drop(hold);
    let other = enforcer.execution("other", "tenant").register_at(after_noon(0)).unwrap();
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE), ("other", IDLE)]);
    assert!(!is_live(&other));
}

#[test]
fn who_calls_when_it_is_told_finds_everyone_at_their_very_moment_in_few_calls() {
    let (time, enforcer) = halting(wall(50_000), disabled());
    let mut due = Vec::new();
    for (number, ms) in
        [1_u64, 999, 1_000, 1_001, 30_000, 3_600_000, 86_400_000, 31_536_000_000].into_iter().enumerate()
    {
        enforcer.execution(format!("exec_{number}"), "tenant").limits(wall(ms)).register().unwrap();
        due.push(after_noon(ms * MS));
    }
    let (mut seen, mut calls) = (Vec::new(), 0);
    while let Some(next) = enforcer.next_expiry() {
        time.set(time.now().max(next));
        let expired = enforcer.expire();
        seen.extend(expired.executions.iter().map(|_| time.now()));
        assert_eq!(expired.next, enforcer.next_expiry());
        calls += 1;
        assert!(calls < 60);
    }
    assert_eq!(seen, due);
}

#[test]
fn a_call_that_may_look_at_few_says_that_there_is_more_and_comes_to_an_end() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    for number in 0..100 {
        register(&enforcer, &format!("exec_{number}"), "tenant");
    }
    assert_eq!(enforcer.expire_some_at(time.now(), 0).executions.len(), 0);
    pass(&time, SECOND);
    let (mut found, mut calls) = (0, 0);
    loop {
        let expired = enforcer.expire_some_at(time.now(), 7);
        assert!(expired.executions.len() <= 7);
        found += expired.executions.len();
        calls += 1;
        if expired.next.is_none_or(|next| next > time.now()) {
            break;
        }
    }
    assert_eq!(found, 100);
    assert!((100 / 7..=200 / 7 + 1).contains(&calls), "each is looked at twice at most: {calls} calls");
}

//! Many at once: exactly those who are due, and nobody who has ended stays.

use enforce_core::{Demand, Enforcer};

use super::{MS, after_noon, expire, found, halting, idle, is_live, wall};
use crate::common::{SECOND, disabled, pass, register, unlimited};

#[test]
fn of_many_exactly_those_are_found_who_are_due_earliest_first() {
    let (time, enforcer) = halting(unlimited(), disabled());
    // Deadlines in every order, some of them equal, from within a bucket to buckets of every length.
    let deadline = |number: u64| 1 + number * 7_919 % 1_000 * (number % 5 + 1).pow(5);
    for number in 0..2_000 {
        enforcer.execution(format!("{number:04}"), "tenant").limits(wall(deadline(number))).register().unwrap();
    }
    let mut expected: Vec<(u64, String)> =
        (0..2_000).map(|number| (deadline(number), format!("{number:04}"))).collect();
    expected.sort();
    let mut seen = Vec::new();
    for ms in [1, 2, 500, 1_000, 1_073, 1_074, 1_075, 30_000, 70_000, 70_001, 500_000, 3_200_000] {
        time.set(after_noon(ms * MS - 1));
        seen.extend(found(&enforcer.expire()).into_iter().map(|(id, _)| id.to_owned()));
        let due = expected.iter().filter(|(deadline, _)| *deadline < ms).count();
        assert_eq!(seen.len(), due, "before {ms} ms");
        time.set(after_noon(ms * MS));
        seen.extend(found(&enforcer.expire()).into_iter().map(|(id, _)| id.to_owned()));
    }
    assert_eq!(seen.len(), 2_000);
    for pair in [1, 500, 30_000].map(|ms| expected.iter().filter(|(deadline, _)| *deadline <= ms).count()) {
        assert!(seen[..pair].iter().all(|id| expected[..pair].iter().any(|(_, due)| due == id)));
    }
}

fn churn(enforcer: &Enforcer, times: u64) {
    for number in 0..times {
        let run = register(enforcer, &format!("run_{number}"), "tenant");
        drop(run.reserve(Demand::step()).unwrap());
        run.finish();
        assert_eq!(enforcer.timed_execution_count(), 1, "whoever has ended is gone");
    }
}

#[test]
fn g1_who_has_ended_is_kept_by_nothing_however_many_come_and_go() {
    let (time, enforcer) = halting(wall(3_600_000), idle(1_800));
    let stays = register(&enforcer, "stays", "tenant");
    assert_eq!(expire(&enforcer), 0);
    churn(&enforcer, 20_000);
    pass(&time, 1_800 * SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    churn(&enforcer, 20_000);
    assert!(is_live(&stays));
    stays.finish();
    assert_eq!((enforcer.timed_execution_count(), enforcer.next_expiry()), (0, None));
}

#[test]
fn the_first_call_finds_who_was_registered_before_it_and_the_next_who_was_after() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    let gone = register(&enforcer, "gone", "tenant");
    register(&enforcer, "before", "tenant").child("child").limits(wall(900)).register().unwrap();
    gone.finish();
    pass(&time, SECOND);
    assert_eq!(enforcer.timed_execution_count(), 0, "nobody has asked for it");
    assert_eq!(found(&enforcer.expire()).len(), 2);
    register(&enforcer, "after", "tenant");
    assert_eq!(enforcer.timed_execution_count(), 3);
    pass(&time, SECOND);
    assert_eq!(found(&enforcer.expire()), [("after", super::WALL)]);
}

#[test]
fn an_enforcer_that_goes_keeps_nobody_who_waits_for_a_limit_of_time() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    assert_eq!(expire(&enforcer), 0);
    drop(enforcer);
    // Its handle decides on, and so do children that only it knows.
    let child = run.child("child").limits(wall(500)).register().unwrap();
    run.set_limits(wall(2_000)).unwrap();
    pass(&time, SECOND);
    assert!(run.reserve(Demand::step()).is_ok() && child.reserve(Demand::step()).is_err());
}

#[test]
fn an_id_that_is_registered_again_has_a_time_of_its_own() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    register(&enforcer, "exec", "tenant").finish();
    pass(&time, SECOND / 2);
    let again = register(&enforcer, "exec", "tenant");
    pass(&time, SECOND / 2);
    assert_eq!((expire(&enforcer), is_live(&again)), (0, true));
    pass(&time, SECOND / 2);
    assert_eq!((expire(&enforcer), is_live(&again)), (1, false));
}

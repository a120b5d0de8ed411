//! Many threads: touches, ends and registrations beside several who expire.

use std::sync::Barrier;

use enforce_core::{Demand, Status, ViolationType};

use super::{IDLE, WALL, after_noon, expire, halting, idle, is_live, wall};
use crate::common::{SECOND, disabled, kind, pass, register, unlimited};

#[test]
fn i1_in_a_storm_nobody_who_is_touched_in_time_is_reaped_and_everybody_else_is() {
    const THREADS: u64 = 64;
    const EACH: u64 = 32;
    let (time, enforcer) = halting(unlimited(), idle(10));
    let id = |thread: u64, number: u64| format!("{thread}_{number}");
    for thread in 0..THREADS {
        (0..EACH).for_each(|number| drop(register(&enforcer, &id(thread, number), "tenant")));
    }
    let together = Barrier::new(THREADS as usize);
    let reaped: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (enforcer, together) = (&enforcer, &together);
                scope.spawn(move || {
                    together.wait();
                    let mut reaped = 0;
                    // Ten seconds of everyone's own time, in which the even ones are touched each second.
                    for second in 1..=10 {
                        for number in (0..EACH).step_by(2) {
                            let run = enforcer.get(&id(thread, number)).unwrap();
                            run.touch_at(after_noon(second * SECOND)).unwrap();
                        }
                        // Somebody else's clock may be behind: it never reaps too much.
                        reaped += enforcer.expire_at(after_noon(second * SECOND - 1)).executions.len();
                    }
                    together.wait();
                    reaped + enforcer.expire_at(after_noon(10 * SECOND)).executions.len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(reaped as u64, THREADS * EACH / 2, "each is found by one call");
    time.set(after_noon(10 * SECOND));
    for thread in 0..THREADS {
        for number in 0..EACH {
            let run = enforcer.get(&id(thread, number)).unwrap();
            let expected = if number % 2 == 0 { Status::Live } else { Status::Halted(IDLE) };
            assert_eq!(run.status(), expected);
        }
    }
}

#[test]
fn e1_whoever_returns_from_an_expiry_sees_nothing_admitted_on_whom_it_was_to_find() {
    for _ in 0..300 {
        let (time, enforcer) = halting(wall(1_000), disabled());
        let runs: Vec<_> = (0..8).map(|number| register(&enforcer, &number.to_string(), "tenant")).collect();
        pass(&time, SECOND);
        let together = Barrier::new(4);
        let found: usize = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        let found = expire(&enforcer);
                        // At a time at which the limit does not stand in the way, only the halt does.
                        let asked = |run: &enforce_core::Execution| kind(run.reserve_at(Demand::step(), after_noon(0)));
                        assert!(runs.iter().all(|run| asked(run) == Some(ViolationType::Halted)));
                        found
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!((found, enforcer.live_executions("tenant")), (8, 0));
        assert!(runs.iter().all(|run| run.status() == Status::Halted(WALL)));
    }
}

#[test]
fn g1_nobody_stays_who_came_and_went_beside_an_expiry() {
    let (time, enforcer) = halting(wall(1), idle(1));
    std::thread::scope(|scope| {
        let churns: Vec<_> = (0..3)
            .map(|thread| {
                let enforcer = &enforcer;
                scope.spawn(move || {
                    for number in 0..3_000 {
                        let run = register(enforcer, &format!("{thread}_{number}"), "tenant");
                        match number % 3 {
                            0 => drop(run.set_long_running(idle(2))),
                            1 => drop(run.pause("wait")),
                            _ => drop(run.touch()),
                        }
                        run.finish();
                    }
                })
            })
            .collect();
        while churns.iter().any(|churn| !churn.is_finished()) {
            pass(&time, SECOND / 10);
            let _found = expire(&enforcer);
        }
        churns.into_iter().for_each(|churn| churn.join().unwrap());
    });
    assert_eq!((enforcer.timed_execution_count(), enforcer.execution_count()), (0, 0));
    assert_eq!(enforcer.live_executions("tenant"), 0);
}

#[test]
fn l1_a_limit_that_is_brought_forward_beside_an_expiry_is_not_missed() {
    let (time, enforcer) = halting(wall(10_000), disabled());
    for round in 0..2_000 {
        let run = register(&enforcer, &format!("exec_{round}"), "tenant");
        pass(&time, SECOND);
        std::thread::scope(|scope| {
            scope.spawn(|| expire(&enforcer));
            scope.spawn(|| run.set_limits(wall(500)));
        });
        let _found = expire(&enforcer);
        assert!(!is_live(&run), "it has come, and the change has returned");
        run.finish();
    }
}

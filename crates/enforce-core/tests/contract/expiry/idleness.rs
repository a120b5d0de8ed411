//! Who is not idle: touched, with an open hold, with a live child.

use enforce_core::{Actual, Cause, Demand, ScopeKind, Status, ViolationType};

use super::{IDLE, WALL, expire, found, halting, idle, is_live, wall};
use crate::common::{SECOND, disabled, pass, register, unlimited};

#[test]
fn i1_every_activity_moves_the_end_and_only_the_last_one_counts() {
    let (time, enforcer) = halting(unlimited(), idle(10));
    let run = register(&enforcer, "exec", "tenant");
    let activities: [fn(&enforce_core::Execution); 4] = [
        |run| run.touch().unwrap(),
        |run| drop(run.reserve(Demand::step()).unwrap()),
        |run| assert!(!run.charge(Actual::none()).late),
        |run| assert!(!run.reserve(Demand::step()).unwrap().settle(Actual::none()).late),
    ];
    for act in activities {
        pass(&time, 10 * SECOND - 2);
        act(&run);
        assert_eq!(expire(&enforcer), 0);
        pass(&time, 1);
        assert_eq!(expire(&enforcer), 0, "touched in between");
    }
    pass(&time, 10 * SECOND - 2);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
}

#[test]
fn i1_one_with_an_open_hold_is_not_idle_and_is_found_an_eighth_of_its_timeout_after_it_at_the_latest() {
    for demand in [Demand::none(), Demand::step(), Demand::none().tokens(1, 0), Demand::none().memory_bytes(1)] {
        let (time, enforcer) = halting(unlimited(), idle(8));
        let run = register(&enforcer, "exec", "tenant");
        let hold = run.reserve(demand).unwrap();
        for _ in 0..100 {
            pass(&time, SECOND);
            assert_eq!((expire(&enforcer), is_live(&run)), (0, true));
        }
        // Dropping it is no activity: it has been idle for long.
        drop(hold);
        pass(&time, SECOND);
        assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
    }
}

#[test]
fn i1_one_with_a_live_child_is_not_idle_and_the_childs_end_is_its_activity() {
    let (time, enforcer) = halting(unlimited(), idle(8));
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").long_running(disabled()).register().unwrap();
    for _ in 0..100 {
        pass(&time, SECOND);
        assert_eq!((expire(&enforcer), is_live(&run)), (0, true));
    }
    pass(&time, SECOND / 3);
    child.finish();
    pass(&time, 8 * SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
}

#[test]
fn what_is_below_stops_with_a_halted_parent_and_is_not_counted_by_itself() {
    let (time, enforcer) = halting(wall(1_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("exec.1").register().unwrap();
    let grandchild = child.child("exec.1.1").limits(wall(1_000)).register().unwrap();
    pass(&time, SECOND);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)], "parents before children");
    let above = Status::Halted(Cause { scope: ScopeKind::Parent, ..WALL });
    assert_eq!([child.status(), grandchild.status()], [above, above]);
    assert!(grandchild.reserve(Demand::step()).is_err());
}

#[test]
fn a_child_whose_time_comes_first_stops_alone() {
    let (time, enforcer) = halting(wall(2_000), disabled());
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").limits(wall(1_000)).register().unwrap();
    pass(&time, SECOND);
    assert_eq!(found(&enforcer.expire()), [("child", WALL)]);
    assert_eq!((child.status(), is_live(&run)), (Status::Halted(WALL), true));
    pass(&time, SECOND);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)]);
}

#[test]
fn e2_who_was_halted_before_keeps_the_cause_and_is_not_found() {
    let (time, enforcer) = halting(wall(1_000), idle(1));
    let run = register(&enforcer, "exec", "tenant");
    run.halt(Cause::own(ViolationType::Requested));
    pass(&time, SECOND);
    assert_eq!(expire(&enforcer), 0);
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::Requested)));
}

#[test]
fn of_wall_time_and_idleness_that_have_both_come_the_first_in_order_is_the_cause() {
    let (time, enforcer) = halting(wall(3_000), idle(1));
    register(&enforcer, "exec", "tenant");
    pass(&time, 3 * SECOND);
    assert_eq!(found(&enforcer.expire()), [("exec", WALL)], "as a demand would have found it");
}

#[test]
fn i1_a_settle_after_the_timeout_is_activity_and_the_end_counts_from_it_exactly() {
    let (time, enforcer) = halting(unlimited(), idle(8));
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(Demand::step().tokens(5, 0)).unwrap();
    pass(&time, 8 * SECOND);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, SECOND / 3);
    hold.settle(Actual::tokens(5, 0));
    for _ in 0..7 {
        pass(&time, SECOND);
        assert_eq!(expire(&enforcer), 0);
    }
    pass(&time, SECOND - 1);
    assert_eq!(expire(&enforcer), 0);
    pass(&time, 1);
    assert_eq!(found(&enforcer.expire()), [("exec", IDLE)]);
}

//! Halts, pauses and ends reach everything below before they return (E1, E2, E3).

use enforce_core::{Approval, Cause, Demand, Execution, ScopeKind, Status, ViolationType};

use crate::common::{run, unlimited};

use super::{child, sliced};

/// A root, a pool and a slice below it, and one of either kind below each of them.
fn family() -> (Execution, Vec<Execution>) {
    let root = run(unlimited());
    let slice = Demand::none().steps(8);
    let (pool, part) = (child(&root, "pool"), sliced(&root, "part", slice));
    let below = [
        child(&pool, "pool.pool"),
        sliced(&pool, "pool.part", Demand::none().steps(2)),
        child(&part, "part.pool"),
        sliced(&part, "part.part", Demand::none().steps(2)),
    ];
    (root, [pool, part].into_iter().chain(below).collect())
}

fn cause(violation_type: ViolationType) -> Cause {
    Cause { violation_type, scope: ScopeKind::Parent }
}

#[test]
fn e1_a_halt_reaches_everything_below_and_every_cause_says_parent() {
    let (root, below) = family();
    root.halt(Cause { violation_type: ViolationType::CostLimit, scope: ScopeKind::Tenant });
    for run in &below {
        assert_eq!(run.status(), Status::Halted(cause(ViolationType::CostLimit)), "{}", run.id());
        assert!(run.reserve(Demand::none()).is_err() && run.touch().is_err() && run.enter_discovery().is_err());
    }
}

#[test]
fn e2_one_that_was_halted_before_its_parent_keeps_its_own_cause() {
    let (root, below) = family();
    below[0].halt(Cause::own(ViolationType::SameStepLoop));
    root.halt(Cause::own(ViolationType::CostLimit));
    assert_eq!(below[0].status(), Status::Halted(Cause::own(ViolationType::SameStepLoop)));
    assert_eq!(below[2].status(), Status::Halted(cause(ViolationType::SameStepLoop)), "halted with its pool");
}

#[test]
fn e1_an_end_reaches_everything_below() {
    let (root, below) = family();
    root.finish();
    assert!(below.iter().all(|run| run.status() == Status::Finished(None) && run.reserve(Demand::none()).is_err()));
    assert_eq!(root.snapshot().outstanding.tokens, 0);
}

#[test]
fn e3_a_pause_reaches_everything_below_and_its_approval_lets_everything_go_on() {
    let (root, below) = family();
    root.pause("lunch");
    for run in &below {
        assert_eq!(run.status(), Status::Paused(cause(ViolationType::Requested)), "{}", run.id());
        assert_eq!(run.pause_ticket(), None, "nothing of its own to approve");
        assert!(run.reserve(Demand::none()).is_err());
    }
    let ticket = root.pause_ticket().unwrap();
    assert!(below[0].approve(&ticket, Approval::new("ada", "not here")).is_err());
    root.approve(&ticket, Approval::new("ada", "back")).unwrap();
    assert!(below.iter().all(|run| run.status() == Status::Live && run.reserve(Demand::step()).is_ok()));
}

#[test]
fn e3_whoever_is_paused_twice_goes_on_after_both_whichever_ends_first() {
    for own_first in [false, true] {
        for parent_first in [false, true] {
            let (root, below) = family();
            let (part, leaf) = (&below[1], &below[5]);
            for run in if parent_first { [&root, part] } else { [part, &root] } {
                run.pause("wait");
            }
            let (mut first, mut second) = (&root, part);
            if own_first {
                (first, second) = (second, first);
            }
            first.approve(&first.pause_ticket().unwrap(), Approval::new("ada", "one")).unwrap();
            for run in [part, leaf] {
                assert!(matches!(run.status(), Status::Paused(_)), "{}: {own_first} {parent_first}", run.id());
                assert!(run.reserve(Demand::none()).is_err());
            }
            assert_eq!(below[0].status() == Status::Live, !own_first, "beside it goes by the root alone");
            second.approve(&second.pause_ticket().unwrap(), Approval::new("ada", "two")).unwrap();
            assert!(below.iter().all(|run| run.reserve(Demand::step()).is_ok()));
        }
    }
}

#[test]
fn the_cause_of_a_pause_is_that_of_the_nearest_one_above() {
    let (root, below) = family();
    let (part, leaf) = (&below[1], &below[5]);
    part.pause("near");
    root.pause("far");
    let paused =
        |run: &Execution| matches!(run.status(), Status::Paused(by) if by.violation_type == ViolationType::Requested);
    assert!(paused(part) && paused(leaf));
    assert_eq!(part.status(), Status::Paused(Cause::own(ViolationType::Requested)));
    part.approve(&part.pause_ticket().unwrap(), Approval::new("ada", "go")).unwrap();
    assert_eq!(part.status(), Status::Paused(cause(ViolationType::Requested)));
}

#[test]
fn a_rejected_pause_halts_everything_below() {
    let (root, below) = family();
    root.pause("lost");
    assert!(root.reject(&root.pause_ticket().unwrap()).is_ok());
    assert!(below.iter().all(|run| run.status() == Status::Halted(cause(ViolationType::Requested))));
}

#[test]
fn a_snapshot_of_a_tree_is_that_of_everyone_who_has_not_ended() {
    let enforcer = crate::common::builder(&crate::common::noon()).build().unwrap();
    let root = crate::common::register(&enforcer, "root", "tenant");
    let leaf = child(&child(&root, "middle"), "leaf");
    child(&root, "ended").finish();
    drop(leaf.reserve(Demand::step()).unwrap());
    let tree = root.snapshot_tree();
    assert_eq!((tree.usage.steps, tree.children.len()), (1, 1));
    assert_eq!(tree.children[0].children[0].usage.execution_id, "leaf");
    let read: enforce_core::TreeSnapshot = serde_json::from_str(&serde_json::to_string(&tree).unwrap()).unwrap();
    assert_eq!(read, tree);
}

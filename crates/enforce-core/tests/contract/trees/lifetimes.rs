//! What stays in memory and what does not (G1, G2).

use enforce_core::{Actual, Demand, Enforcer, ResourceLimits};

use crate::common::{builder, nano, noon, register, unlimited};

use super::{child, committed, held, rooted, sliced};

/// Whether the tenant is let go once everything is dropped that refers to it: nothing keeps a record in memory.
fn is_let_go(enforcer: &Enforcer) -> bool {
    enforcer.evict_idle_tenants();
    enforcer.tenant_count() == 0 && enforcer.execution_count() == 0
}

#[test]
fn g1_an_ended_tree_leaves_nothing_in_memory() {
    let enforcer = builder(&noon()).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let middle = child(&root, "middle");
    let leaf = sliced(&middle, "leaf", Demand::step());
    drop(leaf.reserve(Demand::step()).unwrap());
    root.finish();
    drop((root, middle));
    assert!(!is_let_go(&enforcer), "a handle of the leaf keeps those above it");
    drop(leaf);
    assert!(is_let_go(&enforcer));
}

#[test]
fn g2_an_open_hold_of_an_ended_child_keeps_its_tenant() {
    let (enforcer, root) = rooted(unlimited(), 100);
    let leaf = sliced(&root, "leaf", Demand::none().cost(nano(9)));
    let hold = leaf.reserve_owned(Demand::none().cost(nano(9))).unwrap();
    root.finish();
    drop((root, leaf));
    assert!(!is_let_go(&enforcer));
    drop(hold);
    assert!(is_let_go(&enforcer), "all came back");
}

#[test]
fn dropping_the_handles_of_a_child_ends_nothing() {
    let enforcer = builder(&noon()).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    drop(child(&child(&root, "middle"), "leaf"));
    assert!(enforcer.get("leaf").is_some_and(|leaf| leaf.reserve(Demand::step()).is_ok()));
    assert_eq!((root.children().len(), committed(&root)), (1, [1, 0, 0, 0]));
}

#[test]
fn children_go_on_without_an_enforcer_and_are_registered_through_their_parents() {
    let enforcer = builder(&noon()).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let leaf = child(&root, "leaf");
    drop(enforcer);
    let late = sliced(&root, "late", Demand::none().tokens(9, 0));
    assert_eq!((root.children().len(), held(&root)), (2, [9, 0, 0]));
    late.charge(Actual::tokens(3, 0));
    late.finish();
    assert_eq!((root.children().len(), committed(&root)), (1, [0, 3, 0, 0]));
    root.halt(enforce_core::Cause::own(enforce_core::ViolationType::CostLimit));
    assert!(leaf.reserve(Demand::none()).is_err(), "E1");
}

#[test]
fn r1_without_an_enforcer_a_child_ends_with_its_last_handle_and_what_it_used_is_not_forgotten() {
    let limits = ResourceLimits { max_children: Some(1), ..unlimited() };
    let (enforcer, root) = rooted(limits, 100);
    drop(enforcer);
    let leaf = sliced(&root, "leaf", Demand::none().steps(3).tokens(9, 0).cost(nano(9)));
    let hold = leaf.reserve_owned(Demand::step().tokens(5, 0)).unwrap();
    drop(leaf);
    assert!(root.child("next").register().is_err(), "a hold is a handle");
    hold.settle(Actual::tokens(4, 0).cost(nano(2)));
    assert_eq!((committed(&root), held(&root)), ([1, 4, 2, 0], [0; 3]));
    assert!(root.child("next").register().is_ok());
}

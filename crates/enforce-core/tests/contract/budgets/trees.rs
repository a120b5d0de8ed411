//! What a tree uses is paid once by its tenant and by the process: by pools as it goes, by a slice as a whole (R1, C1).

use enforce_core::{Actual, BudgetPeriod, BudgetResource, Demand, Enforcer, Execution, ScopeKind};

use super::{clock, figures};
use crate::common::{DAY, NOON, builder, nano, pass, register};
use crate::limits::budgets::{RESOURCES, SCOPES, with};

/// A root under a budget of each resource: 100, but for memory 1 MiB.
fn rooted(scope: ScopeKind, per: BudgetPeriod) -> (Enforcer, Execution, enforce_core::ManualClock) {
    let time = clock(NOON);
    let max = |of: &crate::limits::budgets::Resource| if of.name == BudgetResource::Memory { 1 } else { 100 };
    let period = |of: &crate::limits::budgets::Resource| match of.name {
        BudgetResource::Memory => BudgetPeriod::Total,
        _ => per,
    };
    let budgets = RESOURCES.iter().map(|of| of.budget(max(of), period(of))).collect();
    let enforcer = with(builder(&time), scope, budgets).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    (enforcer, root, time)
}

/// Some of everything: steps, tokens, memory, cost, discovered steps.
fn some() -> Demand {
    Demand::none().steps(4).tokens(20, 10).memory_bytes(5).cost(nano(8)).discovered_steps(2)
}

/// As (committed, outstanding) in that order.
fn stands(enforcer: &Enforcer, scope: ScopeKind) -> Vec<(u64, u64)> {
    figures(enforcer, scope).into_iter().map(|(committed, outstanding, _)| (committed, outstanding)).collect()
}

#[test]
fn r1_whoever_shares_a_pool_is_paid_for_once_at_any_depth() {
    for scope in SCOPES {
        let (enforcer, root, _) = rooted(scope, BudgetPeriod::Day);
        let child = root.child("child").register().unwrap();
        let leaf = child.child("leaf").register().unwrap();
        let hold = leaf.reserve(some()).unwrap();
        assert_eq!(stands(&enforcer, scope), [(4, 0), (0, 30), (0, 5), (0, 8), (2, 0)]);
        hold.settle(Actual::tokens(7, 1).cost(nano(9)));
        assert_eq!(stands(&enforcer, scope), [(4, 0), (8, 0), (0, 0), (9, 0), (2, 0)]);
        leaf.charge(Actual::tokens(1, 1).cost(nano(1)).steps(1).discovered_steps(1));
        assert_eq!(stands(&enforcer, scope), [(5, 0), (10, 0), (0, 0), (10, 0), (3, 0)]);
        let refused = leaf.reserve(Demand::none().steps(96)).unwrap_err();
        assert_eq!((refused.scope, refused.used), (scope, 5));
        let late = leaf.reserve_owned(some()).unwrap();
        root.finish();
        late.settle(Actual::tokens(2, 2).cost(nano(2)));
        assert_eq!(stands(&enforcer, scope), [(9, 0), (14, 0), (0, 0), (12, 0), (5, 0)]);
    }
}

#[test]
fn r1_a_slice_is_set_aside_as_a_whole_and_paid_when_it_ends() {
    for scope in SCOPES {
        let (enforcer, root, time) = rooted(scope, BudgetPeriod::Day);
        let leaf = root.child("leaf").slice(some()).register().unwrap();
        let aside = [(0, 4), (0, 30), (0, 5), (0, 8), (0, 2)];
        assert_eq!(stands(&enforcer, scope), aside);
        let (hold, open) = (leaf.reserve(some()).unwrap(), leaf.reserve(Demand::none()).unwrap());
        hold.settle(Actual::tokens(7, 1).cost(nano(3)));
        assert_eq!(stands(&enforcer, scope), aside, "its own slice pays");
        let more = leaf.reserve_owned(Demand::none().tokens(10, 0)).unwrap();
        drop(open);
        pass(&time, DAY);
        leaf.finish();
        more.settle(Actual::tokens(11, 0));
        assert_eq!(stands(&enforcer, scope), [(0, 0); 5], "all of it was yesterday's");
        root.charge(Actual::tokens(1, 0));
        assert_eq!(stands(&enforcer, scope)[1], (1, 0));
    }
}

#[test]
fn r1_what_a_slice_did_not_use_comes_back_at_its_end_and_what_its_open_holds_did_not_when_they_end() {
    for scope in SCOPES {
        let (enforcer, root, _) = rooted(scope, BudgetPeriod::Month);
        let leaf = root.child("leaf").slice(some()).register().unwrap();
        leaf.reserve(Demand::step().cost(nano(5))).unwrap().settle(Actual::none().cost(nano(5)));
        let hold = leaf.reserve_owned(Demand::none().tokens(20, 0).memory_bytes(4).cost(nano(3))).unwrap();
        leaf.finish();
        assert_eq!(stands(&enforcer, scope), [(1, 0), (0, 20), (0, 4), (5, 3), (0, 0)]);
        hold.settle(Actual::tokens(25, 0).cost(nano(1)));
        assert_eq!(stands(&enforcer, scope), [(1, 0), (25, 0), (0, 0), (6, 0), (0, 0)]);
        assert!(root.child("other").slice(Demand::none().tokens(76, 0)).register().is_err());
        assert_eq!(stands(&enforcer, scope)[1], (25, 0), "T2: a registration that is refused leaves nothing");
    }
}

#[test]
fn a_budget_that_is_new_since_a_slice_records_what_that_used_and_holds_nothing_of_it() {
    for scope in SCOPES {
        let enforcer = builder(&clock(NOON)).build().unwrap();
        let root = register(&enforcer, "root", "tenant");
        let leaf = root.child("leaf").slice(some()).register().unwrap();
        let budgets = vec![RESOURCES[1].budget(10, BudgetPeriod::Day)];
        super::changes::set(&enforcer, scope, budgets);
        leaf.charge(Actual::tokens(12, 0));
        let open = leaf.reserve_owned(Demand::none().tokens(3, 0)).unwrap();
        assert_eq!(figures(&enforcer, scope), [(0, 0, 0)]);
        leaf.finish();
        assert_eq!(figures(&enforcer, scope), [(12, 0, 2)]);
        open.settle(Actual::tokens(2, 0));
        assert_eq!(figures(&enforcer, scope), [(14, 0, 4)]);
    }
}

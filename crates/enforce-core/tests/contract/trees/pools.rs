//! Children that share their parent's budget.

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy, ResourceLimits, Retry,
    ScopeKind, Status, ViolationType,
};

use crate::common::{builder, disabled, kind, nano, noon, register, run, run_long, unlimited};

use super::{budget, child, committed, held, rooted, some};

#[test]
fn c1_what_a_grandchild_takes_climbs_every_pool_and_the_tenants_budget_once() {
    let (enforcer, root) = rooted(unlimited(), 100);
    let middle = child(&root, "middle");
    let leaf = child(&middle, "leaf");
    let hold = leaf.reserve(some()).unwrap();
    for run in [&leaf, &middle, &root] {
        assert_eq!((committed(run), held(run)), ([1, 0, 0, 2], [30, 8, 5]), "{}", run.id());
    }
    assert_eq!(budget(&enforcer), (0, 8));
    hold.settle(Actual::tokens(4, 3).cost(nano(9)).steps(1));
    for run in [&leaf, &middle, &root] {
        assert_eq!((committed(run), held(run)), ([2, 7, 9, 2], [0; 3]), "{}", run.id());
    }
    assert_eq!(budget(&enforcer), (9, 0));
    let usage = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!([usage.steps, usage.total_tokens, usage.cost_nano_usd], [2, 7, 9], "C1");
}

#[test]
fn r1_a_dropped_hold_gives_back_on_every_pool() {
    let (enforcer, root) = rooted(unlimited(), 100);
    let leaf = child(&child(&root, "middle"), "leaf");
    drop(leaf.reserve(some()).unwrap());
    assert_eq!((held(&root), committed(&root), budget(&enforcer)), ([0; 3], [1, 0, 0, 2], (0, 0)));
}

#[test]
fn t1_children_use_up_one_budget_together_and_are_told_that_it_is_their_parents() {
    let root = run(ResourceLimits { max_tokens: 100, ..unlimited() });
    let (one, two) = (child(&root, "one"), child(&root, "two"));
    let hold = one.reserve(Demand::step().tokens(60, 0)).unwrap();
    let refused = two.reserve(Demand::step().tokens(41, 0)).unwrap_err();
    assert_eq!((refused.violation_type, refused.scope), (ViolationType::TokenLimit, ScopeKind::Parent));
    assert_eq!((refused.used, refused.asked, refused.remaining), (60, 41, 40));
    assert_eq!((refused.retry, root.status()), (Retry::WhenFreed, Status::Live));
    assert_eq!(committed(&root), [1, 0, 0, 0], "T2: a refusal takes nothing anywhere");
    drop(hold);
    assert!(two.reserve(Demand::step().tokens(100, 0)).is_ok(), "T4");
}

#[test]
fn t1_what_comes_near_a_parents_limit_is_taken_of_it_as_what_stays_far_is() {
    let root = run(ResourceLimits { max_tokens: 100, ..unlimited() });
    let (one, two) = (child(&root, "one"), child(&root, "two"));
    let near = one.reserve(Demand::step().tokens(85, 0)).unwrap();
    assert!(near.warning().is_some(), "it is near");
    let refused = two.reserve(Demand::step().tokens(16, 0)).unwrap_err();
    assert_eq!((refused.scope, refused.used, refused.remaining), (ScopeKind::Parent, 85, 15));
}

#[test]
fn r2_debt_on_a_parent_blocks_its_children_whatever_they_ask() {
    let root = run(ResourceLimits { max_memory_mb: Some(1), max_tokens: 10, ..unlimited() });
    let leaf = child(&child(&root, "middle"), "leaf");
    root.charge(Actual::tokens(11, 0));
    let refused = leaf.reserve(Demand::none()).unwrap_err();
    assert_eq!(
        (refused.violation_type, refused.scope, refused.used),
        (ViolationType::TokenLimit, ScopeKind::Parent, 11)
    );
    assert_eq!(root.snapshot().debt_tokens, 1);
}

#[test]
fn e2_an_exhausted_pool_is_halted_itself_and_those_below_say_parent() {
    let root = run(unlimited());
    let middle = root.child("middle").limits(ResourceLimits { max_steps: 2, ..unlimited() }).register().unwrap();
    let (leaf, beside) = (child(&middle, "leaf"), child(&root, "beside"));
    for run in [&leaf, &middle] {
        drop(run.reserve(Demand::step()).unwrap());
    }
    let refused = leaf.reserve(Demand::step()).unwrap_err();
    assert_eq!((refused.violation_type, refused.scope, refused.used), (ViolationType::StepLimit, ScopeKind::Parent, 2));
    let halted = |scope| Status::Halted(Cause { violation_type: ViolationType::StepLimit, scope });
    assert_eq!([middle.status(), leaf.status()], [halted(ScopeKind::Execution), halted(ScopeKind::Parent)]);
    assert_eq!([root.status(), beside.status()], [Status::Live; 2]);
}

#[test]
fn a_pool_that_a_demand_is_too_large_for_is_not_acted_upon() {
    let root = run(ResourceLimits { max_steps: 3, ..unlimited() });
    let leaf = child(&root, "leaf");
    drop(leaf.reserve(Demand::step().steps(2)).unwrap());
    let refused = leaf.reserve(Demand::step().steps(2)).unwrap_err();
    assert_eq!((refused.remaining, refused.retry, root.status()), (1, Retry::Never, Status::Live));
}

#[test]
fn a_childs_charge_that_reaches_its_parents_threshold_pauses_the_parent_before_it_returns() {
    let threshold = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(10)), ..disabled() };
    let root = run_long(threshold);
    let (leaf, beside) = (child(&root, "leaf"), child(&root, "beside"));
    let settlement = leaf.charge(Actual::none().cost(nano(10)));
    let reached = settlement.exhausted.unwrap();
    assert_eq!((reached.violation_type, reached.scope), (ViolationType::CostThreshold, ScopeKind::Parent));
    let paused = |scope| Status::Paused(Cause { violation_type: ViolationType::CostThreshold, scope });
    assert_eq!(root.status(), paused(ScopeKind::Execution));
    assert_eq!([leaf.status(), beside.status()], [paused(ScopeKind::Parent); 2]);
    assert_eq!((root.pause_ticket().is_some(), leaf.pause_ticket()), (true, None), "it is the parent's to approve");
}

#[test]
fn the_action_of_a_tenants_budget_falls_on_the_child_that_asked() {
    let tenant = enforce_core::TenantPolicy {
        budget_usd: Some(nano(5)),
        budget_action: Action::Halt,
        ..enforce_core::TenantPolicy::default()
    };
    let root = register(&builder(&noon()).tenant(tenant).build().unwrap(), "root", "tenant");
    let (leaf, beside) = (child(&root, "leaf"), child(&root, "beside"));
    beside.charge(Actual::none().cost(nano(5)));
    assert_eq!(leaf.reserve(Demand::none().cost(nano(1))).unwrap_err().scope, ScopeKind::Tenant);
    let cause = Cause { violation_type: ViolationType::CostLimit, scope: ScopeKind::Tenant };
    assert_eq!([leaf.status(), beside.status(), root.status()], [Status::Halted(cause), Status::Live, Status::Live]);
}

#[test]
fn a_parents_limit_that_only_observes_is_seen_by_the_child_and_blocks_nothing() {
    let actions = LimitActions { tokens: Action::Observe, ..LimitActions::default() };
    let policy = EnforcementPolicy { actions, ..EnforcementPolicy::default() };
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let root = register(&builder(&noon()).limits(limits).policy(policy).build().unwrap(), "root", "tenant");
    let leaf = child(&root, "leaf");
    let hold = leaf.reserve(Demand::step().tokens(11, 0)).unwrap();
    let observed = hold.observed().unwrap();
    assert_eq!((observed.violation_type, observed.scope), (ViolationType::TokenLimit, ScopeKind::Parent));
}

#[test]
fn a_warning_of_a_parents_limit_says_parent() {
    let root = run(ResourceLimits { max_tokens: 10, ..unlimited() });
    let leaf = child(&root, "leaf");
    let warning = leaf.reserve(Demand::step().tokens(8, 0)).unwrap().warning().unwrap();
    assert_eq!((warning.warning_type, warning.scope), (ViolationType::TokenLimit, ScopeKind::Parent));
}

#[test]
fn late_settles_after_the_childs_and_the_roots_end_arrive_everywhere_once() {
    let (enforcer, root) = rooted(unlimited(), 100);
    let leaf = child(&child(&root, "middle"), "leaf");
    let [first, second] = [(); 2].map(|()| leaf.reserve_owned(some()).unwrap());
    leaf.finish();
    assert!(first.settle(Actual::tokens(1, 1).cost(nano(3))).late);
    assert_eq!((committed(&root), held(&root), budget(&enforcer)), ([2, 2, 3, 4], [30, 8, 5], (3, 8)));
    root.finish();
    assert!(second.settle(Actual::tokens(2, 2).cost(nano(4))).late);
    assert_eq!((committed(&root), held(&root), budget(&enforcer)), ([2, 6, 7, 4], [0; 3], (7, 0)));
    assert_eq!(enforcer.tenant_usage("tenant").unwrap().total_tokens, 6, "C1");
    assert_eq!(kind(leaf.reserve(Demand::none())), Some(ViolationType::Closed));
}

//! Children with a part of their parent's budget that is set aside for them.

use enforce_core::{
    Action, Actual, BudgetPeriod, Demand, LongRunningExecutionPolicy, ProviderPolicy, RegisterError, ResourceLimits,
    Retry, ScopeKind, Status, TenantPolicy, ViolationType,
};

use crate::common::{DAY, builder, disabled, nano, noon, pass, register, run, run_long, unlimited};

use super::{budget, child, committed, held, rooted, sliced, some};

fn whole() -> Demand {
    Demand::none().steps(4).tokens(50, 50).cost(nano(40)).memory_bytes(100).discovered_steps(5)
}

#[test]
fn r1_a_slice_is_held_from_spawn_and_its_unspent_part_comes_back_at_the_end() {
    let (enforcer, root) = rooted(unlimited(), 100);
    let leaf = sliced(&root, "leaf", whole());
    assert_eq!((held(&root), budget(&enforcer)), ([100, 40, 100], (0, 40)));
    leaf.reserve(some()).unwrap().settle(Actual::tokens(6, 5).cost(nano(7)));
    assert_eq!((held(&root), committed(&root)), ([100, 40, 100], [0; 4]), "until it ends");
    leaf.finish();
    assert_eq!((held(&root), committed(&root), budget(&enforcer)), ([0; 3], [1, 11, 7, 2], (7, 0)));
}

#[test]
fn a_slice_is_all_that_its_child_may_use_and_what_it_does_not_name_is_nothing() {
    let root = run(unlimited());
    for (number, demand) in [
        Demand::step(),
        Demand::none().tokens(11, 0),
        Demand::none().tokens(0, 11),
        Demand::none().cost(nano(1)),
        Demand::none().memory_bytes(1),
        Demand::none().discovered_steps(1),
    ]
    .into_iter()
    .enumerate()
    {
        let leaf = sliced(&root, &format!("leaf_{number}"), Demand::none().tokens(10, 0));
        let refused = leaf.reserve(demand).unwrap_err();
        assert_eq!((refused.scope, refused.retry), (ScopeKind::Execution, Retry::Never), "{demand:?}");
        assert!(refused.limit <= 10);
    }
}

#[test]
fn t1_no_change_of_limits_gives_a_child_more_than_its_slice() {
    let root = run(ResourceLimits { max_tokens: 100, ..unlimited() });
    let leaf = sliced(&root, "leaf", Demand::none().steps(9).tokens(10, 0));
    leaf.set_limits(ResourceLimits { max_tokens: 50, ..unlimited() }).unwrap();
    leaf.set_long_running(LongRunningExecutionPolicy { max_discovered_steps: Some(9), ..disabled() }).unwrap();
    let refused = leaf.reserve(Demand::step().tokens(11, 0)).unwrap_err();
    assert_eq!((refused.violation_type, refused.limit), (ViolationType::TokenLimit, 10));
    assert_eq!(leaf.reserve(Demand::none().discovered_steps(1)).unwrap_err().limit, 0);
    leaf.set_limits(ResourceLimits { max_tokens: 3, ..unlimited() }).unwrap();
    assert_eq!(leaf.reserve(Demand::step().tokens(4, 0)).unwrap_err().limit, 3, "less it may be");
}

#[test]
fn t1_what_an_ended_childs_hold_has_set_aside_stays_on_the_parent_until_the_hold_ends() {
    let (enforcer, root) = rooted(ResourceLimits { max_tokens: 100, ..unlimited() }, 50);
    let leaf = sliced(&root, "leaf", whole());
    let spent = leaf.reserve_owned(Demand::none().tokens(30, 0).cost(nano(30)).memory_bytes(30)).unwrap();
    let dropped = leaf.reserve_owned(Demand::none().tokens(20, 0).cost(nano(10)).memory_bytes(20)).unwrap();
    leaf.finish();
    assert_eq!((held(&root), budget(&enforcer)), ([50, 40, 50], (0, 40)));
    assert_eq!(root.reserve(Demand::none().tokens(51, 0)).unwrap_err().retry, Retry::WhenFreed);
    drop(dropped);
    assert_eq!((held(&root), budget(&enforcer)), ([30, 30, 30], (0, 30)));
    assert!(spent.settle(Actual::tokens(29, 2).cost(nano(25))).late);
    assert_eq!((held(&root), committed(&root), budget(&enforcer)), ([0; 3], [0, 31, 25, 0], (25, 0)), "R2");
}

#[test]
fn r1_late_amounts_of_slices_of_slices_pass_through_every_end_and_arrive_once() {
    for parent_first in [false, true] {
        let (enforcer, root) = rooted(unlimited(), 100);
        let middle = sliced(&root, "middle", whole());
        let leaf = sliced(&middle, "leaf", Demand::none().steps(2).tokens(40, 0).cost(nano(20)).discovered_steps(2));
        let below = child(&leaf, "below");
        let hold = below.reserve_owned(Demand::step().tokens(10, 0).cost(nano(9)).discovered_steps(1)).unwrap();
        let ends = if parent_first { [&middle, &leaf, &below] } else { [&below, &leaf, &middle] };
        ends.into_iter().for_each(|run| drop(run.finish()));
        assert_eq!((committed(&root), held(&root)), ([1, 0, 0, 1], [10, 9, 0]), "{parent_first}");
        hold.settle(Actual::tokens(7, 0).cost(nano(12)).steps(2));
        for run in [&below, &leaf, &middle, &root] {
            assert_eq!((committed(run), held(run)), ([3, 7, 12, 1], [0; 3]), "{} {parent_first}", run.id());
        }
        assert_eq!(budget(&enforcer), (12, 0));
        root.finish();
        below.charge(Actual::tokens(1, 0).cost(nano(1)));
        assert_eq!((committed(&root), budget(&enforcer)), ([3, 8, 13, 1], (13, 0)));
        let usage = enforcer.tenant_usage("tenant").unwrap();
        assert_eq!([usage.steps, usage.total_tokens, usage.cost_nano_usd], [3, 8, 13], "C1");
    }
}

#[test]
fn r2_what_a_child_used_above_its_slice_is_its_parents_debt() {
    let root = run(ResourceLimits { max_tokens: 10, ..unlimited() });
    let leaf = sliced(&root, "leaf", Demand::none().tokens(10, 0));
    leaf.charge(Actual::tokens(15, 0));
    assert_eq!((leaf.snapshot().debt_tokens, root.snapshot().debt_tokens), (5, 0));
    leaf.finish();
    assert_eq!((root.snapshot().debt_tokens, root.reserve(Demand::none()).unwrap_err().used), (5, 15));
}

#[test]
fn a_parent_is_not_exhausted_by_a_slice_and_its_own_steps_may_come_back() {
    let root = run(ResourceLimits { max_steps: 4, ..unlimited() });
    let leaf = sliced(&root, "leaf", Demand::none().steps(4));
    let refused = root.reserve(Demand::step()).unwrap_err();
    assert_eq!((refused.used, refused.retry, root.status()), (4, Retry::WhenFreed, Status::Live));
    drop(leaf.reserve(Demand::step()).unwrap());
    leaf.finish();
    assert!(root.reserve(Demand::step().steps(3)).is_ok());
    assert_eq!(root.reserve(Demand::step()).unwrap_err().retry, Retry::Never);
    assert!(matches!(root.status(), Status::Halted(_)));
}

#[test]
fn an_exhausted_parent_acts_on_a_slice_that_is_asked_of_it() {
    let root = run(ResourceLimits { max_tokens: 10, ..unlimited() });
    root.charge(Actual::tokens(10, 0));
    let Err(RegisterError::Refused(refused)) = root.child("leaf").slice(Demand::none().tokens(1, 0)).register() else {
        panic!("there is nothing left")
    };
    assert_eq!((refused.violation_type, refused.scope), (ViolationType::TokenLimit, ScopeKind::Parent));
    assert!(matches!(root.status(), Status::Halted(_)));
}

#[test]
fn the_end_of_a_child_acts_at_once_on_the_threshold_that_it_reaches_and_stands_still_for_nobody() {
    let threshold = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(10)), ..disabled() };
    let slice = Demand::none().cost(nano(20));
    let root = run_long(threshold);
    let leaf = sliced(&child(&root, "middle"), "leaf", slice);
    leaf.charge(Actual::none().cost(nano(10)));
    assert_eq!(root.status(), Status::Live, "it was only set aside");
    leaf.finish();
    assert!(matches!(root.status(), Status::Paused(cause) if cause.violation_type == ViolationType::CostThreshold));
    let ended = run_long(LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(10)), ..disabled() });
    sliced(&ended, "leaf", slice).charge(Actual::none().cost(nano(10)));
    ended.finish();
    assert_eq!(
        (ended.status(), committed(&ended)),
        (Status::Finished(None), [0, 0, 10, 0]),
        "ended before it could act"
    );
}

#[test]
fn a_slice_settles_into_the_day_in_which_it_was_set_aside() {
    let time = noon();
    let tenant =
        TenantPolicy { budget_usd: Some(nano(50)), budget_period: BudgetPeriod::Day, ..TenantPolicy::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let leaf = sliced(&root, "leaf", Demand::none().cost(nano(40)));
    pass(&time, DAY);
    let hold = leaf.reserve_owned(Demand::none().cost(nano(30))).unwrap();
    leaf.finish();
    hold.settle(Actual::none().cost(nano(30)));
    drop(root.reserve(Demand::none().cost(nano(50))).unwrap());
    assert_eq!(budget(&enforcer), (0, 0), "today is as it was");
}

#[test]
fn a_slice_is_amounts_and_charges_no_rate() {
    let policy = ProviderPolicy { requests_per_minute: Some(1), ..ProviderPolicy::default() };
    let enforcer = builder(&noon()).provider(policy).build().unwrap();
    let provider = enforcer.provider("provider").unwrap();
    let root = register(&enforcer, "root", "tenant");
    let leaf = sliced(&root, "leaf", Demand::step().provider(provider).fingerprint(1));
    assert!(leaf.reserve(Demand::step().provider(provider)).is_ok());
}

#[test]
fn a_slice_of_an_observed_limit_may_be_more_than_there_is() {
    let actions = enforce_core::LimitActions { tokens: Action::Observe, ..Default::default() };
    let policy = enforce_core::EnforcementPolicy { actions, ..Default::default() };
    let limits = ResourceLimits { max_tokens: 5, ..unlimited() };
    let root = register(&builder(&noon()).limits(limits).policy(policy).build().unwrap(), "root", "tenant");
    let leaf = sliced(&root, "leaf", Demand::none().tokens(9, 0));
    assert_eq!(held(&root), [9, 0, 0]);
    leaf.finish();
    assert_eq!(held(&root), [0; 3]);
}

#[test]
fn a_child_that_names_no_limits_of_its_own_discovers_as_much_as_its_parent_may_by_now() {
    let found = |max| LongRunningExecutionPolicy { max_discovered_steps: Some(max), ..disabled() };
    let run = run_long(found(1));
    let child = run.child("child").register().unwrap();
    run.set_long_running(found(5)).unwrap();
    assert!(child.reserve(Demand::step().discovered_steps(3)).is_ok());
    assert!(child.reserve(Demand::step().discovered_steps(3)).is_err());
}

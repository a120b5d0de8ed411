//! Warnings: once for each limit and level.

use enforce_core::{
    Action, Actual, Budget, BudgetAmount, BudgetPeriod, Demand, EnforcementPolicy, Event, EventBuffer, EventKind,
    ProcessPolicy, ResourceLimits, ScopeKind, TenantPolicy, ViolationType,
};

use crate::common::{DAY, noon, pass, register, unlimited};
use crate::limits::all;

use super::{heard, heard_at, heard_run};

/// (limit, whose, percent) of each warning.
fn warned(events: &EventBuffer) -> Vec<(ViolationType, ScopeKind, u32)> {
    let warning = |event: &Event| match event.kind {
        EventKind::Warning { warning } => Some((warning.warning_type, warning.scope, warning.usage_percent)),
        _ => None,
    };
    events.drain().iter().filter_map(warning).collect()
}

const OWN: ScopeKind = ScopeKind::Execution;

#[test]
fn a_limit_that_is_near_is_told_once_and_once_more_when_it_is_reached() {
    for limits in [
        ResourceLimits { max_steps: 10, ..unlimited() },
        // Not the short way.
        ResourceLimits { max_steps: 10, max_tokens: 1_000, ..unlimited() },
    ] {
        let (run, events, _enforcer) = heard_run(limits);
        for _ in 0..7 {
            drop(run.reserve(Demand::step()).unwrap());
        }
        assert_eq!(warned(&events), []);
        for _ in 7..9 {
            assert!(run.reserve(Demand::step()).unwrap().warning().is_some(), "a result each time");
        }
        assert_eq!(warned(&events), [(ViolationType::StepLimit, OWN, 80)]);
        drop(run.reserve(Demand::step()).unwrap());
        assert_eq!(warned(&events), [(ViolationType::StepLimit, OWN, 100)]);
    }
}

#[test]
fn every_limit_that_is_near_is_told_though_the_result_names_the_first() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_steps: 1, max_tokens: 10, ..unlimited() });
    let hold = run.reserve(Demand::step().tokens(9, 0)).unwrap();
    assert_eq!(hold.warning().map(|warning| warning.warning_type), Some(ViolationType::StepLimit));
    assert_eq!(warned(&events), [(ViolationType::StepLimit, OWN, 100), (ViolationType::TokenLimit, OWN, 90)]);
}

#[test]
fn a_limit_that_comes_and_goes_is_told_once() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    for _ in 0..3 {
        drop(run.reserve(Demand::step().tokens(9, 0)).unwrap());
        drop(run.reserve(Demand::step().tokens(1, 0)).unwrap());
    }
    assert_eq!(warned(&events), [(ViolationType::TokenLimit, OWN, 90)]);
}

#[test]
fn a_limit_that_is_raised_is_told_anew_and_one_that_is_lowered_is_not() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    run.charge(Actual::tokens(9, 0));
    let step = || drop(run.reserve(Demand::step().tokens(0, 0)).unwrap());
    let limit = |max_tokens| run.set_limits(ResourceLimits { max_tokens, ..unlimited() }).unwrap();
    step();
    limit(11);
    step();
    limit(10);
    step();
    limit(9);
    step();
    let expected = [90, 81, 100].map(|percent| (ViolationType::TokenLimit, OWN, percent));
    assert_eq!(warned(&events), expected);
}

#[test]
fn a_budget_is_told_once_a_period_for_all_that_share_it() {
    let time = noon();
    let budgets = vec![
        Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Day),
        Budget::new(BudgetAmount::Tokens(100), BudgetPeriod::Total),
    ];
    let (enforcer, events) = heard_at(&time, unlimited(), |builder| {
        builder.tenant(TenantPolicy { budgets, ..TenantPolicy::default() }).policy(all(Action::Refuse))
    });
    let runs = ["one", "two"].map(|id| register(&enforcer, id, "tenant"));
    for _ in 0..2 {
        for run in &runs {
            run.charge(Actual::tokens(4, 0));
        }
        for run in runs.iter().chain(&runs) {
            assert!(run.reserve(Demand::none().tokens(1, 0)).unwrap().warning().is_some());
        }
        assert_eq!(warned(&events), [(ViolationType::TokenLimit, ScopeKind::Tenant, 90)]);
        pass(&time, DAY);
    }
}

#[test]
fn budgets_whose_periods_end_at_once_are_told_each_by_itself() {
    // Its last hour ends the day, too.
    let time = noon();
    pass(&time, DAY / 2 - 1);
    let budgets = vec![
        Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Hour),
        Budget::new(BudgetAmount::Tokens(11), BudgetPeriod::Day),
    ];
    let (enforcer, events) = heard_at(&time, unlimited(), |builder| {
        builder.tenant(TenantPolicy { budgets, ..TenantPolicy::default() }).policy(all(Action::Refuse))
    });
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(8, 0));
    for _ in 0..3 {
        drop(run.reserve(Demand::none().tokens(1, 0)).unwrap());
    }
    assert_eq!(warned(&events), [90, 81].map(|percent| (ViolationType::TokenLimit, ScopeKind::Tenant, percent)));
}

#[test]
fn a_parents_limit_is_told_once_for_all_that_share_it() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    let children = ["one", "two"].map(|id| run.child(id).register().unwrap());
    run.charge(Actual::tokens(8, 0));
    for _ in 0..2 {
        for child in &children {
            drop(child.reserve(Demand::step().tokens(1, 0)).unwrap());
        }
    }
    assert_eq!(warned(&events), [(ViolationType::TokenLimit, ScopeKind::Parent, 90)]);
}

#[test]
fn a_threshold_of_a_hundred_percent_tells_only_what_is_reached() {
    let policy = EnforcementPolicy { warning_threshold: 100, ..EnforcementPolicy::default() };
    let (enforcer, events) = heard(ResourceLimits { max_steps: 2, ..unlimited() }, |builder| builder.policy(policy));
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(warned(&events), []);
    drop(run.reserve(Demand::step()).unwrap());
    assert_eq!(warned(&events), [(ViolationType::StepLimit, OWN, 100)]);
}

#[test]
fn a_limit_that_is_reached_again_is_told_once() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    for tokens in [9, 10, 10, 9, 10] {
        drop(run.reserve(Demand::step().tokens(tokens, 0)).unwrap());
    }
    assert_eq!(warned(&events), [90, 100].map(|percent| (ViolationType::TokenLimit, OWN, percent)));
    run.set_limits(ResourceLimits { max_tokens: 20, ..unlimited() }).unwrap();
    for tokens in [18, 20, 18, 20] {
        drop(run.reserve(Demand::step().tokens(tokens, 0)).unwrap());
    }
    let raised = [90, 100].map(|percent| (ViolationType::TokenLimit, OWN, percent));
    assert_eq!(warned(&events), raised, "a limit that is raised is another one");
}

#[test]
fn a_limit_that_is_raised_while_it_is_near_is_told_once_more_when_it_is_reached_again() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    drop(run.reserve(Demand::step().tokens(10, 0)).unwrap());
    run.set_limits(ResourceLimits { max_tokens: 11, ..unlimited() }).unwrap();
    for tokens in [10, 11] {
        drop(run.reserve(Demand::step().tokens(tokens, 0)).unwrap());
    }
    assert_eq!(warned(&events), [100, 90, 100].map(|percent| (ViolationType::TokenLimit, OWN, percent)));
}

#[test]
fn a_limit_of_everything_is_told_once_for_all_that_share_it() {
    let budgets = vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Total)];
    let (enforcer, events) = heard(unlimited(), |builder| {
        builder.process(ProcessPolicy { budgets, ..ProcessPolicy::default() }).policy(all(Action::Refuse))
    });
    for (id, tenant) in [("one", "a"), ("two", "b")] {
        drop(register(&enforcer, id, tenant).reserve(Demand::none().tokens(9, 0)).unwrap());
    }
    assert_eq!(warned(&events), [(ViolationType::TokenLimit, ScopeKind::Process, 90)]);
}

#[test]
fn a_parents_limit_is_told_once_to_itself_to_its_children_and_to_theirs() {
    let (run, events, _enforcer) = heard_run(ResourceLimits { max_tokens: 10, ..unlimited() });
    let child = run.child("child").register().unwrap();
    let grandchild = child.child("grandchild").register().unwrap();
    for whose in [&child, &grandchild, &run] {
        assert!(whose.reserve(Demand::none().tokens(9, 0)).unwrap().warning().is_some());
    }
    assert_eq!(warned(&events), [(ViolationType::TokenLimit, ScopeKind::Parent, 90)]);
}

#[test]
fn limits_of_two_periods_are_told_once_each() {
    let budgets = [BudgetPeriod::Hour, BudgetPeriod::Day].map(|per| Budget::new(BudgetAmount::Tokens(10), per));
    let (enforcer, events) = heard(unlimited(), |builder| {
        builder
            .tenant(TenantPolicy { budgets: budgets.to_vec(), ..TenantPolicy::default() })
            .policy(all(Action::Refuse))
    });
    let run = register(&enforcer, "exec", "tenant");
    for _ in 0..2 {
        drop(run.reserve(Demand::none().tokens(9, 0)).unwrap());
    }
    assert_eq!(warned(&events), [(ViolationType::TokenLimit, ScopeKind::Tenant, 90); 2]);
}

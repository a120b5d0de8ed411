//! When several limits are violated, the first in one order that never changes is *the* violation.

use enforce_core::{
    Action, BudgetPeriod, BudgetResource, Cause, Demand, EnforcementPolicy, EnforcementResult, LimitActions,
    LongRunningExecutionPolicy, ProcessPolicy, ProviderPolicy, ResourceLimits, ScopeKind, Status, TenantPolicy,
    UNLIMITED, ViolationType,
};

use crate::common::{SECOND, builder, disabled, kind, nano, noon, pass, register, run, unlimited};

use super::all;
use super::budgets::{RESOURCES, Resource, SCOPES};

/// Memory once, everything else in four periods.
const BUDGETS: usize = 17;

/// The periods that a budget of this resource may have, in the order in which they are looked at.
fn periods(of: &Resource) -> impl Iterator<Item = BudgetPeriod> + use<> {
    let all = [BudgetPeriod::Hour, BudgetPeriod::Day, BudgetPeriod::Month, BudgetPeriod::Total];
    let gauge = of.name == BudgetResource::Memory;
    all.into_iter().filter(move |per| !gauge || *per == BudgetPeriod::Total)
}

/// Violates everything at once, but for the first `fine` of the limits in their order.
fn violated(fine: usize) -> Option<(ViolationType, ScopeKind)> {
    let bad = |position: usize| position >= fine;
    let time = noon();
    let limits = ResourceLimits {
        max_wall_time_ms: if bad(0) { 1 } else { UNLIMITED },
        max_steps: if bad(2) { 0 } else { UNLIMITED },
        max_tokens: if bad(3) { 0 } else { UNLIMITED },
        max_memory_mb: bad(4).then_some(0),
        max_cost_usd: bad(5).then_some(nano(0)),
        max_active_time_ms: None,
        max_children: None,
        max_children_total: None,
        token_overdraft: 0,
        cost_overdraft_usd: nano(0),
        max_concurrent_executions: None,
    };
    let long_running = LongRunningExecutionPolicy {
        idle_timeout_seconds: bad(1).then_some(1),
        cost_alert_threshold_usd: bad(6).then_some(nano(0)),
        approval_ceiling_usd: None,
        max_discovered_steps: bad(7).then_some(0),
        max_same_step_repetitions: bad(9).then_some(2),
        ..disabled()
    };
    // Of each scope all of them, in the opposite order, but for those that are fine.
    let budgets = |first: usize| {
        let all = RESOURCES.iter().flat_map(|of| periods(of).map(|per| of.budget(0, per)));
        let mut bad: Vec<_> = all.enumerate().filter(|(place, _)| bad(first + place)).map(|(_, it)| it).collect();
        bad.reverse();
        bad
    };
    let tenant = TenantPolicy { budgets: budgets(10), ..Default::default() };
    let process = ProcessPolicy { budgets: budgets(10 + BUDGETS), ..Default::default() };
    let rates = ProviderPolicy { requests_per_minute: bad(10 + 2 * BUDGETS).then_some(0), ..Default::default() };
    let policy = all(Action::Refuse);
    let enforcer = builder(&time)
        .limits(limits)
        .long_running(long_running)
        .tenant(tenant)
        .process(process)
        .provider(rates)
        .policy(policy)
        .allowance("tool", if bad(8) { 0 } else { UNLIMITED })
        .build()
        .unwrap();
    let run = register(&enforcer, "exec", "tenant");
    // A first step for the loop to repeat, unless what comes before the loop stands in its way already.
    if fine > 6 {
        drop(run.reserve(Demand::none().fingerprint(1)).unwrap());
    }
    pass(&time, 10 * SECOND);
    let demand = Demand::step().tokens(1, 1).memory_bytes(1).cost(nano(1)).discovered_steps(1).fingerprint(1);
    let demand = demand.allowance(enforcer.allowance("tool").unwrap());
    let asked = demand.provider(enforcer.provider("provider").unwrap());
    let refused = run.reserve(asked).err();
    let checked = match run.check(asked) {
        EnforcementResult::Blocked(violation) => Some(violation),
        _ => None,
    };
    assert_eq!(refused, checked);
    refused.map(|violation| (violation.violation_type, violation.scope))
}

#[test]
fn limits_are_looked_at_in_one_order_and_the_first_that_is_violated_is_the_violation() {
    let own = [
        (ViolationType::WallTimeLimit, ScopeKind::Execution),
        (ViolationType::IdleTimeout, ScopeKind::Execution),
        (ViolationType::StepLimit, ScopeKind::Execution),
        (ViolationType::TokenLimit, ScopeKind::Execution),
        (ViolationType::MemoryLimit, ScopeKind::Execution),
        (ViolationType::CostLimit, ScopeKind::Execution),
        (ViolationType::CostThreshold, ScopeKind::Execution),
        (ViolationType::DiscoveredStepLimit, ScopeKind::Execution),
        (ViolationType::AllowanceLimit, ScopeKind::Execution),
        (ViolationType::SameStepLoop, ScopeKind::Execution),
    ];
    let budgets = SCOPES.into_iter().flat_map(|scope| {
        RESOURCES.iter().flat_map(move |of| periods(of).map(move |_| (of.name.violation_type(), scope)))
    });
    let order: Vec<_> =
        own.into_iter().chain(budgets).chain([(ViolationType::RateLimit, ScopeKind::Provider)]).collect();
    assert_eq!(order.len(), own.len() + 2 * BUDGETS + 1);
    for (fine, first) in order.iter().copied().enumerate() {
        assert_eq!(violated(fine), Some(first));
    }
    assert_eq!(violated(order.len()), None);
}

#[test]
fn the_state_comes_before_every_limit() {
    let run = run(ResourceLimits { max_steps: 0, ..unlimited() });
    run.halt(Cause::own(ViolationType::IdleTimeout));
    assert_eq!(run.reserve(Demand::step()).unwrap_err().to_string(), "halted by idle_timeout");
    run.finish();
    assert_eq!(run.reserve(Demand::step()).unwrap_err().to_string(), "closed by idle_timeout");
}

#[test]
fn a_limit_that_refuses_first_keeps_a_later_one_from_acting() {
    let run = run(ResourceLimits { max_steps: 5, max_tokens: 0, ..unlimited() });
    assert_eq!(kind(run.reserve(Demand::none().steps(6).tokens(1, 0))), Some(ViolationType::StepLimit));
    assert_eq!(run.status(), Status::Live, "the exhausted tokens were not reached");
    assert_eq!(kind(run.reserve(Demand::none().steps(1).tokens(1, 0))), Some(ViolationType::TokenLimit));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::TokenLimit)));
}

#[test]
fn what_is_observed_lets_the_next_limit_decide_and_the_first_of_each_is_told() {
    let actions = LimitActions { steps: Action::Observe, tokens: Action::Observe, ..Default::default() };
    let limits = ResourceLimits { max_steps: 0, max_tokens: 0, max_memory_mb: Some(1), ..unlimited() };
    let enforcer =
        builder(&noon()).limits(limits).policy(EnforcementPolicy { actions, ..Default::default() }).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(Demand::step().tokens(1, 0).memory_bytes(1 << 20)).unwrap();
    assert_eq!(hold.observed().unwrap().violation_type, ViolationType::StepLimit);
    assert_eq!(hold.warning().unwrap().warning_type, ViolationType::MemoryLimit);
    assert_eq!(kind(run.reserve(Demand::step().memory_bytes(1))), Some(ViolationType::MemoryLimit));
    assert_eq!(run.snapshot().steps, 1, "T2");
}

#[test]
fn the_first_limit_that_is_near_is_the_warning() {
    let limits = ResourceLimits { max_steps: 10, max_tokens: 10, ..unlimited() };
    let near = |steps, tokens| {
        let warning = run(limits.clone()).reserve(Demand::none().steps(steps).tokens(tokens, 0)).unwrap().warning();
        warning.map(|warning| warning.warning_type)
    };
    assert_eq!(near(8, 8), Some(ViolationType::StepLimit));
    assert_eq!(near(7, 8), Some(ViolationType::TokenLimit));
    assert_eq!(near(7, 7), None);
}

#[test]
fn a_threshold_that_is_reached_comes_before_discovered_steps_that_are_too_many() {
    let long_running = LongRunningExecutionPolicy {
        cost_alert_threshold_usd: Some(nano(10)),
        max_discovered_steps: Some(1),
        ..disabled()
    };
    let enforcer = builder(&noon()).long_running(long_running).policy(all(Action::Refuse)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.charge(enforce_core::Actual::none().cost(nano(10)));
    assert_eq!(kind(run.reserve(Demand::step().discovered_steps(2))), Some(ViolationType::CostThreshold));
}

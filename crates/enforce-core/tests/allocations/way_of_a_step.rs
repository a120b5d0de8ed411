//! Every verb of a step, with every limit there is.

use allocation_counter::measure;
use enforce_core::{
    Action, Actual, AllowanceKey, Budget, BudgetAmount, BudgetPeriod, Clock, Demand, EnforcementPolicy, Enforcer,
    Execution, LimitActions, LongRunningExecutionPolicy, ManualClock, NanoUsd, ProcessPolicy, ProviderPolicy,
    ResourceLimits, TenantPolicy,
};

/// A budget of each resource but the one that has fields of its own.
fn budgets() -> Vec<Budget> {
    vec![
        Budget::new(BudgetAmount::Steps(1_000), BudgetPeriod::Hour),
        Budget::new(BudgetAmount::Tokens(1 << 30), BudgetPeriod::Month),
        Budget::new(BudgetAmount::MemoryMb(1), BudgetPeriod::Total),
        Budget::new(BudgetAmount::DiscoveredSteps(1_000), BudgetPeriod::Total),
    ]
}

/// An execution with every limit there is, and a demand that asks something of each.
fn everything(action: Action) -> (Execution, Demand, AllowanceKey) {
    let limits = ResourceLimits {
        max_memory_mb: Some(1),
        max_concurrent_executions: Some(1),
        max_cost_usd: NanoUsd::new(500).ok(),
        ..ResourceLimits::default()
    };
    let long_running = LongRunningExecutionPolicy { max_cycle_length: 8, ..LongRunningExecutionPolicy::standard() };
    let actions = LimitActions { tokens: action, cost: action, memory: action, ..LimitActions::default() };
    let budget_usd = NanoUsd::new(500).ok();
    let enforcer = Enforcer::builder()
        .limits(limits)
        .long_running(long_running)
        .policy(EnforcementPolicy { actions, ..EnforcementPolicy::default() })
        .tenant(TenantPolicy {
            budget_usd,
            budget_period: BudgetPeriod::Day,
            budgets: budgets(),
            ..TenantPolicy::default()
        })
        .process(ProcessPolicy { budgets: budgets(), ..ProcessPolicy::default() })
        .provider(ProviderPolicy {
            requests_per_minute: Some(60),
            tokens_per_minute: Some(6_000),
            ..ProviderPolicy::default()
        })
        .allowance("tool", 100)
        .clock(Clock::manual(&ManualClock::new()))
        .build()
        .unwrap();
    let provider = enforcer.provider("provider").unwrap();
    let run = enforcer.execution("exec", "tenant").register().unwrap();
    let tool = enforcer.allowance("tool").unwrap();
    let cost = NanoUsd::new(4).unwrap();
    let demand = Demand::step().tokens(10, 10).memory_bytes(5).cost(cost).discovered_steps(1).provider(provider);
    let demand = demand.allowance(tool);
    // What is made once: the thread's own state, if any, and the counters of its allowances.
    drop(run.reserve(demand.fingerprint(u64::MAX)).unwrap());
    (run, demand, tool)
}

#[test]
fn an_admission_a_settle_a_drop_and_a_charge_allocate_nothing() {
    let (run, demand, _) = everything(Action::Halt);
    let counted = measure(|| {
        for number in 0..10 {
            let hold = run.reserve(demand.fingerprint(number)).unwrap();
            assert!(run.check(demand.fingerprint(number + 1)).is_allowed());
            if number % 2 == 0 {
                hold.settle(Actual::tokens(5, 5).cost(NanoUsd::ZERO));
            }
            let mut owned = run.reserve_owned(demand.fingerprint(number + 100)).unwrap();
            owned.extend(Demand::none().tokens(0, 5)).unwrap();
            assert!(owned.extend(Demand::none().tokens(0, 1 << 40)).is_err());
            owned.settle(Actual::tokens(1, 30));
            run.charge(Actual::tokens(1, 1).steps(1));
            run.touch().unwrap();
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_step_that_nothing_but_steps_limits_allocates_nothing() {
    let enforcer = Enforcer::builder().limits(ResourceLimits { max_steps: 50, ..ResourceLimits::unlimited() }).build();
    let run = enforcer.unwrap().execution("exec", "tenant").register().unwrap();
    let counted = measure(|| {
        let admitted = (0..100).filter(|_| run.reserve(Demand::step()).is_ok()).count();
        assert_eq!(admitted, 50);
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_refusal_and_its_action_allocate_nothing() {
    for action in [Action::Refuse, Action::Observe, Action::Halt, Action::Pause] {
        let (run, demand, tool) = everything(action);
        let refused = [
            demand.steps(1_000),
            demand.tokens(u64::MAX, 1),
            demand.memory_bytes(u64::MAX),
            demand.cost(NanoUsd::MAX),
            demand.discovered_steps(1_000),
            demand.allowance_units(tool, 1_000),
            demand.rate_tokens(1_000_000),
        ];
        let counted = measure(|| {
            for demand in refused {
                assert!(run.check(demand).is_blocked());
                assert!(run.reserve(demand).is_err());
            }
            run.charge(Actual::tokens(200_000, 0).steps(1_000));
            assert!(run.reserve(demand).is_err());
            assert!(run.reserve(demand).is_err());
        });
        assert_eq!(counted.count_total, 0, "{action}");
    }
}

#[test]
fn asking_by_id_allocates_nothing() {
    let enforcer = Enforcer::builder().build().unwrap();
    let run = enforcer.execution("exec", "tenant").register().unwrap();
    let counted = measure(|| {
        enforcer.reserve("exec", Demand::step().tokens(1, 1)).unwrap().settle(Actual::tokens(1, 1));
        assert!(enforcer.reserve("unknown", Demand::step()).is_err());
        assert!(enforcer.check("exec", Demand::step()).is_allowed());
    });
    assert_eq!((counted.count_total, run.snapshot().steps), (0, 1));
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(vec![1_u8])).count_total, 1);
}

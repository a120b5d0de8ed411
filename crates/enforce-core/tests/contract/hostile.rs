//! Absurd amounts, times, names and table sizes (N1): an answer each time, never a panic, a wrap or a residue.

use enforce_core::{
    Action, Actual, BudgetPeriod, Cause, Demand, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy,
    ManualClock, ProviderPolicy, ResourceLimits, Retry, ScopeKind, Status, TenantPolicy, Timestamp, UsageSnapshot,
    ViolationType,
};

use crate::common::{DAY, MAX, NOON, builder, disabled, kind, nano, noon, register, run, run_on, unlimited};

#[test]
fn n1_check_and_reserve_agree_that_a_sum_past_the_bound_fits_nothing() {
    for demand in [
        Demand::none().tokens(MAX, 0),
        Demand::none().memory_bytes(MAX),
        Demand::none().cost(nano(MAX)),
        Demand::none().discovered_steps(MAX),
    ] {
        for actions in [LimitActions::default(), LimitActions::observe()] {
            let policy = EnforcementPolicy { actions, ..Default::default() };
            let run = register(&builder(&noon()).policy(policy).build().unwrap(), "exec", "tenant");
            let _first = run.reserve(demand).unwrap();
            assert!(run.check(demand).is_blocked(), "{demand:?}");
            assert!(run.reserve(demand).is_err(), "{demand:?}");
            assert_eq!(run.status(), Status::Live);
        }
    }
}

#[test]
fn n1_an_absurd_demand_of_an_exhausted_limit_halts_as_any_other_does() {
    for amount in [1, MAX, MAX + 1, u64::MAX] {
        let run = run(ResourceLimits { max_tokens: 10, ..unlimited() });
        run.charge(Actual::tokens(10, 0));
        assert_eq!(kind(run.reserve(Demand::none().tokens(amount, 0))), Some(ViolationType::TokenLimit));
        assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::TokenLimit)), "{amount}");
    }
}

#[test]
fn n1_a_deadline_past_the_end_of_the_clock_never_comes() {
    for (max_wall_time_ms, timeout_grace_ms) in [(u64::MAX - 1, 0), (1, u64::MAX), (u64::MAX - 1, u64::MAX)] {
        let time = ManualClock::new();
        let limits = ResourceLimits { max_wall_time_ms, ..unlimited() };
        let policy = EnforcementPolicy { timeout_grace_ms, ..Default::default() };
        let run = register(&builder(&time).limits(limits).policy(policy).build().unwrap(), "exec", "tenant");
        time.set(Timestamp::from_nanos(u64::MAX));
        assert!(run.reserve(Demand::step()).is_ok(), "{max_wall_time_ms} ms and {timeout_grace_ms} ms of grace");
    }
}

#[test]
fn n1_who_was_active_at_the_end_of_the_clock_is_not_idle() {
    let time = ManualClock::new();
    let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(1), ..disabled() };
    let run = run_on(&time, unlimited(), long_running);
    time.set(Timestamp::from_nanos(u64::MAX));
    run.touch().unwrap();
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn n1_a_sum_at_the_bound_is_counted_and_one_past_it_is_cut_halts_and_says_so() {
    let cases: [(Actual, Actual, ViolationType); 4] = [
        (Actual::none().steps(MAX), Actual::none().steps(1), ViolationType::StepLimit),
        (Actual::tokens(MAX - 1, 1), Actual::tokens(0, 1), ViolationType::TokenLimit),
        (Actual::none().cost(nano(MAX)), Actual::none().cost(nano(1)), ViolationType::CostLimit),
        (Actual::none().discovered_steps(MAX), Actual::none().discovered_steps(1), ViolationType::DiscoveredStepLimit),
    ];
    let limited = ResourceLimits { max_steps: 10, max_tokens: 10, max_cost_usd: Some(nano(10)), ..unlimited() };
    for (to_the_bound, past_it, violation_type) in cases {
        for limits in [unlimited(), limited.clone()] {
            let run = run(limits);
            let settlement = run.charge(to_the_bound);
            assert_eq!((settlement.exhausted, run.status()), (None, Status::Live), "{violation_type}");
            let before = run.snapshot();
            let exhausted = run.charge(past_it).exhausted.unwrap();
            assert_eq!((exhausted.violation_type, exhausted.current, exhausted.limit), (violation_type, MAX, MAX));
            assert_eq!(run.status(), Status::Halted(Cause::own(violation_type)));
            let after = run.snapshot();
            let sums = |usage: &UsageSnapshot| {
                (usage.steps, usage.total_tokens, usage.cost_nano_usd, usage.discovered_steps, usage.outstanding)
            };
            assert_eq!(sums(&after), sums(&before), "cut at the bound: {violation_type}");
        }
    }
}

#[test]
fn n1_a_budget_past_the_bound_is_cut_halts_and_shows_nothing_outstanding() {
    let tenant = TenantPolicy { budget_usd: Some(nano(5)), ..Default::default() };
    let enforcer = builder(&noon()).tenant(tenant).build().unwrap();
    let (first, second) = (register(&enforcer, "first", "tenant"), register(&enforcer, "second", "tenant"));
    assert_eq!(first.charge(Actual::none().cost(nano(MAX))).exhausted, None);
    let exhausted = second.charge(Actual::none().cost(nano(MAX))).exhausted.unwrap();
    assert_eq!(exhausted.as_cause().to_string(), "tenant:cost_limit");
    assert_eq!((first.status(), second.status()), (Status::Live, Status::Halted(exhausted.as_cause())));
    let usage = enforcer.tenant_usage("tenant").unwrap();
    let budget = usage.budget.unwrap();
    assert_eq!((budget.committed, budget.outstanding, budget.debt), (MAX, 0, MAX - 5));
}

#[test]
fn n1_c1_a_tenants_sums_are_cut_at_the_bound_alike_before_and_after_its_executions_end() {
    let enforcer = builder(&noon()).build().unwrap();
    let everything = Actual::tokens(MAX, 0).cost(nano(MAX)).steps(MAX);
    for id in ["first", "second"] {
        register(&enforcer, id, "tenant").charge(everything);
    }
    let live = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!((live.steps, live.total_tokens, live.input_tokens, live.cost_nano_usd), (MAX, MAX, MAX, MAX));
    for id in ["first", "second"] {
        enforcer.finish(id).unwrap();
    }
    let ended = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!((ended.steps, ended.total_tokens, ended.input_tokens, ended.cost_nano_usd), (MAX, MAX, MAX, MAX));
}

#[test]
fn n1_any_actual_is_recorded_without_a_panic_or_a_wrap() {
    for amount in [0, 1, MAX, MAX + 1, u64::MAX] {
        let run = run(ResourceLimits { max_tokens: 7, ..unlimited() });
        let hold = run.reserve(Demand::step().tokens(3, 4).memory_bytes(5)).unwrap();
        let actual = Actual::tokens(amount, amount).steps(amount).discovered_steps(amount).cost(nano(amount.min(MAX)));
        hold.settle(actual);
        run.charge(actual);
        let usage = run.snapshot();
        assert_eq!(usage.total_tokens, amount.saturating_mul(4).min(MAX), "{amount}");
        assert_eq!(usage.total_tokens, usage.input_tokens + usage.output_tokens, "{amount}");
        assert_eq!(usage.steps, (1 + u128::from(amount) * 2).min(u128::from(MAX)) as u64, "{amount}");
        assert!(usage.outstanding.is_zero(), "{amount}");
    }
}

#[test]
fn a_provider_key_that_the_enforcer_never_gave_out_is_admitted_by_no_rate() {
    let policy = ProviderPolicy { requests_per_minute: Some(60), ..Default::default() };
    let stranger = builder(&noon()).build().unwrap().provider("elsewhere").unwrap();
    let run = register(&builder(&noon()).provider(policy).build().unwrap(), "exec", "tenant");
    let refused = run.reserve(Demand::step().provider(stranger)).unwrap_err();
    assert_eq!(
        (refused.violation_type, refused.scope, refused.retry),
        (ViolationType::RateLimit, ScopeKind::Provider, Retry::Never)
    );
    assert!(run.check(Demand::step().provider(stranger)).is_blocked());
    assert!(
        self::run(unlimited()).reserve(Demand::step().provider(stranger)).is_ok(),
        "where no rate is set, none is asked"
    );
}

#[test]
fn n1_any_demand_is_answered_and_any_refusal_changes_nothing() {
    let amounts = [0, 1, MAX - 1, MAX, MAX + 1, 1 << 57, u64::MAX - 1, u64::MAX];
    let small = ResourceLimits {
        max_steps: 9,
        max_tokens: 9,
        max_memory_mb: Some(1),
        max_cost_usd: Some(nano(9)),
        ..unlimited()
    };
    let long_running =
        LongRunningExecutionPolicy { max_discovered_steps: Some(9), ..LongRunningExecutionPolicy::standard() };
    let rates = ProviderPolicy { requests_per_minute: Some(9), tokens_per_minute: Some(9_000), ..Default::default() };
    for amount in amounts {
        let run = run_on(&noon(), small.clone(), long_running.clone());
        let enforcer = builder(&noon()).provider(rates.clone()).build().unwrap();
        let rated = register(&enforcer, "exec", "tenant");
        let provider = enforcer.provider("provider").unwrap();
        let demands = [
            Demand::none().steps(amount),
            Demand::none().tokens(amount, amount),
            Demand::none().tokens(amount, 0),
            Demand::none().memory_bytes(amount),
            Demand::none().cost(nano(amount.min(MAX))),
            Demand::none().discovered_steps(amount),
        ];
        for demand in demands {
            let before = run.snapshot();
            let allowed = run.check(demand).is_allowed();
            match run.reserve(demand) {
                Ok(_) => assert!(allowed && amount <= 9, "{demand:?}"),
                Err(violation) => {
                    assert!(!allowed && violation.to_string().contains(" exceeded: "), "{violation}");
                    assert_eq!(run.snapshot(), before, "T2: {demand:?}");
                }
            }
        }
        let rated_demand = Demand::none().provider(provider).rate_tokens(amount);
        match rated.reserve(rated_demand) {
            Ok(_) => assert!(amount <= 9_000),
            Err(violation) => assert_eq!((violation.retry, violation.remaining), (Retry::Never, 9_000)),
        }
    }
}

#[test]
fn n1_any_time_is_answered() {
    let moments = [0, 1, NOON - 1, NOON, NOON + 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    let tenant = TenantPolicy { budget_usd: Some(nano(9)), budget_period: BudgetPeriod::Day, ..Default::default() };
    let rates = ProviderPolicy { requests_per_minute: Some(350), ..Default::default() };
    let limits = ResourceLimits { max_wall_time_ms: u64::MAX - 1, ..unlimited() };
    let long_running = LongRunningExecutionPolicy { idle_timeout_seconds: Some(u64::MAX), ..disabled() };
    for built in moments {
        let enforcer = builder(&ManualClock::starting_at(Timestamp::from_nanos(built)))
            .tenant(tenant.clone())
            .provider(rates.clone())
            .limits(limits.clone())
            .long_running(long_running.clone())
            .build()
            .unwrap();
        let provider = enforcer.provider("provider").unwrap();
        for registered in moments.map(Timestamp::from_nanos) {
            let run = enforcer.execution("exec", "tenant").register_at(registered).unwrap();
            for asked in moments.map(Timestamp::from_nanos) {
                let demand = Demand::step().provider(provider);
                let allowed = run.check_at(demand, asked).is_allowed();
                let admitted = run.reserve_at(demand, asked);
                assert_eq!(admitted.is_ok(), allowed);
                if let Ok(hold) = admitted {
                    hold.settle_at(Actual::tokens(1, 1), Timestamp::from_nanos(u64::MAX - asked.as_nanos()));
                }
                run.charge_at(Actual::none(), asked);
                run.touch_at(asked).unwrap();
                assert!(run.snapshot_at(asked).wall_time_ms <= u64::MAX / 1_000_000);
            }
            run.finish_at(registered);
        }
    }
}

#[test]
fn n1_a_rate_whose_word_is_full_admits_nothing_rather_than_wrap() {
    let time = ManualClock::new();
    let rates = ProviderPolicy { requests_per_minute: Some(58), ..Default::default() };
    let enforcer = builder(&time).provider(rates).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("provider").unwrap());
    let ten_years = 3_652 * DAY + DAY / 2;
    time.set(Timestamp::from_nanos(ten_years));
    assert!(run.reserve(demand).is_ok(), "ten years are promised");
    time.set(Timestamp::from_nanos(u64::MAX));
    let refused = run.reserve(demand).unwrap_err();
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::RateLimit, Retry::Never));
}

#[test]
fn n1_observing_every_limit_counts_absurd_amounts_and_blocks_none_that_can_be_counted() {
    let policy = EnforcementPolicy { actions: LimitActions::observe(), ..Default::default() };
    let limits = ResourceLimits {
        max_steps: 0,
        max_tokens: 0,
        max_wall_time_ms: 0,
        max_memory_mb: Some(0),
        max_concurrent_executions: Some(0),
        max_cost_usd: Some(nano(0)),
        max_active_time_ms: Some(u64::MAX),
        max_children: None,
        max_children_total: None,
        token_overdraft: 0,
        cost_overdraft_usd: nano(0),
    };
    let long_running = LongRunningExecutionPolicy {
        max_discovered_steps: Some(0),
        max_discovery_depth: Some(0),
        cost_alert_threshold_usd: Some(nano(0)),
        approval_ceiling_usd: Some(nano(0)),
        idle_timeout_seconds: Some(0),
        max_same_step_repetitions: Some(2),
        max_cycle_length: 8,
    };
    let rates = ProviderPolicy { requests_per_minute: Some(0), tokens_per_minute: Some(0), ..Default::default() };
    let tenant = TenantPolicy { budget_usd: Some(nano(0)), budget_action: Action::Observe, ..Default::default() };
    let enforcer = builder(&noon())
        .policy(policy)
        .limits(limits)
        .long_running(long_running)
        .provider(rates)
        .tenant(tenant)
        .build()
        .unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let provider = enforcer.provider("provider").unwrap();
    let _deep = [run.enter_discovery().unwrap(), run.enter_discovery().unwrap()];
    let demand =
        Demand::step().tokens(1 << 54, 1 << 54).memory_bytes(1 << 55).cost(nano(1 << 54)).discovered_steps(1 << 54);
    let demand = demand.fingerprint(1).provider(provider);
    for _ in 0..2 {
        let hold = run.reserve(demand).unwrap();
        assert_eq!(hold.observed().unwrap().violation_type, ViolationType::WallTimeLimit, "the first of many");
        hold.settle(Actual::tokens(1 << 53, 1 << 53).cost(nano(1 << 54)));
    }
    assert_eq!(run.status(), Status::Live);
    let usage = run.snapshot();
    assert_eq!(
        (usage.steps, usage.total_tokens, usage.cost_nano_usd, usage.discovered_steps),
        (2, 1 << 55, 1 << 55, 1 << 55)
    );
    assert!(run.reserve(demand.tokens(u64::MAX, 0)).is_err(), "what cannot be counted is refused");
    assert_eq!(run.status(), Status::Live);
}

#[test]
fn n1_input_past_the_largest_amount_is_noticed_though_no_output_comes_with_it() {
    let run = crate::common::run(crate::common::unlimited());
    run.charge(enforce_core::Actual::tokens(crate::common::MAX, 0));
    assert_eq!(run.status(), enforce_core::Status::Live);
    run.charge(enforce_core::Actual::tokens(1, 0));
    assert_eq!(
        run.status().violation().map(|stop| stop.cause.unwrap().violation_type),
        Some(enforce_core::ViolationType::TokenLimit)
    );
}

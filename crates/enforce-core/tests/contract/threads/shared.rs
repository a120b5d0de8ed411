//! 64 threads on one execution, on one tenant, on one provider.

use enforce_core::{
    Action, Actual, Cause, Demand, EnforcementPolicy, EnforcementResult, Execution, LimitActions,
    LongRunningExecutionPolicy, NanoUsd, ProviderPolicy, ResourceLimits, Status, TenantPolicy, ViolationType,
};

use crate::common::{SECOND, builder, disabled, nano, noon, pass, register, run_on, unlimited};

use super::{Numbers, THREADS, storm};

const LIMITS: ResourceLimits = ResourceLimits {
    max_steps: 6_000,
    max_tokens: 60_000,
    max_memory_mb: Some(1),
    max_cost_usd: None,
    max_active_time_ms: None,
    max_children: None,
    max_children_total: None,
    token_overdraft: 0,
    cost_overdraft_usd: NanoUsd::ZERO,
    ..ResourceLimits::unlimited()
};
const COST: u64 = 40_000;
const DISCOVERED: u64 = 3_000;
const MEMORY: u64 = 1 << 20;

/// What a refused question says of each amount: used, of which limit. One word is read for each, so it is what it was
/// at one instant.
fn used(run: &Execution) -> [(u64, u64); 5] {
    let everything = [
        Demand::none().steps(u64::MAX),
        Demand::none().tokens(u64::MAX, 0),
        Demand::none().memory_bytes(u64::MAX),
        Demand::none().cost(NanoUsd::MAX),
        Demand::none().discovered_steps(u64::MAX),
    ];
    everything.map(|demand| match run.check(demand) {
        EnforcementResult::Blocked(violation) => (violation.used, violation.limit),
        admitted => panic!("{demand:?}: {admitted:?}"),
    })
}

#[test]
fn t1_r1_one_execution_never_passes_any_limit_and_its_sums_are_exact() {
    let refuse =
        LimitActions { steps: Action::Refuse, tokens: Action::Refuse, cost: Action::Refuse, ..Default::default() };
    let policy = EnforcementPolicy { actions: refuse, ..Default::default() };
    let limits = ResourceLimits { max_cost_usd: Some(nano(COST)), ..LIMITS };
    let long_running = LongRunningExecutionPolicy { max_discovered_steps: Some(DISCOVERED), ..disabled() };
    let enforcer = builder(&noon()).limits(limits).long_running(long_running).policy(policy).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let work = |thread| {
        let mut numbers = Numbers::of(thread);
        let (mut sums, mut refused) = ([0; 5], 0);
        for _ in 0..150 {
            let (input, output, cost) = (numbers.below(40), numbers.below(40), numbers.below(60));
            let discovered = numbers.below(2);
            let demand = Demand::step().tokens(input, output).cost(nano(cost)).discovered_steps(discovered);
            let Ok(hold) = run.reserve(demand.memory_bytes(numbers.below(MEMORY / 8))) else {
                refused += 1;
                continue;
            };
            std::thread::yield_now();
            let spent = numbers.below(3);
            let actual = [input * spent / 2, output * spent / 2, cost * spent / 2];
            if spent == 0 {
                drop(hold);
            } else {
                let settlement = hold.settle(Actual::tokens(actual[0], actual[1]).cost(nano(actual[2])));
                assert_eq!((settlement.overrun_tokens, settlement.overrun_nano_usd), (0, 0));
            }
            let begun = [1, discovered];
            for (sum, amount) in sums.iter_mut().zip(begun.into_iter().chain(actual)) {
                *sum += amount;
            }
        }
        (sums, refused)
    };
    let watch = || {
        let seen = used(&run);
        assert!(seen.iter().all(|(used, limit)| used <= limit), "{seen:?}");
    };
    let outcomes = storm(work, watch);
    let sums = outcomes.iter().fold([0; 5], |mut all, (sums, _)| {
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        all
    });
    let usage = run.snapshot();
    let counted = [usage.steps, usage.discovered_steps, usage.input_tokens, usage.output_tokens, usage.cost_nano_usd];
    assert_eq!(counted, sums);
    assert!(usage.outstanding.is_zero());
    assert_eq!(used(&run).map(|(used, _)| used), [sums[0], sums[2] + sums[3], 0, sums[4], sums[1]]);
    assert!(outcomes.iter().any(|(_, refused)| *refused > 0), "no limit was met");
}

#[test]
fn t1_c1_one_tenant_never_passes_its_slots_or_its_budget_and_its_sums_are_exact() {
    let limits = ResourceLimits { max_concurrent_executions: Some(16), ..unlimited() };
    let tenant = TenantPolicy { budget_usd: Some(nano(20_000)), ..Default::default() };
    let enforcer = builder(&noon()).limits(limits).tenant(tenant).build().unwrap();
    let work = |thread| {
        let mut numbers = Numbers::of(thread);
        let mut sums = [0; 4];
        for round in 0..40 {
            let Ok(run) = enforcer.execution(format!("exec_{thread}_{round}"), "tenant").register() else { continue };
            for _ in 0..4 {
                let cost = numbers.below(30);
                let Ok(hold) = run.reserve(Demand::step().tokens(cost, 1).cost(nano(cost))) else { continue };
                std::thread::yield_now();
                sums[0] += 1;
                if numbers.below(4) > 0 {
                    hold.settle(Actual::tokens(cost, 1).cost(nano(cost / 2)));
                    [sums[1], sums[2], sums[3]] = [sums[1] + cost + 1, sums[2] + cost, sums[3] + cost / 2];
                }
            }
            run.finish();
        }
        sums
    };
    let watch = || {
        let Some(usage) = enforcer.tenant_usage("tenant") else { return };
        let budget = usage.budget.unwrap();
        assert!(usage.live_executions <= 16, "{usage:?}");
        assert!(budget.committed + budget.outstanding <= budget.limit, "{usage:?}");
    };
    let sums = storm(work, watch).into_iter().fold([0; 4], |mut all, sums| {
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        all
    });
    let usage = enforcer.tenant_usage("tenant").unwrap();
    assert_eq!([usage.steps, usage.total_tokens, usage.input_tokens, usage.cost_nano_usd], sums);
    let budget = usage.budget.unwrap();
    assert_eq!((usage.live_executions, budget.committed, budget.outstanding), (0, sums[3], 0));
    assert_eq!(enforcer.execution_count(), 0);
}

#[test]
fn q1_simultaneous_callers_of_one_provider_get_exactly_its_burst_and_then_exactly_what_refills() {
    let time = noon();
    let policy = ProviderPolicy { requests_per_minute: Some(350), request_burst: Some(40), ..Default::default() };
    let enforcer = builder(&time).provider(policy).build().unwrap();
    let provider = enforcer.provider("provider").unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut admitted = 0;
    for second in 0..8 {
        admitted +=
            storm(|_| u64::from(run.reserve(Demand::step().provider(provider)).is_ok()), || ()).iter().sum::<u64>();
        // Every round more is asked than has refilled, so all of it is given out, and no more.
        assert_eq!(admitted, 40 + second * 350 / 60, "after {second} s");
        pass(&time, SECOND);
    }
}

#[test]
fn q1_requests_and_tokens_of_one_provider_are_charged_together_or_not_at_all() {
    let policy =
        ProviderPolicy { requests_per_minute: Some(1_200), tokens_per_minute: Some(3_000), ..Default::default() };
    let time = noon();
    let enforcer = builder(&time).provider(policy).build().unwrap();
    let provider = enforcer.provider("provider").unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(provider);
    let work = |thread| {
        let tokens = thread % 7;
        let settled =
            |_: &u64| run.reserve(demand.tokens(9, 0)).map(|hold| hold.settle(Actual::tokens(tokens, 0))).is_ok();
        let admitted = (0..40).filter(settled).count() as u64;
        (admitted, admitted * tokens)
    };
    let admitted = storm(work, || ());
    let (requests, tokens) = admitted.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert!(requests <= 1_200 && tokens <= 3_000, "{requests} requests, {tokens} tokens");
    // What is left is exactly what was not admitted: nothing was charged for a refusal.
    let left = (0..).take_while(|_| run.reserve(demand).is_ok()).count() as u64;
    assert_eq!(requests + left, 1_200);
    pass(&time, SECOND / 20);
    let too_many = run.reserve(demand.tokens(3_000, 0)).unwrap_err();
    assert_eq!(too_many.used, if tokens > 2 { tokens - 2 } else { 1 }, "two and a half tokens have drained");
}

#[test]
fn t2_a_loop_of_equal_steps_is_cut_at_the_same_place_whoever_takes_them() {
    let long_running = LongRunningExecutionPolicy { max_same_step_repetitions: Some(5), ..disabled() };
    let run = run_on(&noon(), unlimited(), long_running);
    let admitted = storm(|_| run.reserve(Demand::step().fingerprint(7)).is_ok(), || ());
    assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 4);
    assert_eq!(run.snapshot().steps, 4);
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::SameStepLoop)));
    assert_eq!(admitted.len() as u64, THREADS);
}

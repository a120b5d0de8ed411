//! Random policies with numbers so small that every limit is met.

use enforce_core::{
    Action, BudgetPeriod, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy, NanoUsd, ProviderPolicy,
    ResourceLimits, TenantPolicy, UNLIMITED,
};
use proptest::prelude::*;

pub(crate) const MIB: u64 = 1 << 20;

/// A limit and what happens at it.
type Limit = (Option<u64>, Action);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_minute: u64,
    pub(crate) burst: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) warning_threshold: u32,
    pub(crate) grace_ms: u64,
    pub(crate) wall: Limit,
    pub(crate) idle: Limit,
    pub(crate) steps: Limit,
    pub(crate) tokens: Limit,
    /// In bytes.
    pub(crate) memory: Limit,
    pub(crate) cost: Limit,
    pub(crate) threshold: Limit,
    pub(crate) discovered: Limit,
    pub(crate) repetitions: Limit,
    pub(crate) longest: u64,
    pub(crate) concurrency: Limit,
    pub(crate) budget: Limit,
    pub(crate) by_day: bool,
    pub(crate) requests: Option<Rate>,
    pub(crate) rated_tokens: Option<Rate>,
    pub(crate) rate_action: Action,
}

fn any_action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Action::Refuse, Action::Halt, Action::Halt, Action::Pause, Action::Observe])
}

fn gentle_action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Action::Refuse, Action::Refuse, Action::Observe])
}

fn limit(range: std::ops::Range<u64>) -> impl Strategy<Value = Limit> {
    (prop::option::weighted(0.4, range), any_action())
}

fn rate(limits: &'static [u64], bursts: std::ops::Range<u64>) -> impl Strategy<Value = Option<Rate>> {
    let rate = (prop::sample::select(limits), bursts).prop_map(|(per_minute, burst)| Rate { per_minute, burst });
    prop::option::weighted(0.5, rate)
}

/// Any policy.
pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    let times = (0..=100_u32, 0..800_u64, limit(0..5_000), limit(0..4));
    let amounts = (limit(0..12), limit(0..60), limit(0..4), limit(0..60), limit(0..40), limit(0..6));
    let guards = (limit(2..4), 1..=3_u64, prop::option::weighted(0.4, 0..4_u64), gentle_action());
    let shared = (
        limit(0..80),
        any::<bool>(),
        rate(&[1, 7, 60, 350, 1_200, 60_000], 0..5),
        rate(&[1, 60, 350, 6_000, 48_000], 0..50),
        gentle_action(),
    );
    (times, amounts, guards, shared).prop_map(|(times, amounts, guards, shared)| {
        let (warning_threshold, grace_ms, wall, idle) = times;
        let (steps, tokens, (mebibytes, memory_action), cost, threshold, discovered) = amounts;
        let (repetitions, longest, slots, slots_action) = guards;
        let (budget, by_day, requests, rated_tokens, rate_action) = shared;
        let memory = (mebibytes.map(|mib| mib * MIB), memory_action);
        let concurrency = (slots, slots_action);
        Policy {
            warning_threshold,
            grace_ms,
            wall,
            idle,
            steps,
            tokens,
            memory,
            cost,
            threshold,
            discovered,
            repetitions,
            longest,
            concurrency,
            budget,
            by_day,
            requests,
            rated_tokens,
            rate_action,
        }
    })
}

fn usd(limit: Option<u64>) -> Option<NanoUsd> {
    limit.map(|nanos| NanoUsd::new(nanos).unwrap())
}

impl Policy {
    pub(crate) fn limits(&self) -> ResourceLimits {
        ResourceLimits {
            max_steps: self.steps.0.unwrap_or(UNLIMITED),
            max_tokens: self.tokens.0.unwrap_or(UNLIMITED),
            max_wall_time_ms: self.wall.0.unwrap_or(UNLIMITED),
            max_memory_mb: self.memory.0.map(|bytes| bytes / MIB),
            max_concurrent_executions: self.concurrency.0,
            max_cost_usd: usd(self.cost.0),
            max_active_time_ms: None,
            max_children: None,
            max_children_total: None,
            token_overdraft: 0,
            cost_overdraft_usd: NanoUsd::ZERO,
        }
    }

    pub(crate) fn long_running(&self) -> LongRunningExecutionPolicy {
        LongRunningExecutionPolicy {
            max_discovered_steps: self.discovered.0,
            max_discovery_depth: None,
            cost_alert_threshold_usd: usd(self.threshold.0),
            approval_ceiling_usd: None,
            idle_timeout_seconds: self.idle.0,
            max_same_step_repetitions: self.repetitions.0,
            max_cycle_length: self.longest,
        }
    }

    pub(crate) fn enforcement(&self) -> EnforcementPolicy {
        let actions = LimitActions {
            steps: self.steps.1,
            tokens: self.tokens.1,
            cost: self.cost.1,
            wall_time: self.wall.1,
            idle: self.idle.1,
            same_step_loop: self.repetitions.1,
            memory: self.memory.1,
            discovered_steps: self.discovered.1,
            discovery_depth: Action::Refuse,
            concurrency: self.concurrency.1,
            rate: self.rate_action,
            cost_threshold: self.threshold.1,
            allowances: Action::Refuse,
        };
        let (warning_threshold, timeout_grace_ms) = (self.warning_threshold, self.grace_ms);
        EnforcementPolicy { warning_threshold, timeout_grace_ms, actions, ..EnforcementPolicy::default() }
    }

    pub(crate) fn tenant(&self) -> TenantPolicy {
        TenantPolicy {
            budget_usd: usd(self.budget.0),
            max_concurrent_executions: None,
            budget_period: if self.by_day { BudgetPeriod::Day } else { BudgetPeriod::Total },
            budget_action: self.budget.1,
            budget_overdraft_usd: NanoUsd::ZERO,
            budgets: Vec::new(),
        }
    }

    pub(crate) fn provider(&self) -> ProviderPolicy {
        ProviderPolicy {
            requests_per_minute: self.requests.map(|rate| rate.per_minute),
            request_burst: self.requests.map(|rate| rate.burst),
            tokens_per_minute: self.rated_tokens.map(|rate| rate.per_minute),
            token_burst: self.rated_tokens.map(|rate| rate.burst),
        }
    }
}

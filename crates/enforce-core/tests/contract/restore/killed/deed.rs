//! What a process says that it has done, and under which limits.

use enforce_core::{
    Action, Budget, BudgetAmount, BudgetPeriod, EnforcementPolicy, Enforcer, LimitActions, ManualClock, ProcessPolicy,
    ProviderPolicy, RateLimit, RatePeriod, RateUnit, TenantPolicy,
};
use serde::{Deserialize, Serialize};

use crate::common::{SECOND, builder, nano, unlimited};
use crate::forest::model::{Amounts, COST, Limits, STEPS, TOKENS};

pub(super) const TENANTS: [&str; 2] = ["tenant_0", "tenant_1"];
pub(super) const PROVIDER: &str = "provider";

/// Steps, input tokens, output tokens, nano-dollars.
pub(super) type Figures = [u64; 4];

/// One line of the log: something that came about. Executions are numbered in the order of their registration, holds in
/// that in which they were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Deed {
    /// Its limits of steps, tokens and nano-dollars.
    Root {
        tenant: usize,
        limits: [u64; 3],
    },
    Child {
        parent: usize,
        slice: Option<Figures>,
    },
    Hold {
        node: usize,
        asked: Figures,
        request: bool,
    },
    Settle {
        hold: usize,
        used: Figures,
    },
    Drop {
        hold: usize,
    },
    Charge {
        node: usize,
        used: Figures,
    },
    Halt {
        node: usize,
    },
    Pause {
        node: usize,
    },
    Resume {
        node: usize,
    },
    Finish {
        node: usize,
    },
    Pass {
        nanos: u64,
    },
}

/// As the oracle of trees counts.
pub(super) fn amounts([steps, input, output, cost]: Figures) -> Amounts {
    let [steps, input, output, cost] = [steps, input, output, cost].map(u128::from);
    [steps, input + output, 0, cost, 0, input]
}

pub(super) fn limits([steps, tokens, cost]: [u64; 3]) -> Limits {
    let mut limits = Limits::default();
    for (place, limit) in [(STEPS, steps), (TOKENS, tokens), (COST, cost)] {
        limits.amounts[place] = Some(limit);
    }
    limits
}

pub(super) fn id(node: usize) -> String {
    format!("exec_{node}")
}

pub(super) fn tenant_budgets() -> Vec<Budget> {
    vec![
        Budget::new(BudgetAmount::Tokens(900), BudgetPeriod::Hour),
        Budget::new(BudgetAmount::CostUsd(nano(1_500)), BudgetPeriod::Day),
        Budget::new(BudgetAmount::Tokens(9_000), BudgetPeriod::Month).utc_offset_minutes(90),
    ]
}

pub(super) fn process_budgets() -> Vec<Budget> {
    vec![
        Budget::new(BudgetAmount::CostUsd(nano(2_400)), BudgetPeriod::Day),
        Budget::new(BudgetAmount::Tokens(14_000), BudgetPeriod::Month),
    ]
}

/// A rate of requests: how much time one takes, and how many may come at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) interval: u64,
    pub(super) burst: u64,
}

/// Of the provider with everyone, and with each tenant.
pub(super) const PACES: [Pace; 2] = [Pace { interval: SECOND / 2, burst: 7 }, Pace { interval: SECOND, burst: 4 }];

pub(super) fn enforcer(time: &ManualClock) -> Enforcer {
    let [everyone, each] = PACES.map(|pace| (60 * SECOND / pace.interval, pace.burst));
    // What stops an execution is in the log.
    let (steps, tokens, cost) = (Action::Refuse, Action::Refuse, Action::Refuse);
    let actions = LimitActions { steps, tokens, cost, ..LimitActions::default() };
    builder(time)
        .limits(unlimited())
        .policy(EnforcementPolicy { actions, ..EnforcementPolicy::default() })
        .tenant(TenantPolicy { budgets: tenant_budgets(), ..TenantPolicy::default() })
        .process(ProcessPolicy { budgets: process_budgets(), ..ProcessPolicy::default() })
        .provider(ProviderPolicy {
            requests_per_minute: Some(everyone.0),
            request_burst: Some(everyone.1),
            ..ProviderPolicy::default()
        })
        .rate(RateLimit::tenant_provider(RateUnit::Requests, each.0, RatePeriod::Minute).burst(each.1))
        .build()
        .unwrap()
}

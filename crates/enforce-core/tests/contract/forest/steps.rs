//! What happens to a forest, at random, with numbers so small that every limit is met.

use enforce_core::{Action, Actual, Demand, LongRunningExecutionPolicy, NanoUsd, OnDrop, ResourceLimits, UNLIMITED};
use proptest::prelude::*;

use super::model::{Actions, Amounts, COST, DISCOVERED, INPUT, Limits, MEMORY, STEPS, TOKENS};

const MIB: u64 = 1 << 20;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Root {
        id: usize,
        tenant: usize,
        limits: Limits,
    },
    Spawn {
        parent: usize,
        id: usize,
        limits: Limits,
        slice: Option<Amounts>,
    },
    Reserve {
        run: usize,
        asked: Amounts,
    },
    Settle {
        hold: usize,
        used: Amounts,
    },
    Drop {
        hold: usize,
        policy: OnDrop,
    },
    Extend {
        hold: usize,
        more: Amounts,
    },
    Charge {
        run: usize,
        used: Amounts,
    },
    Touch {
        run: usize,
    },
    Halt {
        run: usize,
    },
    Pause {
        run: usize,
    },
    /// The ticket counts from the latest.
    Approve {
        ticket: usize,
        next: Option<u64>,
    },
    Reject {
        ticket: usize,
    },
    Relimit {
        run: usize,
        limits: Limits,
        long_running: bool,
    },
    Finish {
        run: usize,
    },
    Forward {
        ms: u64,
    },
}

fn amount(most: u128) -> impl Strategy<Value = u128> {
    prop_oneof![2 => Just(0), 5 => 0..most]
}

fn any_asked() -> impl Strategy<Value = Amounts> {
    let steps = prop_oneof![1 => Just(0), 6 => Just(1), 1 => 2..4_u128];
    let memory = amount(3).prop_map(|halves| halves * u128::from(MIB / 2));
    (steps, amount(12), amount(12), memory, amount(12), amount(3)).prop_map(
        |(steps, input, output, memory, cost, discovered)| [steps, input + output, memory, cost, discovered, input],
    )
}

fn any_used() -> impl Strategy<Value = Amounts> {
    let few = || prop_oneof![8 => Just(0), 1 => 1..3_u128];
    (few(), amount(12), amount(12), amount(14), few())
        .prop_map(|(steps, input, output, cost, discovered)| [steps, input + output, 0, cost, discovered, input])
}

fn any_policy() -> impl Strategy<Value = OnDrop> {
    prop::sample::select(vec![OnDrop::GiveBack, OnDrop::ChargeAll, OnDrop::ChargeInput])
}

fn any_slice() -> impl Strategy<Value = Amounts> {
    let memory = amount(4).prop_map(|halves| halves * u128::from(MIB / 2));
    (amount(6), amount(24), memory, amount(24), amount(4))
        .prop_map(|(steps, tokens, memory, cost, discovered)| [steps, tokens, memory, cost, discovered, 0])
}

fn seldom(range: std::ops::Range<u64>) -> impl Strategy<Value = Option<u64>> {
    prop::option::weighted(0.35, range)
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let amounts = (seldom(0..14), seldom(0..70), seldom(0..4), seldom(0..70), seldom(0..6));
    let money = (seldom(0..50), prop::option::weighted(0.3, 40..90_u64));
    let times = (prop::option::weighted(0.15, 0..6_000_u64), prop::option::weighted(0.2, 0..4_u64));
    let children = (prop::option::weighted(0.2, 0..4_u64), prop::option::weighted(0.2, 0..5_u64));
    let overdrafts = (seldom(0..12), seldom(0..12));
    (amounts, money, times, children, overdrafts).prop_map(|(amounts, money, times, children, overdrafts)| {
        let (steps, tokens, mebibytes, cost, discovered) = amounts;
        Limits {
            amounts: [steps, tokens, mebibytes.map(|mib| mib * MIB), cost, discovered],
            // There is none of what is not limited.
            overdrafts: [tokens.and(overdrafts.0), cost.and(overdrafts.1)].map(Option::unwrap_or_default),
            threshold: money.0,
            ceiling: money.1,
            active_ms: times.0,
            idle_s: times.1,
            children: children.0,
            children_total: children.1,
        }
    })
}

pub(crate) fn any_actions() -> impl Strategy<Value = Actions> {
    let any =
        || prop::sample::select(vec![Action::Refuse, Action::Refuse, Action::Pause, Action::Halt, Action::Observe]);
    let pausing = || prop::sample::select(vec![Action::Pause, Action::Pause, Action::Halt, Action::Refuse]);
    ([any(), any(), any(), any(), any()], pausing(), any(), any(), any())
        .prop_map(|(amounts, threshold, time, idle, budget)| Actions { amounts, threshold, time, idle, budget })
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let run = || 0..64_usize;
    let ticket = || prop_oneof![3 => Just(0), 1 => 0..8_usize];
    let slice = || prop::option::weighted(0.45, any_slice());
    prop_oneof![
        2 => (0..12_usize, 0..2_usize, any_limits()).prop_map(|(id, tenant, limits)| Step::Root { id, tenant, limits }),
        8 => (run(), 0..12_usize, any_limits(), slice())
            .prop_map(|(parent, id, limits, slice)| Step::Spawn { parent, id, limits, slice }),
        16 => (run(), any_asked()).prop_map(|(run, asked)| Step::Reserve { run, asked }),
        6 => (run(), any_used()).prop_map(|(hold, used)| Step::Settle { hold, used }),
        3 => (run(), any_policy()).prop_map(|(hold, policy)| Step::Drop { hold, policy }),
        3 => (run(), any_asked()).prop_map(|(hold, more)| Step::Extend { hold, more }),
        3 => (run(), any_used()).prop_map(|(run, used)| Step::Charge { run, used }),
        1 => run().prop_map(|run| Step::Touch { run }),
        1 => run().prop_map(|run| Step::Halt { run }),
        2 => run().prop_map(|run| Step::Pause { run }),
        4 => (ticket(), prop::option::weighted(0.4, 0..90_u64)).prop_map(|(ticket, next)| Step::Approve { ticket, next }),
        1 => ticket().prop_map(|ticket| Step::Reject { ticket }),
        3 => (run(), any_limits(), any::<bool>())
            .prop_map(|(run, limits, long_running)| Step::Relimit { run, limits, long_running }),
        3 => run().prop_map(|run| Step::Finish { run }),
        2 => (0..2_500_u64).prop_map(|ms| Step::Forward { ms }),
    ]
}

fn nano(amount: u128) -> NanoUsd {
    NanoUsd::new(amount as u64).unwrap()
}

pub(crate) fn demand(asked: &Amounts) -> Demand {
    let [steps, tokens, memory, cost, discovered, input] = *asked;
    let demand = Demand::none().steps(steps as u64).tokens(input as u64, (tokens - input) as u64).cost(nano(cost));
    demand.memory_bytes(memory as u64).discovered_steps(discovered as u64)
}

pub(crate) fn actual(used: &Amounts) -> Actual {
    let (input, tokens) = (used[INPUT] as u64, used[TOKENS] as u64);
    let actual = Actual::tokens(input, tokens - input).cost(nano(used[COST]));
    actual.steps(used[STEPS] as u64).discovered_steps(used[DISCOVERED] as u64)
}

impl Limits {
    pub(crate) fn resources(&self) -> ResourceLimits {
        ResourceLimits {
            max_steps: self.amounts[STEPS].unwrap_or(UNLIMITED),
            max_tokens: self.amounts[TOKENS].unwrap_or(UNLIMITED),
            max_memory_mb: self.amounts[MEMORY].map(|bytes| bytes / MIB),
            max_cost_usd: self.amounts[COST].map(|cost| nano(cost.into())),
            token_overdraft: self.overdrafts[0],
            cost_overdraft_usd: nano(self.overdrafts[1].into()),
            max_active_time_ms: self.active_ms,
            max_children: self.children,
            max_children_total: self.children_total,
            ..ResourceLimits::unlimited()
        }
    }

    pub(crate) fn long_running(&self) -> LongRunningExecutionPolicy {
        LongRunningExecutionPolicy {
            max_discovered_steps: self.amounts[DISCOVERED],
            cost_alert_threshold_usd: self.threshold.map(|cost| nano(cost.into())),
            approval_ceiling_usd: self.ceiling.map(|cost| nano(cost.into())),
            idle_timeout_seconds: self.idle_s,
            ..LongRunningExecutionPolicy::disabled()
        }
    }
}

//! Budgets without time: what `budget-context` and `llm-budget` count, asked of ours.

use std::hint::black_box;

use enforce_core::{Actual, Demand, Enforcer, Execution, ResourceLimits};

use super::{FAR, asked, far_usd, register, usd, used};
use crate::Case;

/// Steps, tokens and money, their values out of reach.
pub(super) fn limits() -> ResourceLimits {
    ResourceLimits { max_steps: FAR, max_tokens: FAR, max_cost_usd: far_usd(), ..ResourceLimits::unlimited() }
}

/// An execution that nothing but `limits` limits.
#[expect(clippy::expect_used, reason = "limits that are known to be valid")]
fn limited(limits: ResourceLimits) -> Execution {
    let enforcer = Enforcer::builder().limits(limits).build().expect("valid limits");
    register(&enforcer, "exec_000000000000000000000000000")
}

/// A step, tokens and money are reserved, and less is settled. No limit needs the time, so no clock is read.
#[inline]
pub(super) fn spend(run: &Execution) {
    if let Ok(hold) = run.reserve(asked()) {
        black_box(hold.settle(used()).late);
    }
}

/// Money alone: reserved, and less is settled.
pub fn money() -> Case {
    let run = limited(ResourceLimits { max_cost_usd: far_usd(), ..ResourceLimits::unlimited() });
    Case::new("money: reserve + settle", move || {
        if let Ok(hold) = run.reserve(Demand::none().cost(usd(black_box(12_000_000)))) {
            black_box(hold.settle(Actual::none().cost(usd(black_box(10_000_000)))).late);
        }
    })
}

/// Two workers on one execution: a step, tokens and money, reserved and settled.
pub fn on_two_threads() -> Case {
    let run = limited(limits());
    Case::on_two_threads("steps, tokens, money, two threads", move || {
        let run = run.clone();
        move |times| (0..times).for_each(|_| spend(&run))
    })
}

//! llm-budget 0.2: money alone, in whole nano-dollars on one word, given as a float.
//!
//! What it does more: its agent keeps every accepted charge in a log for ever, with the agent's name and the system's
//! time, and watches for the moment at which to step down to a cheaper model; two async locks are taken twice. What it
//! does less: no steps, tokens, rates, tenants or trees; nothing is reserved before a call, so a charge comes when the
//! money is spent, and one that does not fit is refused and not counted.

use std::hint::black_box;
use std::time::Duration;

use llm_budget::budget::AtomicBudget;
use llm_budget::{AgentBudget, ModelTier};

use crate::Case;
use crate::rounds::{now, ready};

/// Dollars that no run spends.
const FAR_USD: f64 = 10_000_000.0;

/// What one charge costs.
const COST_USD: f64 = 0.01;

/// An agent is charged. Each turn begins with a new one, because the log of the last only grows; making it is not counted.
#[expect(clippy::expect_used, reason = "a limit and a threshold that are known to be valid")]
pub fn agent() -> Case {
    Case::timed("llm-budget agent", |times| {
        let agent = AgentBudget::new("agent", FAR_USD, ModelTier::Premium, 0.2).expect("a valid limit");
        let mut took = Duration::MAX;
        let charged = async {
            let start = now();
            for _ in 0..times {
                black_box(agent.charge_usd(black_box(COST_USD), None, None).await.is_ok());
            }
            took = start.elapsed();
        };
        // Nobody else holds its locks, so it never waits.
        ready(charged);
        took
    })
}

/// Its counter alone: one word with its limit in another.
#[expect(clippy::expect_used, reason = "a limit that is known to be valid")]
pub fn counter() -> Case {
    let counter = AtomicBudget::new(FAR_USD).expect("a valid limit");
    Case::new("llm-budget counter", move || {
        black_box(counter.charge(black_box(COST_USD)).is_ok());
    })
}

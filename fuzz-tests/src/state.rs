//! The saved state of an enforcer: read, taken over, saved again.

use enforce_core::{
    Budget, BudgetAmount, BudgetPeriod, Clock, Demand, Enforcer, EnforcerState, ManualClock, OpenHolds, RateLimit,
    RatePeriod, RateUnit, ResourceLimits, RestoreError, RestoreOptions, TenantPolicy,
};

use crate::{round_trip, text};

const STEPS: u64 = 40;
const TOKENS: u64 = 90;
const LARGEST: u64 = (1 << 56) - 1;

/// A state as JSON.
pub(crate) fn target(data: &[u8]) {
    let Some(state) = text(data).and_then(round_trip::<EnforcerState>) else { return };
    for holds in [OpenHolds::ChargeInFull, OpenHolds::GiveBack] {
        let Ok(first) = restored(&state, holds) else { continue };
        never_more_room(&state, &first, holds);
        // What was saved can be taken over, and leaves nothing open and nothing lost: it is saved so again.
        let saved = first.save();
        let second = restored(&saved, holds).expect("what was saved is taken over");
        let mut again = second.save();
        assert!(again.last_pause >= saved.last_pause, "no number of a pause comes twice (E3)");
        again.last_pause = saved.last_pause;
        assert_eq!(again, saved);
    }
}

/// An enforcer that has taken the state over; of a state that is refused, nothing.
fn restored(state: &EnforcerState, holds: OpenHolds) -> Result<Enforcer, RestoreError> {
    let limits = ResourceLimits { max_steps: STEPS, max_tokens: TOKENS, ..ResourceLimits::unlimited() };
    let budgets = vec![
        Budget::new(BudgetAmount::Tokens(TOKENS), BudgetPeriod::Day),
        Budget::new(BudgetAmount::Steps(STEPS), BudgetPeriod::Total),
    ];
    let builder = Enforcer::builder()
        .limits(limits)
        .tenant(TenantPolicy { budgets, ..TenantPolicy::default() })
        .rate(RateLimit::provider(RateUnit::Requests, 5, RatePeriod::Minute))
        .allowance("search", 3)
        .max_executions(8)
        .max_tenants(4)
        .clock(Clock::manual(&ManualClock::starting_at(state.saved_at)));
    let mut after = builder.build().expect("these limits make sense");
    match after.restore(state, RestoreOptions::new().open_holds(holds)) {
        Ok(_) => Ok(after),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!((after.execution_count(), after.tenant_count()), (0, 0), "whole or not at all");
            Err(error)
        }
    }
}

/// Nobody has more room than its limits and what the state says is used leave (T1).
fn never_more_room(state: &EnforcerState, after: &Enforcer, holds: OpenHolds) {
    assert_eq!(after.execution_count(), state.executions.len() as u64);
    for it in &state.executions {
        let run = after.get(&it.id).expect("everyone is taken over");
        let usage = run.snapshot();
        let said = it.committed.input_tokens.saturating_add(it.committed.output_tokens);
        let open = if holds == OpenHolds::ChargeInFull { it.outstanding.tokens } else { 0 };
        assert!(usage.steps >= it.committed.steps, "T1");
        assert!(usage.total_tokens >= said.saturating_add(open).min(LARGEST), "T1");
        assert!(usage.cost_nano_usd >= it.committed.cost_nano_usd, "T1");
        if it.parent.is_none() {
            let left = TOKENS.saturating_sub(said.saturating_add(open));
            assert!(run.check(Demand::none().tokens(0, left + 1)).is_blocked(), "T1");
            assert!(run.check(Demand::none().steps(STEPS.saturating_sub(it.committed.steps) + 1)).is_blocked(), "T1");
        }
        if it.halted.is_some() {
            assert!(run.check(Demand::step()).is_blocked(), "E1");
        }
        if it.pause.is_some() {
            assert!(run.check(Demand::step()).is_blocked(), "E3");
        }
    }
}

//! What was used, written down anew; and what becomes of open holds.

use std::collections::HashMap;

use crate::kernel::tally::MAX_AMOUNT;
use crate::limits::BudgetResource;
use crate::record::{Committed, Record};
use crate::resource::Resource;
use crate::snapshot::Outstanding;
use crate::state::{BudgetState, CommittedState, EnforcerState, ExecutionState, OutstandingState};

pub(super) fn committed(it: &CommittedState) -> Committed {
    let CommittedState { steps, input_tokens, output_tokens, cost_nano_usd, discovered_steps } = *it;
    Committed { steps, input_tokens, output_tokens, cost: cost_nano_usd, discovered: discovered_steps }
}

fn plus(of: OutstandingState, more: OutstandingState) -> OutstandingState {
    let sum = |a: u64, b: u64| a.saturating_add(b).min(MAX_AMOUNT);
    OutstandingState {
        tokens: sum(of.tokens, more.tokens),
        cost_nano_usd: sum(of.cost_nano_usd, more.cost_nano_usd),
        memory_bytes: sum(of.memory_bytes, more.memory_bytes),
    }
}

/// What all open holds had set aside.
pub(super) fn open_holds(state: &EnforcerState) -> Outstanding {
    let all = state.executions.iter().map(|it| it.outstanding).fold(OutstandingState::default(), plus);
    let OutstandingState { tokens, cost_nano_usd, memory_bytes } = all;
    Outstanding { tokens, cost_nano_usd, memory_bytes }
}

/// What each execution is charged for open holds: for its own, and for those of every execution that shares its budget.
pub(super) fn charged(state: &EnforcerState, charge: bool) -> Vec<OutstandingState> {
    if !charge {
        return vec![OutstandingState::default(); state.executions.len()];
    }
    let mut charged: Vec<_> = state.executions.iter().map(|it| it.outstanding).collect();
    let places: HashMap<_, _> =
        state.executions.iter().enumerate().map(|(place, it)| (it.id.as_str(), place)).collect();
    // Children stand behind their parents, so from the end on each is complete when it is added above.
    for (place, it) in state.executions.iter().enumerate().rev() {
        let above = it.parent.as_deref().filter(|_| it.slice.is_none()).and_then(|parent| places.get(parent));
        if let (Some(above), Some(own)) = (above, charged.get(place).copied())
            && let Some(above) = charged.get_mut(*above)
        {
            *above = plus(*above, own);
        }
    }
    charged
}

/// A budget without open holds: they have been charged to it, or have gone back.
pub(super) fn ended(it: &BudgetState, charge: bool) -> BudgetState {
    // Memory is held and never used for good.
    let charged = if charge && it.budget.resource != BudgetResource::Memory { it.outstanding } else { 0 };
    BudgetState { committed: it.committed.saturating_add(charged).min(MAX_AMOUNT), outstanding: 0, ..*it }
}

/// Writes what was used into a record that nobody knows yet. What is above a limit is debt.
pub(super) fn write(record: &Record, it: &ExecutionState, charged: &OutstandingState, children: u64) {
    let Committed { steps, input_tokens, output_tokens, cost, discovered } = committed(&it.committed);
    let output_tokens = output_tokens.saturating_add(charged.tokens).min(MAX_AMOUNT);
    let cost = cost.saturating_add(charged.cost_nano_usd).min(MAX_AMOUNT);
    let hot = &record.hot;
    for (resource, used) in [
        (Resource::Steps, steps),
        (Resource::Tokens, input_tokens.saturating_add(output_tokens)),
        (Resource::Cost, cost),
        (Resource::DiscoveredSteps, discovered),
    ] {
        hot.tally(resource).settle(0, used);
    }
    for (meter, used) in [
        (&hot.input_tokens, input_tokens),
        (&hot.output_tokens, output_tokens),
        (&hot.cost, cost),
        (&hot.discovered, discovered),
    ] {
        meter.add(used);
    }
    if children > 0 {
        // From its first child on it counts its steps apart.
        record.meter_steps();
        record.children().recall_total(children);
    }
}

/// How many children each execution ever had: no fewer than stand there.
pub(super) fn children(state: &EnforcerState) -> Vec<u64> {
    let mut listed = HashMap::new();
    for parent in state.executions.iter().filter_map(|it| it.parent.as_deref()) {
        let count: &mut u64 = listed.entry(parent).or_default();
        *count = count.saturating_add(1);
    }
    let of = |it: &ExecutionState| listed.get(it.id.as_str()).copied().unwrap_or(0).max(it.children_total);
    state.executions.iter().map(of).collect()
}

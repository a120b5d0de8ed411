//! What is known, read out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::rates;
use crate::budget::Saved;
use crate::clock::Timestamp;
use crate::execution::Execution;
use crate::extra::{Extra, Pause};
use crate::family::{Parent, Share};
use crate::record::{Committed, Record};
use crate::registry::Core;
use crate::resource::{Amounts, Resource};
use crate::state::{
    AllowanceState, CommittedState, EnforcerState, ExecutionState, OutstandingState, PauseState, RepeatedState,
    STATE_VERSION, SliceState, TenantState,
};

/// Everyone that `core` knows, at `now`.
pub(super) fn state(core: &Core, now: Timestamp) -> EnforcerState {
    let tenants = core.tenants();
    // Budgets before executions: what a slice has given back or spent meanwhile shows as held, never as neither.
    let budgets = tenants.map(|tenant| (tenant.budgets.save(), tenant));
    let mut budgets: HashMap<_, _> =
        budgets.map(|(saved, tenant)| (tenant.id().as_str().to_owned(), (tenant, saved))).collect();
    let mut saving = Saving { now, executions: Vec::new(), ids: HashSet::new(), process: core.process.budgets.save() };
    let mut roots = core.executions.entries();
    roots.retain(|execution| execution.parent().is_none() && !execution.record().state().is_finished());
    roots.sort_by(|a, b| a.id().cmp(b.id()));
    for root in &roots {
        // Of a tenant that has come meanwhile, so have the executions.
        if let Some((_, saved)) = budgets.get_mut(root.tenant_id()) {
            saving.tree(root, saved);
        }
    }
    let Saving { executions, process, .. } = saving;
    let tenant = |(id, (tenant, budgets)): (String, (_, Saved))| {
        let tenant: crate::sync::Arc<crate::tenant::Tenant> = tenant;
        TenantState { id, ended: committed(tenant.ended.read()), budgets: budgets.into_states() }
    };
    let rates = rates::save(core, now);
    let mut tenants: Vec<_> = budgets.into_iter().map(tenant).collect();
    tenants.sort_by(|a, b| a.id.cmp(&b.id));
    EnforcerState {
        version: STATE_VERSION,
        saved_at: now,
        last_pause: core.last_pause(),
        executions,
        tenants,
        process: process.into_states(),
        rates,
    }
}

fn committed(committed: Committed) -> CommittedState {
    let Committed { steps, input_tokens, output_tokens, cost, discovered } = committed;
    CommittedState { steps, input_tokens, output_tokens, cost_nano_usd: cost, discovered_steps: discovered }
}

/// Executions that have been read, and the budgets of the process without the slices of those.
struct Saving {
    now: Timestamp,
    executions: Vec<ExecutionState>,
    /// An id that ended and came back meanwhile is in it once.
    ids: HashSet<String>,
    process: Saved,
}

impl Saving {
    /// Reads `execution` and everything below it; what its words show as set aside. Trees are at most
    /// `MAX_TREE_DEPTH` deep, and so is this recursion.
    fn tree(&mut self, execution: &Execution, tenant: &mut Saved) -> OutstandingState {
        let record = execution.record();
        // As in a snapshot: an amount that is settled meanwhile may show as both, but never as neither.
        let set_aside = record.outstanding();
        let set_aside = OutstandingState {
            tokens: set_aside.tokens,
            cost_nano_usd: set_aside.cost_nano_usd,
            memory_bytes: set_aside.memory_bytes,
        };
        if !self.ids.insert(execution.id().to_owned()) {
            return set_aside;
        }
        let slice = self.slice(record, tenant);
        let place = self.executions.len();
        self.executions.push(self.one(execution, slice));
        let mut own = set_aside;
        for child in execution.children() {
            let below = self.tree(&child, tenant);
            let below = match slice_of(child.record()) {
                None => below,
                Some(slice) => OutstandingState {
                    tokens: slice.get(Resource::Tokens),
                    cost_nano_usd: slice.get(Resource::Cost),
                    memory_bytes: slice.get(Resource::Memory),
                },
            };
            // What is left is its own: its holds, and those that its ended children have left open.
            own = minus(own, below);
        }
        if let Some(state) = self.executions.get_mut(place) {
            state.outstanding = own;
        }
        // A slice further down is set aside on every pool above it, too.
        set_aside
    }

    fn slice(&mut self, record: &Record, tenant: &mut Saved) -> Option<SliceState> {
        let Some(Parent { share: Share::Slice(slice), .. }) = record.parent() else { return None };
        let (amounts, periods) = (slice.amounts, slice.periods);
        Some(SliceState {
            steps: amounts.get(Resource::Steps),
            tokens: amounts.get(Resource::Tokens),
            memory_bytes: amounts.get(Resource::Memory),
            cost_nano_usd: amounts.get(Resource::Cost),
            discovered_steps: amounts.get(Resource::DiscoveredSteps),
            tenant: tenant.without(&record.tenant.budgets, periods.tenant(), &amounts),
            process: self.process.without(&record.core().process.budgets, periods.process(), &amounts),
        })
    }

    fn one(&self, execution: &Execution, slice: Option<SliceState>) -> ExecutionState {
        let record = execution.record();
        let core = record.core();
        let extra = record.extra();
        let halted = record.halted_by();
        let active = core.epoch.saturating_add(Duration::from_nanos(record.hot.activity.see().last()));
        let pause = record.open_pause().filter(|_| halted.is_none());
        let (_, max_discovery_depth) = record.hot.depth.read();
        let used = core.allowances.usage(record.spent());
        let remembered = record.repetition.remembered();
        let [_, total] = record.plan().bounds_of_children();
        ExecutionState {
            id: execution.id().to_owned(),
            tenant: execution.tenant_id().to_owned(),
            parent: execution.parent().map(|parent| parent.id().to_owned()),
            slice,
            // A time that a caller has minted may lie ahead of the clock.
            started_at: record.started.min(self.now),
            last_activity: active.min(self.now),
            committed: committed(record.committed()),
            outstanding: OutstandingState::default(),
            children_total: extra.map_or(0, |extra| extra.children.total(total)),
            max_discovery_depth: u32::try_from(max_discovery_depth).unwrap_or(u32::MAX),
            allowances: used
                .into_iter()
                .filter(|usage| usage.used > 0)
                .map(|usage| AllowanceState { name: usage.name, used: usage.used })
                .collect(),
            repeated: RepeatedState {
                last: remembered.last,
                run: remembered.run,
                recent: remembered.recent,
                equal: remembered.equal,
            },
            paused_ns: extra.map_or(0, Extra::paused_ns).min(self.now.nanos_since(record.started)),
            paused_since: extra
                .and_then(Extra::paused_since)
                .filter(|_| halted.is_none())
                .map(|since| since.clamp(record.started.min(self.now), self.now)),
            pause: pause.map(paused),
            approvals: execution.approvals(),
            halted,
        }
    }
}

fn paused(pause: Pause) -> PauseState {
    let Pause { number, violation, why, at } = pause;
    let (limit, used, asked) = (violation.limit, violation.used, violation.asked);
    PauseState { number, cause: violation.as_cause(), limit, used, asked, why, paused_at: at }
}

/// What was set aside for it, if it does not share its parent's budget.
fn slice_of(record: &Record) -> Option<Amounts> {
    match record.parent() {
        Some(Parent { share: Share::Slice(slice), .. }) => Some(slice.amounts),
        _ => None,
    }
}

fn minus(of: OutstandingState, below: OutstandingState) -> OutstandingState {
    OutstandingState {
        tokens: of.tokens.saturating_sub(below.tokens),
        cost_nano_usd: of.cost_nano_usd.saturating_sub(below.cost_nano_usd),
        memory_bytes: of.memory_bytes.saturating_sub(below.memory_bytes),
    }
}

//! What is known, read out.

use std::collections::HashMap;
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
use crate::scope::ScopeStatus;
use crate::state::{
    AllowanceState, ClosedTenantState, CommittedState, EnforcerState, ExecutionState, OutstandingState, PauseState,
    RepeatedState, STATE_VERSION, SliceState, TenantState,
};
use crate::sync::Arc;
use crate::tenant::Tenant;

/// Everyone that `core` knows, at `now`.
///
/// What is read changes meanwhile, so the order of reading is what keeps amounts from being missed:
///
/// 1. who is there. Whoever comes later is left out, and what was set aside for it shows as held by those above;
/// 2. the budgets: a slice of somebody who is found there afterwards was in them all the while, and in no other case is
///    one taken from what they hold;
/// 3. of each execution first what it has set aside, then everything below it, then what it has committed: what an end
///    below carries up on the way is in one of the two, or in both.
pub(super) fn state(core: &Core, now: Timestamp) -> EnforcerState {
    Present::of(core).set_aside(core, now).state(core)
}

/// Who is there: nobody else is read.
struct Present {
    /// By their ids.
    tenants: Vec<Arc<Tenant>>,
    /// What the ended executions of each have committed, when those that live were listed.
    ended: Vec<Committed>,
    /// By their ids, each with the place of its tenant.
    roots: Vec<(usize, Execution)>,
    /// Everyone below a root, with the place of the tenant. Kept in memory, so an address stands for one of them.
    below: HashMap<*const Record, (usize, Execution)>,
}

impl Present {
    fn of(core: &Core) -> Self {
        let mut tenants: Vec<_> = core.tenants().collect();
        // Those that stand there when all have been listed have stood there together: no more than there may be.
        tenants.retain(|tenant| !tenant.attachments().are_retired());
        tenants.sort_by(|a, b| a.id().as_str().cmp(b.id().as_str()));
        let mut present = Self { tenants, ended: Vec::new(), roots: Vec::new(), below: HashMap::new() };
        for (place, tenant) in present.tenants.iter().enumerate() {
            let (ended, members) = tenant.standing();
            present.ended.push(ended);
            present.roots.extend(members.into_iter().map(|root| (place, root)));
        }
        present.roots.sort_by(|(_, a), (_, b)| a.id().cmp(b.id()));
        for (tenant, root) in &present.roots {
            list_below(root, *tenant, &mut present.below);
        }
        present
    }

    fn set_aside(self, core: &Core, now: Timestamp) -> SetAside {
        let tenants = self.tenants.iter().map(|tenant| tenant.budgets.save()).collect();
        SetAside { tenants, process: core.process.budgets.save(), present: self, executions: Vec::new(), now }
    }
}

/// Trees are at most `MAX_TREE_DEPTH` deep, and so is this recursion.
fn list_below(execution: &Execution, tenant: usize, all: &mut HashMap<*const Record, (usize, Execution)>) {
    for child in execution.children() {
        list_below(&child, tenant, all);
        all.insert(std::ptr::from_ref(child.record()), (tenant, child));
    }
}

fn committed(committed: Committed) -> CommittedState {
    let Committed { steps, input_tokens, output_tokens, cost, discovered } = committed;
    CommittedState { steps, input_tokens, output_tokens, cost_nano_usd: cost, discovered_steps: discovered }
}

/// Who is there, the budgets without the slices of those that have been read, and what has been read.
struct SetAside {
    present: Present,
    /// In the order of the tenants.
    tenants: Vec<Saved>,
    process: Saved,
    executions: Vec<ExecutionState>,
    now: Timestamp,
}

impl SetAside {
    fn state(mut self, core: &Core) -> EnforcerState {
        for (place, root) in std::mem::take(&mut self.present.roots) {
            if root.record().state().is_finished() {
                // What its tenant's ended ones have was read before. Its end has come through when nobody ends one of them.
                root.record().tenant.wait_for_ends();
                if let Some(ended) = self.present.ended.get_mut(place) {
                    *ended = ended.plus(root.record().committed());
                }
            } else {
                self.tree(&root, place);
            }
        }
        self.count_ended_slices();
        let Self { present: Present { tenants, ended, .. }, tenants: budgets, process, executions, now } = self;
        let states = tenants.iter().zip(ended).zip(budgets).map(|((tenant, ended), budgets)| TenantState {
            id: tenant.id().as_str().to_owned(),
            ended: committed(Committed { discovered: 0, ..ended }),
            budgets: budgets.into_states(),
        });
        EnforcerState {
            version: STATE_VERSION,
            saved_at: now,
            // Behind every pause that has been read.
            last_pause: core.last_pause(),
            executions,
            tenants: states.collect(),
            closed_tenants: closed_tenants(core),
            process: process.into_states(),
            rates: rates::save(core, &tenants, now),
        }
    }

    /// A slice that has ended since budgets were read has moved up into what they have committed.
    fn count_ended_slices(&mut self) {
        let unread = self.present.below.values();
        let mut ended: Vec<_> =
            unread.filter(|(_, child)| slice_of(child.record()).is_some()).map(|(tenant, _)| *tenant).collect();
        ended.sort_unstable();
        ended.dedup();
        if !ended.is_empty() {
            self.process.count_again();
        }
        for tenant in ended {
            if let Some(budgets) = self.tenants.get_mut(tenant) {
                budgets.count_again();
            }
        }
    }

    /// Reads `execution` and everything below it; what its words show as set aside. Trees are at most
    /// `MAX_TREE_DEPTH` deep, and so is this recursion.
    fn tree(&mut self, execution: &Execution, tenant: usize) -> OutstandingState {
        let record = execution.record();
        let set_aside = record.outstanding();
        let set_aside = OutstandingState {
            tokens: set_aside.tokens,
            cost_nano_usd: set_aside.cost_nano_usd,
            memory_bytes: set_aside.memory_bytes,
        };
        // Whoever is not in it any more has settled everything above: the list's lock is held until then.
        let children = execution.children();
        let slice = self.slice(record, tenant);
        let place = self.executions.len();
        self.executions.push(self.one(execution, slice));
        let mut own = set_aside;
        for child in children {
            if self.present.below.remove(&std::ptr::from_ref(child.record())).is_none() {
                continue;
            }
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
        let committed = committed(record.committed());
        if let Some(state) = self.executions.get_mut(place) {
            (state.outstanding, state.committed) = (own, committed);
        }
        // A slice further down is set aside on every pool above it, too.
        set_aside
    }

    fn slice(&mut self, record: &Record, tenant: usize) -> Option<SliceState> {
        let Some(Parent { share: Share::Slice(slice), .. }) = record.parent() else { return None };
        let (amounts, periods) = (slice.amounts, slice.periods);
        Some(SliceState {
            steps: amounts.get(Resource::Steps),
            tokens: amounts.get(Resource::Tokens),
            memory_bytes: amounts.get(Resource::Memory),
            cost_nano_usd: amounts.get(Resource::Cost),
            discovered_steps: amounts.get(Resource::DiscoveredSteps),
            tenant: self
                .tenants
                .get_mut(tenant)
                .map_or_else(Vec::new, |budgets| budgets.without(&record.tenant.budgets, periods.tenant(), &amounts)),
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
            // Both when everything below it has been read.
            committed: CommittedState::default(),
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

/// Every tenant whose door is shut, by their ids.
fn closed_tenants(core: &Core) -> Vec<ClosedTenantState> {
    let closed = |(id, stand): (Box<str>, _)| ClosedTenantState { id: id.into(), status: ScopeStatus::of(stand) };
    let mut all: Vec<_> = core.shut().into_iter().map(closed).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn paused(pause: Pause) -> PauseState {
    let Pause { number, violation, why, at, until } = pause;
    let (limit, used, asked) = (violation.limit, violation.used, violation.asked);
    PauseState { number, cause: violation.as_cause(), limit, used, asked, why, paused_at: at, until }
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

#[cfg(test)]
mod tests;

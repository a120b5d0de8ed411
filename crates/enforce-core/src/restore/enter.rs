//! Taking a state over that has been found to make sense.

use std::collections::HashMap;
use std::time::Duration;

use super::{OpenHolds, RestoreError, RestoreOptions, Restored, books, check, rates};
use crate::child;
use crate::clock::Timestamp;
use crate::decision::{Cause, ScopeKind};
use crate::enforcer::Enforcer;
use crate::event::EventKind;
use crate::execution::Execution;
use crate::family::{Parent, Share, Slice};
use crate::kernel::door::Stand;
use crate::limits::{LongRunningExecutionPolicy, ResourceLimits};
use crate::plan::{Plan, Source};
use crate::registry::{Core, doors};
use crate::resource::{Amounts, Resource};
use crate::scope::ScopeStatus;
use crate::state::{ClosedTenantState, EnforcerState, ExecutionState, SliceState};
use crate::sync::Arc;

/// No idleness counts that is longer, so that nobody's words of time have to begin earlier.
const LONGEST_IDLE_NS: u64 = 366 * 86_400 * 1_000_000_000;

pub(super) fn restore(
    enforcer: &mut Enforcer,
    state: &EnforcerState,
    options: RestoreOptions<'_>,
    now: Timestamp,
) -> Result<Restored, RestoreError> {
    let RestoreOptions { holds, limits: mut own } = options;
    if !enforcer.core().is_fresh(now) {
        return Err(RestoreError::NotFresh);
    }
    let core = enforcer.core_mut().ok_or(RestoreError::Shared)?;
    check::state(state, core, now)?;
    let plans = plans(core, state, &mut own)?;
    // Nothing fails from here on.
    core.epoch = core.epoch.min(beginning(state, &plans, now));
    // Nobody else sees the word yet; no number that was given out before is given out again (E3).
    core.pauses.apply(|before| (before.max(state.last_pause.saturating_add(check::SPARE_PAUSES)), ()));
    let core = enforcer.core();
    let entering = Entering { core, state, now, charge: holds == OpenHolds::ChargeInFull };
    entering.scopes();
    let executions = entering.executions(plans);
    rates::recall(core, state, now);
    entering.stop(&executions);
    entering.shut();
    for tenant in &state.tenants {
        if let Some(tenant) = core.tenant(&tenant.id) {
            // What `scopes` has attached.
            core.detach(&tenant);
        }
    }
    core.wakes.flush();
    Ok(Restored {
        executions: executions.len(),
        tenants: state.tenants.len(),
        downtime: Duration::from_nanos(now.nanos_since(state.saved_at)),
        open_holds: books::open_holds(state),
    })
}

/// The limits of every execution, in the order of the state.
fn plans(
    core: &Core,
    state: &EnforcerState,
    own: &mut Option<Box<super::LimitsOf<'_>>>,
) -> Result<Vec<Arc<Plan>>, RestoreError> {
    let mut plans: Vec<Arc<Plan>> = Vec::with_capacity(state.executions.len());
    let mut places = HashMap::with_capacity(state.executions.len());
    let defaults = core.plan();
    for (place, it) in state.executions.iter().enumerate() {
        let own = own.as_mut().and_then(|own| own(it));
        let parent = it.parent.as_deref().and_then(|parent| plans.get(*places.get(parent)?));
        let above = &parent.unwrap_or(&defaults).source;
        let slice = it.slice.as_ref().map(amounts);
        places.insert(it.id.as_str(), place);
        let plan = match (own, parent) {
            (None, None) => Arc::clone(&defaults),
            (own, parent) => {
                let (limits, long_running) = own.unwrap_or_else(|| inherited(above, parent.is_some()));
                let source = Source { limits, long_running, policy: Arc::clone(&above.policy), slice };
                let config = |error| RestoreError::Config { id: it.id.clone(), error };
                Arc::new(Plan::compile(source).map_err(config)?)
            }
        };
        plans.push(plan);
    }
    Ok(plans)
}

/// Those of one that has none of its own.
fn inherited(above: &Source, child: bool) -> (ResourceLimits, LongRunningExecutionPolicy) {
    if child {
        (ResourceLimits::unlimited(), child::guards(above))
    } else {
        (above.limits.clone(), above.long_running.clone())
    }
}

fn amounts(slice: &SliceState) -> Amounts {
    Amounts::of(|resource| match resource {
        Resource::Steps => slice.steps,
        Resource::Tokens => slice.tokens,
        Resource::Memory => slice.memory_bytes,
        Resource::Cost => slice.cost_nano_usd,
        Resource::DiscoveredSteps => slice.discovered_steps,
    })
}

/// Since when idleness has to be told.
fn beginning(state: &EnforcerState, plans: &[Arc<Plan>], now: Timestamp) -> Timestamp {
    let idle = state.executions.iter().zip(plans).filter(|(_, plan)| plan.idle.is_some());
    let longest = idle.map(|(it, _)| state.saved_at.nanos_since(it.last_activity).min(LONGEST_IDLE_NS)).max();
    Timestamp::from_nanos(now.as_nanos().saturating_sub(longest.unwrap_or(0)))
}

/// A state on its way in; nobody else sees the enforcer.
struct Entering<'a> {
    core: &'a Arc<Core>,
    state: &'a EnforcerState,
    now: Timestamp,
    /// Open holds are charged.
    charge: bool,
}

impl Entering<'_> {
    /// Tenants with what they have used, and the process. Each tenant stays attached.
    fn scopes(&self) {
        let Self { core, state, now, charge } = *self;
        let plan = core.plan();
        let kinds = |resource| *plan.tally(resource);
        let ended = |budget: &_| books::ended(budget, charge);
        core.process.budgets.recall(state.process.iter().map(ended), &kinds, now);
        for it in &state.tenants {
            // There is room for all of them.
            if let Some(tenant) = core.attach(&it.id, now) {
                tenant.ended().add(books::committed(&it.ended));
                tenant.budgets.recall(it.budgets.iter().map(ended), &kinds, now);
            }
        }
    }

    /// Closes the tenants that were closed, unless they have been since, and halts whom a halt of a tenant or of the
    /// process has not found (E1).
    fn shut(&self) {
        for ClosedTenantState { id, status } in &self.state.closed_tenants {
            let next = |now| if now == Stand::Open { status.stand() } else { now };
            // It was checked that there is room for all of them.
            drop(self.core.turn_tenant(id, next));
        }
        for tenant in self.core.tenants() {
            for (scope, stand) in
                [(ScopeKind::Process, self.core.process.door.stand()), (ScopeKind::Tenant, tenant.door.stand())]
            {
                if let ScopeStatus::Halted(cause) = ScopeStatus::of(stand) {
                    doors::halt(tenant.roots().into_iter(), Cause { scope, ..cause });
                }
            }
        }
    }

    /// The executions, live, in the order of the state.
    fn executions(&self, plans: Vec<Arc<Plan>>) -> Vec<Execution> {
        let mut places = HashMap::with_capacity(plans.len());
        let mut entered: Vec<Execution> = Vec::with_capacity(plans.len());
        let mut paused: Vec<bool> = Vec::with_capacity(plans.len());
        let charged = books::charged(self.state, self.charge);
        let counts = charged.iter().zip(books::children(self.state));
        for ((it, plan), (charged, children)) in self.state.executions.iter().zip(plans).zip(counts) {
            let above = it.parent.as_deref().and_then(|parent| places.get(parent).copied());
            let parent = above.and_then(|place: usize| entered.get(place));
            // One that was read in the middle of a change is paused if something pauses it.
            let below_pause = above.and_then(|place| paused.get(place)).is_some_and(|paused| *paused);
            let is_paused = it.halted.is_none() && (it.pause.is_some() || below_pause);
            if let Some(execution) = self.enter(it, plan, parent, is_paused) {
                books::write(execution.record(), it, charged, children);
                places.insert(it.id.as_str(), entered.len());
                entered.push(execution);
                paused.push(is_paused);
            }
        }
        entered
    }

    /// `at`, moved so far that as much time lies between it and now as lay between it and the moment of the state.
    fn moved(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_nanos(self.now.as_nanos().saturating_sub(self.state.saved_at.nanos_since(at)))
    }

    fn enter(
        &self,
        it: &ExecutionState,
        plan: Arc<Plan>,
        above: Option<&Execution>,
        paused: bool,
    ) -> Option<Execution> {
        // It was checked that there is room for all of them, that tenants are there and that ids are unique.
        let core = self.core;
        let tenant = core.attach(&it.tenant, self.now)?;
        let parent = above.map(|above| Parent {
            execution: above.clone(),
            share: it.slice.as_ref().map_or(Share::Pool, |slice| Share::Slice(self.slice(slice, above))),
            depth: above.record().tree_depth().saturating_add(1),
        });
        let execution = Execution::new(&it.id, Arc::clone(&tenant), plan, parent, self.moved(it.started_at));
        let record = execution.record();
        record.hot.activity.touch(self.moved(it.last_activity).nanos_since(core.epoch));
        let since = it.paused_since.filter(|_| paused).map(|since| self.moved(since.max(it.started_at)));
        let until = it.paused_since.unwrap_or(self.state.saved_at);
        let paused_ns = it.paused_ns.min(until.nanos_since(it.started_at));
        record.recall(it, since, paused_ns);
        let entered = match above {
            Some(above) => {
                above.record().children().recall(&execution);
                core.executions.register([], execution.clone())
            }
            None => tenant.join(&execution, |slots| {
                slots.into_iter().for_each(|slot| drop_recorded(slot.settle(0, 1)));
                core.executions.register([], execution.clone())
            }),
        };
        entered.ok()?;
        let parent = above.map(|above| above.id().into());
        execution.record().note(Some(self.now), || EventKind::Registered { parent });
        core.time(&execution);
        Some(execution)
    }

    /// Sets it aside again: on its parent, on what its parent shares a budget with, and in the periods in which it was.
    fn slice(&self, it: &SliceState, above: &Execution) -> Slice {
        let (amounts, record) = (amounts(it), above.record());
        for shared in above.shared() {
            for resource in Resource::ALL {
                drop_recorded(shared.record().hot.tally(resource).settle(0, amounts.get(resource)));
            }
        }
        let plan = self.core.plan();
        let kinds = |resource| *plan.tally(resource);
        let of =
            |budgets: &crate::budget::Budgets, sliced: &[_]| budgets.recall_slice(sliced, &amounts, &kinds, self.now);
        let periods = crate::budget::Periods::of(
            of(&record.tenant.budgets, &it.tenant),
            of(&self.core.process.budgets, &it.process),
        );
        Slice { amounts, periods }
    }

    /// Halts and pauses what was halted and paused, and what the charge of open holds has exhausted.
    fn stop(&self, executions: &[Execution]) {
        let all = || self.state.executions.iter().zip(executions);
        // From below: each keeps the cause of its own.
        for (it, execution) in all().rev() {
            if let Some(cause) = it.halted {
                execution.record().recall_halt(cause);
            }
        }
        for (it, execution) in all() {
            if let Some(pause) = &it.pause {
                execution.record().recall_pause(pause, self.now);
            }
        }
        let charged = books::charged(self.state, self.charge);
        for (execution, charged) in executions.iter().zip(charged).rev() {
            if charged.cost_nano_usd > 0 {
                execution.record().meet_threshold(self.now);
            }
        }
    }
}

/// What is debt by now is debt.
fn drop_recorded(recorded: crate::kernel::tally::Recorded) {
    let crate::kernel::tally::Recorded { .. } = recorded;
}

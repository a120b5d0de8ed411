//! Whether a state makes sense. It is text from outside: everything that is built on it is looked at here first, so that
//! what follows cannot fail half-way.

use std::collections::{HashMap, HashSet};

use super::RestoreError;
use crate::calendar;
use crate::clock::Timestamp;
use crate::decision::ScopeKind;
use crate::family::MAX_TREE_DEPTH;
use crate::id::validate;
use crate::kernel::state::PAUSE_NUMBERS;
use crate::kernel::tally::MAX_AMOUNT;
use crate::kernel::window::NEVER_ENDS;
use crate::limits::{Action, RateOn};
use crate::plan::Plan;
use crate::registry::Core;
use crate::resource::Resource;
use crate::scope::ScopeStatus;
use crate::state::{
    BudgetName, BudgetState, ClosedTenantState, CommittedState, EnforcerState, ExecutionState, OutstandingState,
    PauseState, RateState, STATE_VERSION, SliceState,
};

/// So many pauses may have come after the state was saved and before its enforcer went: nobody gets their numbers.
pub(super) const SPARE_PAUSES: u64 = 1 << 20;

fn invalid(place: impl FnOnce() -> String, wrong: impl Into<String>) -> RestoreError {
    RestoreError::Invalid { place: place(), wrong: wrong.into() }
}

/// Looks at all of it.
pub(super) fn state(state: &EnforcerState, core: &Core, now: Timestamp) -> Result<(), RestoreError> {
    if state.version != STATE_VERSION {
        return Err(RestoreError::Version { found: state.version });
    }
    let full = |table, cap: u64, len: usize| {
        if len as u64 > cap { Err(RestoreError::Full { table, cap }) } else { Ok(()) }
    };
    full("executions", core.executions.cap(), state.executions.len())?;
    full("tenants", core.max_tenants, state.tenants.len())?;
    if state.last_pause >= PAUSE_NUMBERS - SPARE_PAUSES {
        return Err(invalid(|| "last_pause".into(), format!("{} is past the last number", state.last_pause)));
    }
    budgets("process", &state.process)?;
    let mut tenants = HashSet::new();
    for (number, tenant) in state.tenants.iter().enumerate() {
        let place = |field: &str| format!("tenants[{number}].{field}");
        validate("tenant id", &tenant.id).map_err(|error| invalid(|| place("id"), error.to_string()))?;
        if !tenants.insert(tenant.id.as_str()) {
            return Err(invalid(|| place("id"), format!("{:?} stands there twice; it must stand once", tenant.id)));
        }
        amounts(&place("ended"), committed(&tenant.ended))?;
        budgets(&place("budgets"), &tenant.budgets)?;
    }
    closed(state)?;
    let before: HashSet<_> = core.shut().into_iter().map(|(id, _)| id).collect();
    let more = state.closed_tenants.iter().filter(|it| !before.contains(it.id.as_str())).count();
    full("tenants", core.max_tenants, before.len().saturating_add(more))?;
    let (mut known, mut shares) = (HashMap::new(), HashMap::new());
    for (number, execution) in state.executions.iter().enumerate() {
        let place = format!("executions[{number}]");
        let seen = Checked::of(&place, execution, state, &tenants, &known)?;
        if let (Some(slice), Some((holder, above))) = (&execution.slice, seen.above) {
            share(&place, slice, above, shares.entry(holder).or_default(), &core.plan())?;
        }
        if known.insert(execution.id.as_str(), seen).is_some() {
            let wrong = format!("{:?} stands there twice; it must stand once", execution.id);
            return Err(invalid(|| format!("{place}.id"), wrong));
        }
    }
    for (number, rate) in state.rates.iter().enumerate() {
        checked_rate(&format!("rates[{number}]"), rate, &tenants)?;
    }
    // Names that are known already stay, and take no room twice.
    let named = |on: fn(RateOn) -> bool, known: &dyn Fn(&str) -> bool, before: u32| {
        let rates = state.rates.iter().filter(|rate| on(rate.on) && !known(&rate.name));
        rates.map(|rate| &rate.name).collect::<HashSet<_>>().len().saturating_add(before as usize)
    };
    let (providers, models) = (&core.rates.providers, &core.rates.models);
    let of_models = named(|on| on == RateOn::Model, &|name| models.knows(name), models.known());
    let of_providers = named(|on| on != RateOn::Model, &|name| providers.knows(name), providers.known());
    full("models", models.cap(), of_models)?;
    full("providers", providers.cap(), of_providers)?;
    clock(state, now)
}

/// Whether tenants that are closed stand there once each.
fn closed(state: &EnforcerState) -> Result<(), RestoreError> {
    let mut seen = HashSet::new();
    for (number, ClosedTenantState { id, status }) in state.closed_tenants.iter().enumerate() {
        let place = |field: &str| format!("closed_tenants[{number}].{field}");
        validate("tenant id", id).map_err(|error| invalid(|| place("id"), error.to_string()))?;
        if !seen.insert(id) {
            return Err(invalid(|| place("id"), format!("{id:?} stands there twice; it must stand once")));
        }
        if *status == ScopeStatus::Open {
            return Err(invalid(|| place("status"), "\"open\"; it must be closed or halted"));
        }
    }
    Ok(())
}

/// What is known of an execution that those below it have to fit.
#[derive(Debug, Clone, Copy)]
struct Checked<'a> {
    tenant: &'a str,
    depth: usize,
    /// The slice out of which its budget comes, its own or one above, and whose it is.
    slice: Option<Held<'a>>,
    /// The slice of which its own is a part.
    above: Option<Held<'a>>,
}

/// A slice, and the id of the execution for which it was set aside.
type Held<'a> = (&'a str, &'a SliceState);

impl<'a> Checked<'a> {
    fn of(
        place: &str,
        it: &'a ExecutionState,
        state: &EnforcerState,
        tenants: &HashSet<&str>,
        known: &HashMap<&str, Self>,
    ) -> Result<Self, RestoreError> {
        let wrong = |field: &str, wrong: String| Err(invalid(|| format!("{place}.{field}"), wrong));
        if let Err(error) = validate("execution id", &it.id) {
            return wrong("id", error.to_string());
        }
        if !tenants.contains(it.tenant.as_str()) {
            return wrong("tenant", format!("{:?} does not stand among the tenants", it.tenant));
        }
        let parent = match it.parent.as_deref().map(|parent| (parent, known.get(parent))) {
            None => None,
            Some((_, Some(parent))) if parent.tenant != it.tenant => {
                return wrong(
                    "tenant",
                    format!("its parent is {:?}'s; a child has its parent's tenant", parent.tenant),
                );
            }
            Some((_, Some(parent))) if parent.depth >= MAX_TREE_DEPTH => {
                return wrong("parent", format!("a tree is at most {MAX_TREE_DEPTH} deep"));
            }
            Some((_, Some(parent))) => Some(*parent),
            Some((parent, None)) => {
                return wrong("parent", format!("{parent:?} does not stand before it; parents come first"));
            }
        };
        if let (Some(_), None) = (&it.slice, parent) {
            return wrong("slice", "it has no parent to have it of".into());
        }
        if let Some(slice) = &it.slice {
            amounts(&format!("{place}.slice"), sliced(slice))?;
            let names = slice.tenant.iter().chain(&slice.process).map(|sliced| (&sliced.budget, sliced.ends));
            for (budget, ends) in names {
                period(&format!("{place}.slice"), budget, ends)?;
            }
        }
        amounts(&format!("{place}.committed"), committed(&it.committed))?;
        amounts(&format!("{place}.outstanding"), outstanding(&it.outstanding))?;
        amounts(place, [("children_total", it.children_total)])?;
        for allowance in &it.allowances {
            amounts(&format!("{place}.allowances"), [(allowance.name.as_str(), allowance.used)])?;
        }
        let ahead = |at: &Timestamp| *at > state.saved_at;
        if ahead(&it.started_at) || ahead(&it.last_activity) || it.paused_since.as_ref().is_some_and(ahead) {
            return wrong("started_at", "it or another moment is later than saved_at".into());
        }
        if let Some(PauseState { number, cause, until, .. }) = it.pause {
            if number == 0 || number > state.last_pause {
                return wrong("pause.number", format!("{number} is none of the numbers from 1 to last_pause"));
            }
            if until.is_some() && !matches!(cause.scope, ScopeKind::Tenant | ScopeKind::Process) {
                return wrong("pause.until", format!("no period ends a pause by {cause}; only a budget's does"));
            }
        }
        let above = parent.and_then(|parent| parent.slice);
        let slice = it.slice.as_ref().map(|slice| (it.id.as_str(), slice)).or(above);
        Ok(Self { tenant: &it.tenant, depth: parent.map_or(0, |parent| parent.depth.saturating_add(1)), slice, above })
    }
}

/// Whether `slice` fits into that of which it is a part, beside those that came before it: what they have taken of it.
fn share(
    place: &str,
    slice: &SliceState,
    above: &SliceState,
    taken: &mut [u64; 5],
    plan: &Plan,
) -> Result<(), RestoreError> {
    let amounts = sliced(slice).into_iter().zip(sliced(above)).zip(taken);
    for (resource, (((field, one), (_, of)), taken)) in Resource::ALL.into_iter().zip(amounts) {
        *taken = taken.saturating_add(one);
        // Where nothing but observes, they may have been larger.
        if *taken > of && plan.tally(resource).action != Action::Observe {
            let wrong =
                format!("{taken} {field}, with those beside it, are more than the {of} of the slice that it is of");
            return Err(invalid(|| format!("{place}.slice"), wrong));
        }
    }
    Ok(())
}

fn amounts<'a>(place: &str, all: impl IntoIterator<Item = (&'a str, u64)>) -> Result<(), RestoreError> {
    match all.into_iter().find(|(_, amount)| *amount > MAX_AMOUNT) {
        None => Ok(()),
        Some((field, amount)) => {
            Err(invalid(|| format!("{place}.{field}"), format!("{amount} is above 2^56 - 1, the largest amount")))
        }
    }
}

fn committed(it: &CommittedState) -> [(&'static str, u64); 5] {
    [
        ("steps", it.steps),
        ("input_tokens", it.input_tokens),
        ("output_tokens", it.output_tokens),
        ("cost_nano_usd", it.cost_nano_usd),
        ("discovered_steps", it.discovered_steps),
    ]
}

fn outstanding(it: &OutstandingState) -> [(&'static str, u64); 3] {
    [("tokens", it.tokens), ("cost_nano_usd", it.cost_nano_usd), ("memory_bytes", it.memory_bytes)]
}

fn sliced(it: &SliceState) -> [(&'static str, u64); 5] {
    [
        ("steps", it.steps),
        ("tokens", it.tokens),
        ("memory_bytes", it.memory_bytes),
        ("cost_nano_usd", it.cost_nano_usd),
        ("discovered_steps", it.discovered_steps),
    ]
}

fn budgets(place: &str, all: &[BudgetState]) -> Result<(), RestoreError> {
    let mut names = HashSet::new();
    for (number, it) in all.iter().enumerate() {
        let place = format!("{place}[{number}]");
        period(&place, &it.budget, it.ends)?;
        amounts(&place, [("committed", it.committed), ("outstanding", it.outstanding)])?;
        if !names.insert(it.budget) {
            return Err(invalid(|| place, "the same budget stands there twice; it must stand once"));
        }
    }
    Ok(())
}

/// Whether a period of that budget can end then.
fn period(place: &str, budget: &BudgetName, ends: Option<Timestamp>) -> Result<(), RestoreError> {
    let ends = ends.map_or(NEVER_ENDS, Timestamp::as_nanos);
    let end = calendar::end_of(budget.per, budget.utc_offset_minutes, ends.saturating_sub(1));
    if end == ends && ends > 0 {
        return Ok(());
    }
    Err(invalid(|| format!("{place}.ends"), format!("no {} ends there", budget.per)))
}

fn checked_rate(place: &str, rate: &RateState, tenants: &HashSet<&str>) -> Result<(), RestoreError> {
    let wrong = |field: &str, wrong: String| Err(invalid(|| format!("{place}.{field}"), wrong));
    if let Err(error) = validate("name", &rate.name) {
        return wrong("name", error.to_string());
    }
    match (rate.on, &rate.tenant) {
        (RateOn::TenantProvider, Some(tenant)) if tenants.contains(tenant.as_str()) => {}
        (RateOn::TenantProvider, _) => return wrong("tenant", "it does not stand among the tenants".into()),
        (_, None) => {}
        (_, Some(_)) => return wrong("tenant", format!("a {} has none", rate.on)),
    }
    if rate.interval == 0 || rate.scale == 0 {
        return wrong("interval", "interval and scale must be at least 1".into());
    }
    Ok(())
}

/// Whether what has passed lies within time, as the clock shows it now.
fn clock(state: &EnforcerState, now: Timestamp) -> Result<(), RestoreError> {
    let moments = state.executions.iter().flat_map(|it| [Some(it.started_at), it.paused_since]);
    let longest = moments.flatten().map(|at| state.saved_at.nanos_since(at)).max().unwrap_or(0);
    let least = Timestamp::from_nanos(longest);
    if now < least { Err(RestoreError::Clock { now, least }) } else { Ok(()) }
}

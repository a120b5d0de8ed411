//! The cells of rates: whose they are, and which of them a demand meets.

mod cells;
mod recalled;

pub(crate) use self::cells::RateCell;
use self::cells::{Cells, Slot};

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::decision::{EnforcementViolation, RatesRefused, Retry, ScopeKind, ViolationType};
use crate::kernel::arena::Arena;
use crate::kernel::bundle::RateLeg;
use crate::kernel::cell::Cell;
use crate::kernel::gcra::{Rate, TooFast};
use crate::kernel::queue::Queue;
use crate::kernel::versions::Versions;
use crate::limits::{RateOn, RateUnit};
use crate::model::ModelKey;
use crate::names::{Names, Number};
use crate::provider::ProviderKey;
use crate::rate_plan::{MAX_RATES, RatePlan};
use crate::resource::Demand;
use crate::sync::{Arc, CachePadded, Mutex};
use crate::tenant::Tenant;

/// A provider or a model.
#[derive(Debug)]
pub(crate) struct Rated {
    name: Arc<str>,
    slot: Slot,
}

/// A tenant's rates with the providers that it has named, each made when it names it first.
#[derive(Debug)]
pub(crate) struct TenantRates(Arena<Slot>);

impl TenantRates {
    pub(crate) fn new() -> Self {
        Self(Arena::new())
    }
}

/// All rates of an enforcer.
///
/// Providers and models are named by their owner, so their tables are capped and stay. A tenant's cells are its own and
/// go with it: it is let go only when all of them have passed, by somebody who is attached to nothing of it (G2). What
/// comes in their place begins where they were at the latest.
#[derive(Debug)]
pub(crate) struct Rates {
    plans: Versions<RatePlan>,
    /// How many plans there were; its lock serialises changes.
    changes: Mutex<u64>,
    pub(crate) providers: Names<Rated>,
    pub(crate) models: Names<Rated>,
    /// The latest time at which cells were let go, in nanoseconds.
    passed: Cell,
    /// When an earlier life went on in this one, in nanoseconds; 0 if there was none.
    begun: Cell,
}

impl Rates {
    pub(crate) fn new(plan: RatePlan, max_providers: u64, max_models: u64) -> Self {
        Self {
            plans: Versions::new(plan),
            changes: Mutex::new(0),
            providers: Names::new(max_providers),
            models: Names::new(max_models),
            passed: Cell::new(0),
            begun: Cell::new(0),
        }
    }

    /// Replaces all rates by those of `plan`; what has not drained stays (L1). Each key's cells follow when they are next
    /// asked.
    pub(crate) fn change(&self, mut plan: RatePlan, now_ns: u64) {
        let mut changes = self.changes.lock();
        *changes = changes.saturating_add(1);
        (plan.version, plan.since_ns) = (*changes, now_ns);
        // Past the last version nothing is changed any more: 2^31 of them are out of reach.
        let _changed: bool = self.plans.change(plan, || ());
    }

    pub(crate) fn provider(&self, name: Arc<str>) -> Rated {
        self.rated(RateOn::Provider, name)
    }

    pub(crate) fn model(&self, name: Arc<str>) -> Rated {
        self.rated(RateOn::Model, name)
    }

    fn rated(&self, on: RateOn, name: Arc<str>) -> Rated {
        // Where an earlier life was left behind, they begin: before that nobody asks who had not asked there (Q1).
        let from = self.begun.load();
        // There is always a plan.
        let slot = self
            .plans
            .get()
            .map_or_else(|| Slot::new(&RatePlan::default(), on, &name, from), |plan| Slot::new(plan, on, &name, from));
        Rated { slot, name }
    }

    /// Whether a rate limits anything that `demand` names.
    #[inline]
    pub(crate) fn limit(&self, demand: &Demand) -> bool {
        (demand.provider.is_some() || demand.model.is_some()) && self.limit_named(demand)
    }

    #[inline]
    fn limit_named(&self, demand: &Demand) -> bool {
        self.plans.get().is_some_and(|plan| {
            (demand.provider.is_some() && (plan.provider || plan.tenant)) || (demand.model.is_some() && plan.model)
        })
    }

    /// The rates that `demand` meets, all of one version; what is not known, if a key is another enforcer's.
    #[inline]
    pub(crate) fn met<'a>(&'a self, tenant: &'a Tenant, keys: Keys) -> Result<Met<'a>, ScopeKind> {
        loop {
            let Some(plan) = self.plans.get() else { return Ok(Met::NOTHING) };
            let met = self.met_by(plan, tenant, keys)?;
            // Another version of the cells of one key is a later one: then so is the plan.
            if let Some(met) = met {
                return Ok(met);
            }
        }
    }

    /// `None` if there is a later plan than `plan`.
    #[inline]
    fn met_by<'a>(&'a self, plan: &RatePlan, tenant: &'a Tenant, keys: Keys) -> Result<Option<Met<'a>>, ScopeKind> {
        let mut met = Met { version: plan.version, ..Met::NOTHING };
        let mut later = false;
        let mut of = |cells: Option<&'a Cells>, scope| {
            let cells = cells.ok_or(scope)?;
            later |= cells.version != plan.version;
            Ok(&*cells.all)
        };
        if let Some(key) = keys.provider
            && (plan.provider || plan.tenant)
        {
            let rated = self.providers.get(key.0).ok_or(ScopeKind::Provider)?;
            met.provider =
                of(rated.slot.cells(&self.plans, plan, (RateOn::Provider, &rated.name)), ScopeKind::Provider)?;
            if plan.tenant {
                met.tenant = of(self.of_tenant(plan, tenant.rates(), key.0, rated), ScopeKind::Tenant)?;
            }
        }
        if let Some(key) = keys.model
            && plan.model
        {
            let rated = self.models.get(key.0).ok_or(ScopeKind::Model)?;
            met.model = of(rated.slot.cells(&self.plans, plan, (RateOn::Model, &rated.name)), ScopeKind::Model)?;
        }
        Ok((!later).then_some(met))
    }

    #[inline]
    fn of_tenant<'a>(
        &self,
        plan: &RatePlan,
        rates: &'a TenantRates,
        number: Number,
        provider: &Rated,
    ) -> Option<&'a Cells> {
        if rates.0.get(number.get()).is_none() {
            self.begin(plan, rates, number, provider);
        }
        rates.0.get(number.get())?.cells(&self.plans, plan, (RateOn::TenantProvider, &provider.name))
    }

    #[cold]
    fn begin(&self, plan: &RatePlan, rates: &TenantRates, number: Number, provider: &Rated) {
        // Whoever lets cells go has raised the time before they could not be found any more (G2). Of two who begin at
        // once one comes second, and its cells go unused.
        let slot = Slot::new(plan, RateOn::TenantProvider, &provider.name, self.passed.load());
        let _first = rates.0.put(number.get(), slot);
    }

    /// Whether all cells of a tenant have passed by `now_ns`.
    pub(crate) fn have_passed(&self, rates: &TenantRates, now_ns: u64) -> bool {
        let mut known = (0..self.providers.known()).filter_map(|number| rates.0.get(number)?.latest());
        known.all(|cells| cells.have_passed(now_ns))
    }

    /// Whether all cells of providers and models have passed by `now_ns`.
    pub(crate) fn all_have_passed(&self, now_ns: u64) -> bool {
        let passed = |rated: &Rated| rated.slot.latest().is_none_or(|cells| cells.have_passed(now_ns));
        let named = |names: &Names<Rated>| (0..names.known()).all(|number| names.nth(number).is_none_or(passed));
        named(&self.providers) && named(&self.models)
    }

    /// Keeps the time by which cells have passed that are about to be let go.
    pub(crate) fn let_go(&self, now_ns: u64) {
        // Before the retirement; partner: the load in `begin`, by whoever finds the entry gone (G2).
        self.passed.apply(|latest| (latest.max(now_ns), ()));
    }
}

/// What a demand names that has rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) provider: Option<ProviderKey>,
    pub(crate) model: Option<ModelKey>,
}

impl Keys {
    #[inline]
    pub(crate) const fn of(demand: &Demand) -> Self {
        Self { provider: demand.provider, model: demand.model }
    }
}

/// The rates that one demand meets, in the order in which they are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Met<'a> {
    /// Of the plan that they are of.
    pub(crate) version: u64,
    provider: &'a [CachePadded<RateCell>],
    tenant: &'a [CachePadded<RateCell>],
    model: &'a [CachePadded<RateCell>],
}

/// A rate that refuses.
struct Refused {
    scope: ScopeKind,
    unit: RateUnit,
    rate: Rate,
    asked: u64,
    why: Why,
}

/// Why a rate refuses.
enum Why {
    TooFast(TooFast),
    /// It would fit, but others wait for it.
    Queued,
}

impl<'a> Met<'a> {
    const NOTHING: Self = Met { version: 0, provider: &[], tenant: &[], model: &[] };

    /// Whether these are the same cells.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.cells().map(std::ptr::from_ref).eq(other.cells().map(std::ptr::from_ref))
    }

    /// Whether one of them was retired, so that others have taken their place.
    pub(crate) fn is_stale(&self) -> bool {
        self.cells().any(|cell| cell.tat.is_over())
    }

    #[inline]
    pub(crate) fn cells(&self) -> impl Iterator<Item = &'a RateCell> + use<'a> {
        self.provider.iter().chain(self.tenant).chain(self.model).map(|cell| &**cell)
    }

    #[inline]
    pub(crate) fn legs(&self, demand: &Demand) -> ArrayVec<RateLeg<'a>, MAX_RATES> {
        // There are no more of them: so says the plan.
        let leg = |cell: &'a RateCell| {
            let (tat, line, rate) = (&cell.tat, &*cell.line, cell.rate);
            RateLeg { tat, line, rate, amount: amount(demand, cell.unit) }
        };
        self.cells().map(leg).take(MAX_RATES).collect()
    }

    /// Looks at all of them together: when several refuse, the retry is the latest of them. Also refused by a rate that
    /// others wait for, unless it is the first in the line of that one. The number of the first rate that refuses.
    #[inline]
    pub(crate) fn look(
        &self,
        demand: &Demand,
        now_ns: u64,
        first: Option<usize>,
    ) -> Result<(), (usize, EnforcementViolation)> {
        let fits = |cell: &RateCell| {
            cell.line.is_empty() && cell.tat.look(&cell.rate, now_ns, amount(demand, cell.unit)).is_ok()
        };
        if self.cells().all(fits) { Ok(()) } else { self.refused(demand, now_ns, first) }
    }

    /// Looks again, now for what to say; by then the last of them may have room.
    #[cold]
    fn refused(&self, demand: &Demand, now_ns: u64, first: Option<usize>) -> Result<(), (usize, EnforcementViolation)> {
        let mut at = None;
        let refusals = self.scoped().enumerate().filter_map(|(number, (scope, cell))| {
            let asked = amount(demand, cell.unit);
            let why = match cell.tat.look(&cell.rate, now_ns, asked) {
                Err(too_fast) => Why::TooFast(too_fast),
                Ok(()) if asked > 0 && !cell.line.is_empty() && first != Some(number) => Why::Queued,
                Ok(()) => return None,
            };
            at.get_or_insert(number);
            Some(Refused { scope, unit: cell.unit, rate: cell.rate, asked, why })
        });
        let refused = violation(refusals);
        at.zip(refused).map_or(Ok(()), Err)
    }

    /// The line of the rate of that number.
    pub(crate) fn line(&self, number: usize) -> Option<&'a Arc<Queue>> {
        self.cells().nth(number).map(|cell| &cell.line)
    }

    /// The rate whose line that is.
    pub(crate) fn with_line(&self, line: &Arc<Queue>) -> Option<&'a RateCell> {
        self.cells().find(|cell| Arc::ptr_eq(&cell.line, line))
    }

    /// The number of the rate whose line that is.
    pub(crate) fn number(&self, line: &Arc<Queue>) -> Option<usize> {
        self.cells().position(|cell| Arc::ptr_eq(&cell.line, line))
    }

    /// What the rate of that number says that was met in a race.
    pub(crate) fn lost(&self, demand: &Demand, number: usize, too_fast: TooFast) -> Option<EnforcementViolation> {
        let (scope, cell) = self.scoped().nth(number)?;
        let (unit, asked) = (cell.unit, amount(demand, cell.unit));
        let why = Why::TooFast(too_fast);
        violation([Refused { scope, unit, rate: cell.rate, asked, why }].into_iter())
    }

    fn scoped(&self) -> impl Iterator<Item = (ScopeKind, &'a RateCell)> + use<'a> {
        let of = |scope, cells: &'a [CachePadded<RateCell>]| cells.iter().map(move |cell| (scope, &**cell));
        let (provider, tenant) = (of(ScopeKind::Provider, self.provider), of(ScopeKind::Tenant, self.tenant));
        provider.chain(tenant).chain(of(ScopeKind::Model, self.model))
    }
}

/// What `demand` asks of a rate of `unit`.
#[inline]
pub(crate) const fn amount(demand: &Demand, unit: RateUnit) -> u64 {
    match unit {
        RateUnit::Requests => 1,
        RateUnit::InputTokens => demand.input_tokens,
        RateUnit::OutputTokens => demand.output_tokens,
        RateUnit::TotalTokens => demand.charged_tokens(),
    }
}

/// Of a key that another enforcer resolved, nothing is known: it fails closed.
#[cold]
pub(crate) fn unknown(scope: ScopeKind) -> EnforcementViolation {
    EnforcementViolation::of(scope, ViolationType::RateLimit, 0, 1, 0, Retry::Never)
}

/// What several rates say together. The figures are the first one's: what was asked of its burst.
#[cold]
fn violation(refusals: impl Iterator<Item = Refused>) -> Option<EnforcementViolation> {
    let mut all: Option<EnforcementViolation> = None;
    for refused in refusals {
        let which = if refused.unit == RateUnit::Requests { RatesRefused::Requests } else { RatesRefused::Tokens };
        let (retry, queued) = match refused.why {
            Why::TooFast(TooFast::After(ns)) => (Retry::After(Duration::from_nanos(ns)), false),
            Why::TooFast(TooFast::Never) => (Retry::Never, false),
            Why::Queued => (Retry::WhenFreed, true),
        };
        all = Some(match all {
            None => {
                let (used, burst) = (used(&refused), refused.rate.burst);
                let kind = ViolationType::RateLimit;
                let violation = EnforcementViolation::of(refused.scope, kind, used, refused.asked, burst, retry);
                EnforcementViolation { rates: Some(which), queued, ..violation }
            }
            Some(first) => EnforcementViolation {
                rates: if first.rates == Some(which) { first.rates } else { Some(RatesRefused::Both) },
                retry: match (first.retry, retry) {
                    (Retry::After(one), Retry::After(other)) => Retry::After(one.max(other)),
                    (Retry::Never, _) | (_, Retry::Never) => Retry::Never,
                    // When those who wait have had their turns, nobody knows; before this, it does not fit.
                    (Retry::After(delay), _) | (_, Retry::After(delay)) => Retry::After(delay),
                    _ => Retry::WhenFreed,
                },
                queued: first.queued && queued,
                ..first
            },
        });
    }
    all
}

/// What of the burst had not drained yet, and the debt above it. What never fits is measured against the whole burst.
///
/// Worked out from the delay, which is in whole nanoseconds: one unit too many if it drains within the last of them.
fn used(refused: &Refused) -> u64 {
    let Refused { rate, asked, why: Why::TooFast(TooFast::After(ns)), .. } = refused else { return 0 };
    let missing = (u128::from(*ns) * u128::from(rate.scale)).div_ceil(u128::from(rate.interval.max(1)));
    let used = (u128::from(rate.burst) + missing).saturating_sub(u128::from(*asked));
    u64::try_from(used).unwrap_or(u64::MAX)
}

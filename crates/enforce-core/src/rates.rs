//! The cells of rates: whose they are, and which of them a demand meets.

mod cells;
mod met;
mod recalled;

pub(crate) use self::cells::RateCell;
use self::cells::{Cells, Slot};
pub(crate) use self::met::Met;

use arrayvec::ArrayVec;

use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::kernel::arena::Arena;
use crate::kernel::cell::Cell;
use crate::kernel::versions::Version;
use crate::limits::{RateOn, RateUnit};
use crate::model::ModelKey;
use crate::names::{Names, Number};
use crate::provider::ProviderKey;
use crate::rate_plan::{Facts, RatePlan};
use crate::resource::Demand;
use crate::sync::{Arc, CachePadded, Mutex, OnceLock};
use crate::tenant::Tenant;

/// A provider or a model.
#[derive(Debug)]
pub(crate) struct Rated {
    name: Arc<str>,
    slot: CachePadded<Slot>,
}

/// A tenant's rates with the providers that it has named, each made when it names it first. Most name one: it is found
/// without a list.
///
/// **Invariant:** of a provider there is one slot, and once there it stays: in `first` if that is its number, else in
/// `others`.
#[derive(Debug)]
pub(crate) struct TenantRates {
    first: OnceLock<Box<CachePadded<Slot>>>,
    others: OnceLock<Box<Arena<CachePadded<Slot>>>>,
}

impl TenantRates {
    pub(crate) fn new() -> Self {
        Self { first: OnceLock::new(), others: OnceLock::new() }
    }

    /// Whether no provider was ever named.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// Those with the provider of that number.
    #[inline]
    fn get(&self, number: u32) -> Option<&Slot> {
        let first = self.first.get()?;
        if first.number() == number { Some(first) } else { self.others.get()?.get(number).map(|slot| &**slot) }
    }

    /// Of two who begin at once one comes second, and its cells go unused.
    fn put(&self, slot: CachePadded<Slot>) {
        let number = slot.number();
        if let Err(slot) = self.first.set(Box::new(slot))
            && self.get(number).is_none()
        {
            let _first = self.others.get_or_init(|| Box::new(Arena::new())).put(number, *slot);
        }
    }
}

/// All rates of an enforcer.
///
/// Providers and models are named by their owner, so their tables are capped and stay. A tenant's cells are its own and
/// go with it: it is let go only when all of them have passed, by somebody who is attached to nothing of it (G2). What
/// comes in their place begins where they were at the latest.
#[derive(Debug)]
pub(crate) struct Rates {
    /// What every demand looks at of the current plan.
    facts: Cell,
    plan: Mutex<Arc<RatePlan>>,
    /// Serialises changes.
    changes: Mutex<()>,
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
            facts: Cell::new(plan.facts().word()),
            plan: Mutex::new(Arc::new(plan)),
            changes: Mutex::new(()),
            providers: Names::new(max_providers),
            models: Names::new(max_models),
            passed: Cell::new(0),
            begun: Cell::new(0),
        }
    }

    /// Replaces all rates by those of `plan`; what has not drained stays (L1). The cells of keys of which something is on its
    /// way follow before the next change, those of `tenants` with them; others when they are next asked. False, and nothing
    /// has changed, if they are the same.
    pub(crate) fn change<T: AsRef<Tenant>>(
        &self,
        mut plan: RatePlan,
        now_ns: u64,
        tenants: impl FnOnce() -> Vec<T>,
    ) -> bool {
        let _turn = self.changes.lock();
        let before = self.plan();
        if plan.is(&before) {
            return false;
        }
        (plan.version, plan.since_ns) = (before.version.saturating_add(1), now_ns);
        let plan = Arc::new(plan);
        *self.plan.lock() = Arc::clone(&plan);
        // AcqRel (in `apply`): behind the plan, before the first cell is retired: who meets a retired cell finds a later
        // version; partner: the loads in `met` (L1).
        self.facts.apply(|_| (plan.facts().word(), ()));
        // No tenant enters with something on its way.
        for (names, on) in [(&self.providers, RateOn::Provider), (&self.models, RateOn::Model)] {
            for rated in (0..names.known()).filter_map(|number| names.nth(number)) {
                rated.slot.follow_if_under_way(&plan, on, &rated.name);
            }
        }
        for tenant in tenants() {
            let rates = tenant.as_ref().rates();
            for number in 0..self.providers.known() {
                if let (Some(rated), Some(slot)) = (self.providers.nth(number), rates.get(number)) {
                    slot.follow_if_under_way(&plan, RateOn::TenantProvider, &rated.name);
                }
            }
        }
        true
    }

    /// The current plan.
    fn plan(&self) -> Arc<RatePlan> {
        Arc::clone(&self.plan.lock())
    }

    #[inline]
    fn facts(&self) -> Facts {
        // Acquire (in `load`): the plan was there before; partner: `change` (L1).
        Facts::of(self.facts.load())
    }

    pub(crate) fn provider(&self, name: Arc<str>, number: u32) -> Rated {
        self.rated(RateOn::Provider, name, number)
    }

    pub(crate) fn model(&self, name: Arc<str>, number: u32) -> Rated {
        self.rated(RateOn::Model, name, number)
    }

    fn rated(&self, on: RateOn, name: Arc<str>, number: u32) -> Rated {
        // Where an earlier life was left behind, they begin: before that nobody asks who had not asked there (Q1).
        let from = self.begun.load();
        Rated { slot: Slot::new(&self.plan(), (on, &name, number), from), name }
    }

    /// Whether a rate limits anything that `demand` names.
    #[inline]
    pub(crate) fn limit(&self, demand: &Demand) -> bool {
        (demand.provider.is_some() || demand.model.is_some()) && self.limit_named(demand)
    }

    #[inline]
    fn limit_named(&self, demand: &Demand) -> bool {
        let facts = self.facts();
        (demand.provider.is_some() && (facts.provider() || facts.tenant())) || (demand.model.is_some() && facts.model())
    }

    /// The rates that `demand` meets, all of one version; what is not known, if a key is another enforcer's.
    #[inline]
    pub(crate) fn met<'a>(&'a self, tenant: &'a Tenant, keys: Keys) -> Result<Met<'a>, ScopeKind> {
        loop {
            let facts = self.facts();
            let met = self.met_by(facts, tenant, keys)?;
            // A cell of a later version is there behind the facts of that: while they have not changed, these are of theirs.
            if self.facts() == facts {
                return Ok(met);
            }
        }
    }

    /// The cells that `keys` meet, in the order of [`Met`], and the version that they are of; nothing, if they cannot be had
    /// without making or holding some, or are more than there is room for.
    #[inline(always)]
    pub(crate) fn kept<'a, const N: usize>(
        &'a self,
        tenant: &'a Tenant,
        keys: Keys,
        all: &mut ArrayVec<&'a RateCell, N>,
    ) -> Option<u64> {
        let facts = self.facts();
        let version = facts.version();
        if let Some(ProviderKey(number)) = keys.provider {
            if facts.provider() {
                self.providers.get(number)?.slot.kept(version)?.push_to(all)?;
            }
            if facts.tenant() {
                tenant.rates().get(number.get())?.kept(version)?.push_to(all)?;
            }
        }
        if let Some(ModelKey(number)) = keys.model
            && facts.model()
        {
            self.models.get(number)?.slot.kept(version)?.push_to(all)?;
        }
        // As in `met`.
        (self.facts() == facts).then_some(version)
    }

    #[inline]
    fn met_by<'a>(&'a self, facts: Facts, tenant: &'a Tenant, keys: Keys) -> Result<Met<'a>, ScopeKind> {
        let (version, mut met) = (facts.version(), Met::of(facts.version()));
        if let Some(ProviderKey(number)) = keys.provider {
            if facts.provider() {
                let cells = self.rated_cells(&self.providers, RateOn::Provider, number, version);
                met.provider = Some(cells.ok_or(ScopeKind::Provider)?);
            }
            if facts.tenant() {
                met.tenant = Some(self.of_tenant(version, tenant.rates(), number)?);
            }
        }
        if let Some(ModelKey(number)) = keys.model
            && facts.model()
        {
            let cells = self.rated_cells(&self.models, RateOn::Model, number, version);
            met.model = Some(cells.ok_or(ScopeKind::Model)?);
        }
        Ok(met)
    }

    #[inline]
    fn rated_cells<'a>(
        &self,
        names: &'a Names<Rated>,
        on: RateOn,
        number: Number,
        version: u64,
    ) -> Option<Version<'a, Cells>> {
        let rated = names.get(number)?;
        rated.slot.cells(self, version, (on, || Some(&*rated.name)))
    }

    /// A tenant's with a provider; which of the two is not known, if one is not.
    #[inline(always)]
    fn of_tenant<'a>(
        &self,
        version: u64,
        rates: &'a TenantRates,
        number: Number,
    ) -> Result<Version<'a, Cells>, ScopeKind> {
        let slot = match rates.get(number.get()) {
            Some(slot) => slot,
            // A slot is the sign that its provider is known.
            None => self.begin(rates, number)?,
        };
        let name = || self.providers.get(number).map(|rated| &*rated.name);
        slot.cells(self, version, (RateOn::TenantProvider, name)).ok_or(ScopeKind::Tenant)
    }

    #[cold]
    fn begin<'a>(&self, rates: &'a TenantRates, number: Number) -> Result<&'a Slot, ScopeKind> {
        let rated = self.providers.get(number).ok_or(ScopeKind::Provider)?;
        // Whoever lets cells go has raised the time before they could not be found any more (G2).
        let key = (RateOn::TenantProvider, &*rated.name, number.get());
        rates.put(Slot::new(&self.plan(), key, self.passed.load()));
        rates.get(number.get()).ok_or(ScopeKind::Tenant)
    }

    /// Whether all cells of a tenant have passed by `now_ns`.
    pub(crate) fn have_passed(&self, rates: &TenantRates, now_ns: u64) -> bool {
        let mut known = (0..self.providers.known()).filter_map(|number| rates.get(number)?.latest());
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

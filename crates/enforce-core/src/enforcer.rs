//! The engine: built once, asked by everyone.

use std::borrow::Cow;
use std::fmt;

use crate::admission;
use crate::allowance::{AllowanceKey, Allowances, UnknownAllowance};
use crate::builder::EnforcerBuilder;
use crate::clock::{Clock, Timestamp};
use crate::decision::{Cause, EnforcementResult, EnforcementViolation};
use crate::execution::Execution;
use crate::hold::{OwnedHold, Settlement};
use crate::limits::EnforcementPolicy;
use crate::model::{ModelError, ModelKey};
use crate::plan::Plan;
use crate::process::ProcessPlan;
use crate::provider::{ProviderError, ProviderKey};
use crate::rate_plan::RatePlan;
use crate::register::ExecutionBuilder;
use crate::registry::Core;
use crate::resource::{Actual, Demand};
use crate::snapshot::{ProcessUsage, Status, TenantUsage, UsageSnapshot};
use crate::sync::Arc;
use crate::tenant::TenantPlan;

/// Keeps the core for as long as there is a handle of the enforcer, and lets go of everyone then.
struct Owner {
    core: Arc<Core>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.core.disband();
    }
}

/// The engine. Cheap to clone; all clones are the same engine, from worker threads and tasks alike.
///
/// When the last clone goes, it forgets every registration; handles that are still held go on deciding, and children that
/// are registered through them are known to their parents alone.
#[derive(Clone)]
pub struct Enforcer(Arc<Owner>);

impl Enforcer {
    /// Begins to configure one that limits nothing.
    pub fn builder() -> EnforcerBuilder {
        EnforcerBuilder::new()
    }

    /// The engine of `core`.
    pub(crate) fn over(core: Core) -> Self {
        Self(Arc::new(Owner { core: Arc::new(core) }))
    }

    /// All of it, while nobody else has a handle of it or of anything in it.
    pub(crate) fn core_mut(&mut self) -> Option<&mut Core> {
        self.core().lanes.forget();
        Arc::get_mut(&mut self.0).and_then(|owner| Arc::get_mut(&mut owner.core))
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// Begins to register an execution of `tenant` under `id`.
    pub fn execution<'a>(
        &'a self,
        id: impl Into<Cow<'a, str>>,
        tenant: impl Into<Cow<'a, str>>,
    ) -> ExecutionBuilder<'a> {
        ExecutionBuilder::new(self, id.into(), tenant.into())
    }

    /// The registered execution of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Execution> {
        self.core().executions.get(id.as_bytes())
    }

    #[inline]
    fn known(&self, id: &str) -> Result<Execution, EnforcementViolation> {
        self.get(id).ok_or_else(EnforcementViolation::unknown_execution)
    }

    /// The execution of that id, which is asked for something; nothing if it is not known, and then that has been told.
    #[inline]
    fn asked(&self, id: &str) -> Option<Execution> {
        match self.get(id) {
            Some(known) => {
                self.core().tell_known();
                Some(known)
            }
            None => self.unknown(id),
        }
    }

    #[cold]
    fn unknown(&self, id: &str) -> Option<Execution> {
        self.core().tell_unknown(&EnforcementViolation::unknown_execution(), id);
        None
    }

    /// [`Execution::reserve`] by id.
    ///
    /// # Errors
    /// As [`Execution::reserve`]; `unknown_execution` for an id that is not registered.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, ViolationType};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let refused = enforcer.reserve("exec_1", Demand::step()).unwrap_err();
    /// assert_eq!(refused.violation_type, ViolationType::UnknownExecution);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn reserve(&self, id: &str, demand: Demand) -> Result<OwnedHold, EnforcementViolation> {
        let Some(execution) = self.asked(id) else { return Err(EnforcementViolation::unknown_execution()) };
        admission::reserve(execution, &demand, None)
    }

    /// [`Enforcer::reserve`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Enforcer::reserve`].
    #[inline]
    pub fn reserve_at(&self, id: &str, demand: Demand, now: Timestamp) -> Result<OwnedHold, EnforcementViolation> {
        let Some(execution) = self.asked(id) else { return Err(EnforcementViolation::unknown_execution()) };
        admission::reserve(execution, &demand, Some(now))
    }

    /// [`Execution::check`] by id; an id that is not registered is blocked.
    pub fn check(&self, id: &str, demand: Demand) -> EnforcementResult {
        match self.known(id) {
            Ok(execution) => execution.check(demand),
            Err(violation) => EnforcementResult::Blocked(violation),
        }
    }

    /// [`Execution::charge`] by id.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered: nothing is recorded.
    pub fn charge(&self, id: &str, actual: Actual) -> Result<Settlement, EnforcementViolation> {
        self.known(id).map(|execution| execution.charge(actual))
    }

    /// [`Execution::touch`] by id.
    ///
    /// # Errors
    /// As [`Execution::touch`]; `unknown_execution` for an id that is not registered.
    pub fn touch(&self, id: &str) -> Result<(), EnforcementViolation> {
        self.known(id)?.touch()
    }

    /// [`Execution::halt`] by id.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered.
    pub fn halt(&self, id: &str, cause: Cause) -> Result<Status, EnforcementViolation> {
        self.known(id).map(|execution| execution.halt(cause))
    }

    /// [`Execution::finish`] by id.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered.
    pub fn finish(&self, id: &str) -> Result<UsageSnapshot, EnforcementViolation> {
        self.known(id).map(|execution| execution.finish())
    }

    /// [`Execution::snapshot`] by id.
    #[must_use]
    pub fn snapshot(&self, id: &str) -> Option<UsageSnapshot> {
        self.get(id).map(|execution| execution.snapshot())
    }

    /// What a tenant has used since its entry was made. `None` for one that is not known, which has used nothing that
    /// still counts.
    ///
    /// Walks the tenant's live executions under its lock.
    #[must_use]
    pub fn tenant_usage(&self, tenant: &str) -> Option<TenantUsage> {
        self.core().tenant(tenant).map(|tenant| tenant.usage(self.core().clock.now()))
    }

    /// What all tenants use together: live executions, and the budgets of the process in their current periods.
    #[must_use]
    pub fn process_usage(&self) -> ProcessUsage {
        self.core().process.usage(self.core().slots().live(), self.core().clock.now())
    }

    /// How many of its slots a tenant's executions occupy: registered, neither halted nor ended. 0 for a tenant that is
    /// not known. Unlike [`Enforcer::tenant_usage`] it walks nothing.
    #[must_use]
    pub fn live_executions(&self, tenant: &str) -> u64 {
        self.core().tenant(tenant).map_or(0, |tenant| tenant.live())
    }

    /// The key of a provider, which demands name it by.
    ///
    /// # Errors
    /// A name that is empty or longer than 128 bytes; more names than [`EnforcerBuilder::max_providers`].
    ///
    /// ```
    /// use enforce_core::{Enforcer, ProviderError};
    ///
    /// let enforcer = Enforcer::builder().max_providers(1).build()?;
    /// assert_eq!(enforcer.provider("anthropic")?, enforcer.provider("anthropic")?);
    /// assert_eq!(enforcer.provider("openai").unwrap_err(), ProviderError::Full { cap: 1 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn provider(&self, name: &str) -> Result<ProviderKey, ProviderError> {
        let rates = &self.core().rates;
        let number = rates.providers.resolve("provider", name, |name, number| rates.provider(name, number))?;
        Ok(ProviderKey(number))
    }

    /// The key of a model, which demands name it by.
    ///
    /// # Errors
    /// A name that is empty or longer than 128 bytes; more names than [`EnforcerBuilder::max_models`].
    ///
    /// ```
    /// use enforce_core::{Enforcer, ModelError};
    ///
    /// let enforcer = Enforcer::builder().max_models(1).build()?;
    /// assert_eq!(enforcer.model("large-1")?, enforcer.model("large-1")?);
    /// assert_eq!(enforcer.model("small-1").unwrap_err(), ModelError::Full { cap: 1 });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn model(&self, name: &str) -> Result<ModelKey, ModelError> {
        let rates = &self.core().rates;
        let number = rates.models.resolve("model", name, |name, number| rates.model(name, number))?;
        Ok(ModelKey(number))
    }

    /// The key of an allowance, which demands ask by.
    ///
    /// # Errors
    /// A name that no allowance was built under.
    ///
    /// ```
    /// use enforce_core::Enforcer;
    ///
    /// let enforcer = Enforcer::builder().allowance("web_search", 2).build()?;
    /// let error = enforcer.allowance("websearch").unwrap_err();
    /// assert_eq!(error.to_string(), "no allowance is named \"websearch\"; name it to the builder");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allowance(&self, name: &str) -> Result<AllowanceKey, UnknownAllowance> {
        self.core().allowances.key(name)
    }

    /// The name that a key was resolved from; `None` of another enforcer's.
    #[must_use]
    pub fn allowance_name(&self, key: AllowanceKey) -> Option<&str> {
        self.core().allowances.name(key)
    }

    /// The clock that it decides by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.core().clock
    }

    /// How it enforces.
    #[must_use]
    pub fn policy(&self) -> &EnforcementPolicy {
        &self.core().policy
    }

    /// Ends every hold whose deadline has come ([`OwnedHold::with_deadline`]), each by its own policy and exactly once,
    /// whoever settles it meanwhile; how many it has ended. Only this, a [`Timekeeper`](crate::Timekeeper) and
    /// [`Enforcer::expire`], which does it among other things, end them: call one as often as a forgotten hold may be late. It
    /// costs a look at the earliest deadline where none has come.
    pub fn expire_holds(&self) -> u64 {
        self.expire_holds_at(self.core().clock.now())
    }

    /// [`Enforcer::expire_holds`] at a time that the caller has minted.
    pub fn expire_holds_at(&self, now: Timestamp) -> u64 {
        self.core().deadlines.expire(now, usize::MAX)
    }

    /// The earliest deadline of an open hold.
    #[must_use]
    pub fn next_hold_deadline(&self) -> Option<Timestamp> {
        self.core().deadlines.first()
    }

    /// How many open holds have a deadline.
    #[must_use]
    pub fn timed_hold_count(&self) -> u64 {
        self.core().deadlines.len()
    }

    /// How many events nobody heard of: more were to be told than may be
    /// ([`EnforcerBuilder::max_pending_events`]), or the sink panicked. Their numbers are missing in what was told.
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.core().telling.as_ref().map_or(0, |telling| telling.dropped())
    }

    /// How many demands wait: [`Execution::reserve_within`], [`Execution::wait_for`].
    #[must_use]
    pub fn waiting_count(&self) -> u64 {
        self.core().waiters.word().used(self.core().max_waiters)
    }

    /// How many executions are registered.
    #[must_use]
    pub fn execution_count(&self) -> u64 {
        self.core().executions.len()
    }

    /// How many tenants are known.
    #[must_use]
    pub fn tenant_count(&self) -> u64 {
        self.core().tenant_count()
    }

    /// Lets every tenant go that a fresh entry would decide like: nothing registered, no handle held, no limited budget
    /// used in this period. Returns what they had used. A full table does the same by itself, as far as it needs room.
    pub fn evict_idle_tenants(&self) -> Vec<TenantUsage> {
        let evicted = self.core().evict_all(self.core().clock.now());
        self.core().flush();
        evicted
    }
}

/// One that limits nothing, by the system's clock.
impl Default for Enforcer {
    fn default() -> Self {
        let (tenant, process) = (TenantPlan::default(), ProcessPlan::default());
        Self::builder().compiled(Plan::unlimited(), tenant, &process, RatePlan::default(), Allowances::default())
    }
}

impl fmt::Debug for Enforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enforcer")
            .field("executions", &self.execution_count())
            .field("tenants", &self.tenant_count())
            .field("clock", self.clock())
            .finish_non_exhaustive()
    }
}

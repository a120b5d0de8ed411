//! The engine: built once, asked by everyone.

use std::borrow::Cow;
use std::fmt;

use crate::allowance::{AllowanceKey, Allowances, UnknownAllowance};
use crate::clock::{Clock, Timestamp};
use crate::decision::{Cause, EnforcementResult, EnforcementViolation};
use crate::execution::Execution;
use crate::hold::{OwnedHold, Settlement};
use crate::id::{InvalidId, validate};
use crate::kernel::table::Rejected;
use crate::limits::{
    ConfigError, EnforcementPolicy, LongRunningExecutionPolicy, ProviderPolicy, RateLimit, ResourceLimits, TenantPolicy,
};
use crate::model::{ModelError, ModelKey};
use crate::network::NetworkPolicy;
use crate::plan::{Plan, Source};
use crate::provider::{ProviderError, ProviderKey};
use crate::rate_plan::RatePlan;
use crate::record::Record;
use crate::registry::{Caps, Core};
use crate::resource::{Actual, Demand};
use crate::snapshot::{Status, TenantUsage, UsageSnapshot};
use crate::sync::Arc;
use crate::tenant::TenantPlan;

/// Configures an [`Enforcer`]. What is not set limits nothing; only [`EnforcerBuilder::build`] validates.
#[derive(Debug, Clone)]
#[must_use = "nothing is enforced until it is built"]
pub struct EnforcerBuilder {
    limits: ResourceLimits,
    long_running: LongRunningExecutionPolicy,
    policy: EnforcementPolicy,
    tenant: TenantPolicy,
    provider: ProviderPolicy,
    network: NetworkPolicy,
    rates: Vec<RateLimit>,
    allowances: Vec<(String, u64)>,
    clock: Option<Clock>,
    caps: Caps,
}

impl EnforcerBuilder {
    /// Limits of every execution that brings none of its own; its `max_concurrent_executions` is every tenant's.
    /// Default: none.
    pub fn limits(self, limits: ResourceLimits) -> Self {
        Self { limits, ..self }
    }

    /// Long-running limits of every execution that brings none of its own. Default: none.
    pub fn long_running(self, long_running: LongRunningExecutionPolicy) -> Self {
        Self { long_running, ..self }
    }

    /// Warning threshold, grace and actions. Default: [`EnforcementPolicy::default`].
    pub fn policy(self, policy: EnforcementPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The budget of every tenant. Default: none.
    pub fn tenant(self, tenant: TenantPolicy) -> Self {
        Self { tenant, ..self }
    }

    /// The rates per minute of every provider. Default: none.
    pub fn provider(self, provider: ProviderPolicy) -> Self {
        Self { provider, ..self }
    }

    /// One rate more: of providers, of tenants with providers, or of models. At most eight rates of tokens may meet in
    /// one demand. Default: none.
    pub fn rate(mut self, rate: RateLimit) -> Self {
        self.rates.push(rate);
        self
    }

    /// Which hosts executions may reach: [`Execution::check_host`] tells. Default: [`NetworkPolicy::Open`].
    pub fn network(self, network: NetworkPolicy) -> Self {
        Self { network, ..self }
    }

    /// How many units every execution has of what goes by this name, such as calls of a tool; [`UNLIMITED`](crate::UNLIMITED)
    /// only counts. Children have their own. Of a name that is given twice, the later limit counts. Default: no allowances.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer};
    ///
    /// let enforcer = Enforcer::builder().allowance("web_search", 2).build()?;
    /// let search = enforcer.allowance("web_search")?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// drop(run.reserve(Demand::step().allowance(search))?);
    /// drop(run.reserve(Demand::step().allowance(search))?); // what has begun stays begun
    /// let refused = run.reserve(Demand::step().allowance(search)).unwrap_err();
    /// assert_eq!(refused.to_string(), "allowance_limit exceeded: 3 / 2 (150%)");
    /// assert_eq!(refused.allowance.and_then(|key| enforcer.allowance_name(key)), Some("web_search"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allowance(mut self, name: impl Into<String>, limit: u64) -> Self {
        self.allowances.push((name.into(), limit));
        self
    }

    #[cfg(feature = "policy-file")]
    fn allowances(mut self, named: impl IntoIterator<Item = (String, u64)>) -> Self {
        self.allowances.extend(named);
        self
    }

    /// Everything that a policy file says.
    #[cfg(feature = "policy-file")]
    pub fn policy_file(self, file: crate::policy_file::PolicyFile) -> Self {
        let crate::policy_file::PolicyFile {
            limits,
            long_running,
            enforcement,
            tenant,
            provider,
            rates,
            network,
            allowances,
        } = file;
        Self { rates, ..self }
            .limits(limits)
            .long_running(long_running)
            .policy(enforcement)
            .tenant(tenant)
            .provider(provider)
            .network(network)
            .allowances(allowances)
    }

    /// Where time comes from. Default: [`Clock::system`].
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// How many executions may be registered at a time. Default: 16,777,216.
    pub fn max_executions(self, max: u64) -> Self {
        Self { caps: Caps { executions: max, ..self.caps }, ..self }
    }

    /// How many tenants may be known at a time; one that decides like a fresh one makes room for another. Default:
    /// 1,048,576.
    pub fn max_tenants(self, max: u64) -> Self {
        Self { caps: Caps { tenants: max, ..self.caps }, ..self }
    }

    /// How many providers may be known. Default: 4,096.
    pub fn max_providers(self, max: u64) -> Self {
        Self { caps: Caps { providers: max, ..self.caps }, ..self }
    }

    /// How many models may be known. Default: 4,096.
    pub fn max_models(self, max: u64) -> Self {
        Self { caps: Caps { models: max, ..self.caps }, ..self }
    }

    /// How many holds may have a deadline at a time. Default: 1,048,576.
    pub fn max_timed_holds(self, max: u64) -> Self {
        Self { caps: Caps { timed_holds: max, ..self.caps }, ..self }
    }

    /// Validates everything and builds the engine.
    ///
    /// # Errors
    /// The first setting that makes no sense, and what would.
    ///
    /// ```
    /// use enforce_core::{Enforcer, LongRunningExecutionPolicy};
    ///
    /// let policy = LongRunningExecutionPolicy { max_same_step_repetitions: Some(1), ..Default::default() };
    /// let error = Enforcer::builder().long_running(policy).build().unwrap_err();
    /// assert_eq!(error.key, "max_same_step_repetitions");
    /// ```
    pub fn build(self) -> Result<Enforcer, ConfigError> {
        let plan = Plan::compile(self.source())?;
        let live = self.tenant.max_concurrent_executions.or(self.limits.max_concurrent_executions);
        let tenant = TenantPlan::compile(&self.tenant, live, &self.policy)?;
        let rates = RatePlan::compile(&self.provider, &self.rates)?;
        self.network.validate()?;
        let allowances = Allowances::compile(&self.allowances, &self.policy)?;
        Ok(self.compiled(plan, tenant, rates, allowances))
    }

    fn source(&self) -> Source {
        let Self { limits, long_running, policy, .. } = self.clone();
        Source { limits, long_running, policy: Arc::new(policy), slice: None }
    }

    fn compiled(self, plan: Plan, tenant: TenantPlan, rates: RatePlan, allowances: Allowances) -> Enforcer {
        let clock = self.clock.unwrap_or_default();
        let mut core = Core::new(clock, Arc::new(plan), tenant, rates, self.policy.actions.rate, self.caps);
        core.network = self.network;
        core.allowances = allowances;
        Enforcer(Arc::new(Owner { core: Arc::new(core) }))
    }
}

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
        EnforcerBuilder {
            limits: ResourceLimits::unlimited(),
            long_running: LongRunningExecutionPolicy::disabled(),
            policy: EnforcementPolicy::default(),
            tenant: TenantPolicy::default(),
            provider: ProviderPolicy::default(),
            network: NetworkPolicy::default(),
            rates: Vec::new(),
            allowances: Vec::new(),
            clock: None,
            caps: Caps::default(),
        }
    }

    fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// Begins to register an execution of `tenant` under `id`.
    pub fn execution<'a>(
        &'a self,
        id: impl Into<Cow<'a, str>>,
        tenant: impl Into<Cow<'a, str>>,
    ) -> ExecutionBuilder<'a> {
        ExecutionBuilder { enforcer: self, id: id.into(), tenant: tenant.into(), limits: None, long_running: None }
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
        self.known(id)?.into_reserved(demand, None)
    }

    /// [`Enforcer::reserve`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`Enforcer::reserve`].
    #[inline]
    pub fn reserve_at(&self, id: &str, demand: Demand, now: Timestamp) -> Result<OwnedHold, EnforcementViolation> {
        self.known(id)?.into_reserved(demand, Some(now))
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

    /// Gives one tenant limits of its own in place of every tenant's, from now on, whether it is known yet or not. What
    /// it has used stays; a raise is seen by the next attempt, and a limit below what is used leaves debt, which blocks
    /// (L1). A budget that it did not have counts from the next reservation on, and what holds taken before it use is
    /// recorded when they are settled. A budget whose period changes begins a new period.
    ///
    /// # Errors
    /// Limits that make no sense, or an id that is empty or too long; as many tenants with limits of their own as may be
    /// known. The old limits stay.
    ///
    /// ```
    /// use enforce_core::{Enforcer, RegisterError, TenantPolicy};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// enforcer.set_tenant("tenant_a", TenantPolicy { max_concurrent_executions: Some(0), ..Default::default() })?;
    /// assert!(matches!(enforcer.execution("exec_1", "tenant_a").register(), Err(RegisterError::Refused(_))));
    /// assert!(enforcer.execution("exec_2", "tenant_b").register().is_ok());
    /// assert!(enforcer.set_tenant("", TenantPolicy::default()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_tenant(&self, tenant: &str, policy: TenantPolicy) -> Result<(), ConfigError> {
        validate("tenant id", tenant)
            .map_err(|error| ConfigError::new("tenant", error.to_string(), "write an id of 1 to 128 bytes"))?;
        let plan = TenantPlan::compile(&policy, policy.max_concurrent_executions, self.policy())?;
        if !self.core().set_tenant(tenant, Some(plan), self.core().clock.now()) {
            return Err(ConfigError::new(
                "tenant",
                "as many tenants have limits of their own as may",
                "raise max_tenants",
            ));
        }
        Ok(())
    }

    /// Gives one tenant every tenant's limits again, as [`Enforcer::set_tenant`] does.
    pub fn reset_tenant(&self, tenant: &str) {
        let _set = self.core().set_tenant(tenant, None, self.core().clock.now());
    }

    /// How many of its slots a tenant's executions occupy: registered, neither halted nor ended. 0 for a tenant that is
    /// not known. Unlike [`Enforcer::tenant_usage`] it walks nothing.
    #[must_use]
    pub fn live_executions(&self, tenant: &str) -> u64 {
        self.core().tenant(tenant).map_or(0, |tenant| tenant.live_count())
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
        let number = rates.providers.resolve("provider", name, |name| rates.provider(name))?;
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
        let number = rates.models.resolve("model", name, |name| rates.model(name))?;
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
        &self.core().plan.source.policy
    }

    /// Ends every hold whose deadline has come ([`OwnedHold::with_deadline`]), each by its own policy and exactly once,
    /// whoever settles it meanwhile; how many it has ended. Nothing else ends them: call it as often as a forgotten hold
    /// may be late. It costs a look at the earliest deadline where none has come.
    pub fn expire_holds(&self) -> u64 {
        self.expire_holds_at(self.core().clock.now())
    }

    /// [`Enforcer::expire_holds`] at a time that the caller has minted.
    pub fn expire_holds_at(&self, now: Timestamp) -> u64 {
        self.core().deadlines.expire(now)
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
        self.core().evict_all(self.core().clock.now())
    }
}

/// One that limits nothing, by the system's clock.
impl Default for Enforcer {
    fn default() -> Self {
        Self::builder().compiled(Plan::unlimited(), TenantPlan::unlimited(), RatePlan::default(), Allowances::default())
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

/// Registers one execution.
#[derive(Debug)]
#[must_use = "nothing is registered until `register`"]
pub struct ExecutionBuilder<'a> {
    enforcer: &'a Enforcer,
    id: Cow<'a, str>,
    tenant: Cow<'a, str>,
    limits: Option<ResourceLimits>,
    long_running: Option<LongRunningExecutionPolicy>,
}

/// Why an execution was not registered. Nothing is left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The execution's or the tenant's id is empty or too long.
    InvalidId(InvalidId),
    /// The id belongs to an execution that has not ended.
    Duplicate {
        /// The id.
        id: String,
    },
    /// A table holds as many entries as it may.
    Full {
        /// Which: `executions` or `tenants`.
        table: &'static str,
    },
    /// The tenant has no room for another live execution.
    Refused(EnforcementViolation),
    /// The execution's own limits make no sense.
    Config(ConfigError),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidId(error) => error.fmt(f),
            Self::Duplicate { id } => write!(f, "execution {id:?} is registered already; finish it first"),
            Self::Full { table } => write!(f, "the table of {table} is full; finish some or raise max_{table}"),
            Self::Refused(violation) => violation.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RegisterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InvalidId(error) => Some(error),
            Self::Refused(violation) => Some(violation),
            Self::Config(error) => Some(error),
            Self::Duplicate { .. } | Self::Full { .. } => None,
        }
    }
}

impl ExecutionBuilder<'_> {
    /// Its own limits, in place of the enforcer's. `max_concurrent_executions` is the tenant's and is not looked at
    /// here. Default: the enforcer's.
    pub fn limits(self, limits: ResourceLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Its own long-running limits, in place of the enforcer's. Default: the enforcer's.
    pub fn long_running(self, long_running: LongRunningExecutionPolicy) -> Self {
        Self { long_running: Some(long_running), ..self }
    }

    /// Takes the tenant's slot and registers it, or says why not.
    ///
    /// # Errors
    /// An id that is empty or longer than 128 bytes; an id that is registered already; limits that make no sense; a
    /// tenant that has no slot left; a full table. Nothing is left behind.
    ///
    /// ```
    /// use enforce_core::{Enforcer, RegisterError, ResourceLimits, Retry};
    ///
    /// let limits = ResourceLimits { max_concurrent_executions: Some(1), ..ResourceLimits::unlimited() };
    /// let enforcer = Enforcer::builder().limits(limits).build()?;
    /// let first = enforcer.execution("exec_1", "tenant_a").register()?;
    /// let Err(RegisterError::Refused(violation)) = enforcer.execution("exec_2", "tenant_a").register() else {
    ///     panic!("a second slot was given out")
    /// };
    /// assert_eq!((violation.to_string().as_str(), violation.retry),
    ///            ("concurrency_limit exceeded: 2 / 1 (200%)", Retry::WhenFreed));
    /// first.finish();
    /// assert!(enforcer.execution("exec_2", "tenant_a").register().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register(self) -> Result<Execution, RegisterError> {
        let now = self.enforcer.core().clock.now();
        self.register_at(now)
    }

    /// [`ExecutionBuilder::register`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`ExecutionBuilder::register`].
    pub fn register_at(self, now: Timestamp) -> Result<Execution, RegisterError> {
        let core = self.enforcer.core();
        validate("execution id", &self.id).map_err(RegisterError::InvalidId)?;
        validate("tenant id", &self.tenant).map_err(RegisterError::InvalidId)?;
        let plan = self.plan().map_err(RegisterError::Config)?;
        let tenant = core.attach(&self.tenant, now).ok_or(RegisterError::Full { table: "tenants" })?;
        // From here on the record holds the attachment and gives it back, whatever comes.
        let record = Record::new(&self.id, Arc::clone(&tenant), plan, None, now);
        let execution = Execution::from_record(record);
        tenant
            .join(&execution, |live| core.executions.register(Some(live), execution.clone()))
            .map(|()| execution)
            .map_err(|rejected| match rejected {
                Rejected::Duplicate => RegisterError::Duplicate { id: self.id.into_owned() },
                // Never closed as long as there is an enforcer.
                Rejected::Full | Rejected::Closed => RegisterError::Full { table: "executions" },
                Rejected::NoSlot => RegisterError::Refused(tenant.no_slot()),
            })
    }

    fn plan(&self) -> Result<Arc<Plan>, ConfigError> {
        let shared = &self.enforcer.core().plan;
        if self.limits.is_none() && self.long_running.is_none() {
            return Ok(Arc::clone(shared));
        }
        let mut source = shared.source.clone();
        if let Some(limits) = &self.limits {
            source.limits = limits.clone();
        }
        if let Some(long_running) = &self.long_running {
            source.long_running = long_running.clone();
        }
        Plan::compile(source).map(Arc::new)
    }
}

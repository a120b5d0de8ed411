//! Configuring an engine.

use std::fmt;

use crate::allowance::Allowances;
use crate::clock::Clock;
use crate::enforcer::Enforcer;
use crate::event::EventSink;
use crate::limits::{
    ConfigError, EnforcementPolicy, LongRunningExecutionPolicy, ProcessPolicy, ProviderPolicy, RateLimit,
    ResourceLimits, TenantPolicy,
};
use crate::network::NetworkPolicy;
use crate::plan::{Plan, Source};
use crate::process::ProcessPlan;
use crate::rate_plan::RatePlan;
use crate::registry::{Caps, Core};
use crate::sync::Arc;
use crate::telling::Telling;
use crate::tenant::TenantPlan;

/// Configures an [`Enforcer`]. What is not set limits nothing; only [`EnforcerBuilder::build`] validates.
#[derive(Debug, Clone)]
#[must_use = "nothing is enforced until it is built"]
pub struct EnforcerBuilder {
    limits: ResourceLimits,
    long_running: LongRunningExecutionPolicy,
    policy: EnforcementPolicy,
    tenant: TenantPolicy,
    process: ProcessPolicy,
    provider: ProviderPolicy,
    network: NetworkPolicy,
    rates: Vec<RateLimit>,
    allowances: Vec<(String, u64)>,
    clock: Option<Clock>,
    caps: Caps,
    sink: Option<Sink>,
}

/// Whose it is shows nothing.
#[derive(Clone)]
struct Sink(Arc<dyn EventSink>);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

impl EnforcerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            limits: ResourceLimits::unlimited(),
            long_running: LongRunningExecutionPolicy::disabled(),
            policy: EnforcementPolicy::default(),
            tenant: TenantPolicy::default(),
            process: ProcessPolicy::default(),
            provider: ProviderPolicy::default(),
            network: NetworkPolicy::default(),
            rates: Vec::new(),
            allowances: Vec::new(),
            clock: None,
            caps: Caps::default(),
            sink: None,
        }
    }

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

    /// The budgets of every tenant. Default: none.
    pub fn tenant(self, tenant: TenantPolicy) -> Self {
        Self { tenant, ..self }
    }

    /// What all tenants may use together. Default: anything.
    ///
    /// ```
    /// use enforce_core::{Budget, BudgetAmount, BudgetPeriod, Demand, Enforcer, ProcessPolicy, ScopeKind};
    ///
    /// let tokens = Budget::new(BudgetAmount::Tokens(1_000), BudgetPeriod::Day);
    /// let process = ProcessPolicy { max_concurrent_executions: Some(2), budgets: vec![tokens] };
    /// let enforcer = Enforcer::builder().process(process).build()?;
    /// let [a, b] = ["tenant_a", "tenant_b"].map(|tenant| enforcer.execution(tenant, tenant).register());
    /// let (a, b) = (a?, b?);
    /// let _hold = a.reserve(Demand::step().tokens(600, 0))?;
    /// let refused = b.reserve(Demand::step().tokens(600, 0)).unwrap_err();
    /// assert_eq!((refused.scope, refused.remaining), (ScopeKind::Process, 400));
    /// assert!(enforcer.execution("exec_3", "tenant_c").register().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process(self, process: ProcessPolicy) -> Self {
        Self { process, ..self }
    }

    /// The rates per minute of every provider. Default: none.
    pub fn provider(self, provider: ProviderPolicy) -> Self {
        Self { provider, ..self }
    }

    /// One rate more: of providers, of tenants with providers, or of models. At most six rates of tokens may meet in
    /// one demand. Default: none.
    pub fn rate(mut self, rate: RateLimit) -> Self {
        self.rates.push(rate);
        self
    }

    /// Which hosts executions may reach: [`crate::Execution::check_host`] tells. Default: [`NetworkPolicy::Open`].
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
            process,
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
            .process(process)
            .provider(provider)
            .network(network)
            .allowances(allowances)
    }

    /// Where time comes from. Default: [`Clock::system`].
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// How many executions may be registered at a time, 2^32 − 1 at most. Default: 16,777,216.
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

    /// How many demands may wait at a time; one more is refused as if it did not wait. Default: 1,048,576.
    pub fn max_waiters(self, max: u64) -> Self {
        Self { caps: Caps { waiters: max, ..self.caps }, ..self }
    }

    /// Who hears of every event: blocks, warnings, halts, pauses and what else happens. Which of them are told,
    /// [`EnforcementPolicy::emit_warning_events`] and [`EnforcementPolicy::emit_block_events`] say. Default: nobody, and then
    /// nothing is kept for it.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, Event, EventKind, ResourceLimits};
    ///
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let log = |event: &Event| {
    ///     if let EventKind::Blocked { violation } = &event.kind {
    ///         eprintln!("{}: {violation}", event.execution_id.as_deref().unwrap_or("?"));
    ///     }
    /// };
    /// let enforcer = Enforcer::builder().limits(limits).events(log).build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// assert!(run.reserve(Demand::step().tokens(2_000, 0)).is_err()); // exec_1: token_limit exceeded: 2000 / 1000 (200%)
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(self, sink: impl EventSink) -> Self {
        Self { sink: Some(Sink(Arc::new(sink))), ..self }
    }

    /// How many events may wait while a sink is busy; what comes then is dropped and counted
    /// ([`Enforcer::dropped_events`]). Default: 65,536.
    pub fn max_pending_events(self, max: u64) -> Self {
        Self { caps: Caps { events: max, ..self.caps }, ..self }
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
        let process = ProcessPlan::compile(&self.process, &self.policy)?;
        let rates = RatePlan::compile(&self.provider, &self.rates)?;
        self.network.validate()?;
        let allowances = Allowances::compile(&self.allowances, &self.policy)?;
        Ok(self.compiled(plan, tenant, &process, rates, allowances))
    }

    fn source(&self) -> Source {
        let Self { limits, long_running, policy, .. } = self.clone();
        Source { limits, long_running, policy: Arc::new(policy), slice: None }
    }

    pub(crate) fn compiled(
        self,
        plan: Plan,
        tenant: TenantPlan,
        process: &ProcessPlan,
        rates: RatePlan,
        allowances: Allowances,
    ) -> Enforcer {
        let clock = self.clock.unwrap_or_default();
        let mut core = Core::new(clock, Arc::new(plan), tenant, process, rates, self.policy.actions.rate, self.caps);
        core.set_network(self.network);
        core.allowances = allowances;
        core.telling = self.sink.map(|Sink(sink)| Box::new(Telling::new(sink, &self.policy, self.caps.events)));
        Enforcer::over(core)
    }
}

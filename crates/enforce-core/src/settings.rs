//! Changing limits while they are in use: those of all executions, tenants and rates. One execution's are changed through
//! its handle.

use crate::clock::Timestamp;
use crate::enforcer::Enforcer;
use crate::id::validate;
use crate::limits::{
    ConfigError, LongRunningExecutionPolicy, ProcessPolicy, ProviderPolicy, RateLimit, ResourceLimits, TenantPolicy,
};
use crate::network::NetworkPolicy;
use crate::plan::{Plan, Source};
use crate::process::ProcessPlan;
use crate::rate_plan::RatePlan;
use crate::tenant::TenantPlan;

impl Enforcer {
    /// Gives one tenant limits of its own in place of every tenant's, from now on, whether it is known yet or not. What
    /// it has used stays; a raise is seen by the next attempt, and a limit below what is used leaves debt, which blocks
    /// (L1). A budget that it did not have counts from the next reservation on, and what holds taken before it use is
    /// recorded when they are settled. One that is left out limits no more, and goes on where it was should it come back
    /// within its period. A budget whose period or offset changes is a new one.
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

    /// Replaces the limits of every tenant that has none of its own, known by now or not, as [`Enforcer::set_tenant`] does for
    /// one of them. Walks the tenants.
    ///
    /// # Errors
    /// Limits that make no sense; the old ones stay.
    ///
    /// ```
    /// use enforce_core::{Enforcer, RegisterError, TenantPolicy};
    ///
    /// let limits = |slots| TenantPolicy { max_concurrent_executions: Some(slots), ..TenantPolicy::default() };
    /// let enforcer = Enforcer::builder().build()?;
    /// enforcer.set_tenant("tenant_a", limits(5))?;
    /// enforcer.set_every_tenant(&limits(0))?;
    /// assert!(enforcer.execution("exec_1", "tenant_a").register().is_ok());
    /// assert!(matches!(enforcer.execution("exec_2", "tenant_b").register(), Err(RegisterError::Refused(_))));
    /// assert!(enforcer.set_every_tenant(&limits(u64::MAX)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_every_tenant(&self, policy: &TenantPolicy) -> Result<(), ConfigError> {
        let plan = TenantPlan::compile(policy, policy.max_concurrent_executions, self.policy())?;
        self.core().set_every_tenant(plan, self.core().clock.now());
        Ok(())
    }

    /// Gives one tenant every tenant's limits again, as [`Enforcer::set_tenant`] does.
    pub fn reset_tenant(&self, tenant: &str) {
        let _set = self.core().set_tenant(tenant, None, self.core().clock.now());
    }

    /// Replaces what all tenants may use together, as [`Enforcer::set_tenant`] does for one of them. Walks the executions.
    ///
    /// # Errors
    /// Limits that make no sense. The old limits stay.
    ///
    /// ```
    /// use enforce_core::{Enforcer, ProcessPolicy, RegisterError, ScopeKind};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// enforcer.set_process(&ProcessPolicy { max_concurrent_executions: Some(0), ..Default::default() })?;
    /// let Err(RegisterError::Refused(refused)) = enforcer.execution("exec_1", "tenant_a").register() else {
    ///     panic!("a slot was given out")
    /// };
    /// assert_eq!(refused.scope, ScopeKind::Process);
    /// let absurd = ProcessPolicy { max_concurrent_executions: Some(u64::MAX), ..Default::default() };
    /// assert!(enforcer.set_process(&absurd).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_process(&self, policy: &ProcessPolicy) -> Result<(), ConfigError> {
        let plan = ProcessPlan::compile(policy, self.policy())?;
        self.core().set_process(&plan, self.core().clock.now());
        Ok(())
    }

    /// Replaces all rates, of providers, of tenants with them and of models, while it runs. Of a rate that changes, what has
    /// not drained stays: as many units as were on their way are so still, at the new pace (L1). Holds that were admitted
    /// by the old one give it nothing back when they are settled; what they use above their hold is charged to the new one.
    /// A provider or model whose own rates stay the same notices nothing, and what it leaves to be given back stays. Walks the tenants and
    /// the executions.
    ///
    /// # Errors
    /// Rates that make no sense; the old ones stay.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, ProviderPolicy};
    ///
    /// let rates = |limit| ProviderPolicy { requests_per_minute: Some(limit), ..ProviderPolicy::default() };
    /// let enforcer = Enforcer::builder().provider(rates(2)).build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// let demand = Demand::step().provider(enforcer.provider("anthropic")?);
    /// drop(run.reserve(demand)?);
    /// enforcer.set_rates(&rates(1), &[])?;
    /// assert!(run.reserve(demand).is_err()); // the one that it had counts
    /// assert!(enforcer.set_rates(&rates(u64::MAX), &[]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_rates(&self, provider: &ProviderPolicy, rates: &[RateLimit]) -> Result<(), ConfigError> {
        self.change_rates(RatePlan::compile(provider, rates)?, self.core().clock.now());
        Ok(())
    }

    /// Replaces the limits of executions that are registered from here on and bring none of their own; what is running keeps
    /// what it has ([`Execution::set_limits`](crate::Execution::set_limits) changes that). `max_concurrent_executions` is the tenants' and is not looked at.
    ///
    /// # Errors
    /// Limits that make no sense; the old ones stay.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, LongRunningExecutionPolicy, ResourceLimits};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let steps = |max_steps| ResourceLimits { max_steps, ..ResourceLimits::unlimited() };
    /// let disabled = LongRunningExecutionPolicy::disabled();
    /// enforcer.set_defaults(steps(0), disabled.clone())?;
    /// assert!(enforcer.execution("exec_1", "tenant_a").register()?.reserve(Demand::step()).is_err());
    /// assert!(enforcer.set_defaults(steps(u64::MAX - 1), disabled).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_defaults(
        &self,
        limits: ResourceLimits,
        long_running: LongRunningExecutionPolicy,
    ) -> Result<(), ConfigError> {
        let source = Source { limits, long_running, ..self.core().plan().source.clone() };
        self.core().set_plan(&Plan::compile(source)?);
        Ok(())
    }

    /// Replaces the network policy, from the next [`Execution::check_host`](crate::Execution::check_host) on.
    ///
    /// # Errors
    /// A policy that makes no sense; the old one stays.
    ///
    /// ```
    /// use enforce_core::{Enforcer, NetworkPolicy};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// assert!(run.check_host("api.example.com").is_ok());
    /// enforcer.set_network(NetworkPolicy::AirGapped)?;
    /// assert!(run.check_host("api.example.com").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_network(&self, network: NetworkPolicy) -> Result<(), ConfigError> {
        network.validate()?;
        self.core().set_network(network);
        Ok(())
    }

    /// Replaces everything that a policy file says and that can change while it runs: limits of executions to come, of every
    /// tenant and of the process, rates, and the network policy. All of it is validated before any of it is changed. As in
    /// [`EnforcerBuilder::policy_file`](crate::EnforcerBuilder::policy_file), a tenant without a limit of its own on live
    /// executions has the one of `[limits]`. Costs what the single setters cost.
    ///
    /// # Errors
    /// Limits that make no sense, and another `[enforcement]`, `[actions]` or `[allowances]` than it was built with, which
    /// cannot change while it runs; everything stays as it was.
    ///
    /// ```
    /// use enforce_core::{Enforcer, PolicyFile};
    ///
    /// let enforcer = Enforcer::builder().policy_file(PolicyFile::parse("[limits]\nmax_steps = 5")?).build()?;
    /// enforcer.set_policy_file(&PolicyFile::parse("[limits]\nmax_steps = 7\n[provider]\nrequests_per_minute = 60")?)?;
    /// let error = enforcer.set_policy_file(&PolicyFile::parse("[actions]\nsteps = \"refuse\"")?).unwrap_err();
    /// assert_eq!(error.key, "enforcement");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "policy-file")]
    pub fn set_policy_file(&self, file: &crate::policy_file::PolicyFile) -> Result<(), ConfigError> {
        let fixed =
            |key, what: &str| Err(ConfigError::new(key, format!("{what} cannot change while it runs"), "build anew"));
        let core = self.core();
        if file.enforcement != *self.policy() {
            return fixed("enforcement", "when to warn and what happens at a limit");
        }
        if !core.allowances.are(&file.allowances, self.policy())? {
            return fixed("allowances", "their names and limits");
        }
        let (limits, long_running) = (file.limits.clone(), file.long_running.clone());
        let live = file.tenant.max_concurrent_executions.or(limits.max_concurrent_executions);
        let plan = Plan::compile(Source { limits, long_running, ..core.plan().source.clone() })?;
        let tenant = TenantPlan::compile(&file.tenant, live, self.policy())?;
        let process = ProcessPlan::compile(&file.process, self.policy())?;
        let rates = RatePlan::compile(&file.provider, &file.rates)?;
        file.network.validate()?;
        let now = core.clock.now();
        core.set_plan(&plan);
        core.set_every_tenant(tenant, now);
        core.set_process(&process, now);
        self.change_rates(rates, now);
        core.set_network(file.network.clone());
        Ok(())
    }

    fn change_rates(&self, plan: RatePlan, now: Timestamp) {
        let core = self.core();
        if !core.rates.change(plan, now.nanos_since(core.epoch), || core.tenants().collect()) {
            return;
        }
        // Whoever waits for a rate looks at the new ones (W1).
        for execution in core.executions.entries() {
            execution.record().call_waiters();
        }
        core.flush();
    }
}

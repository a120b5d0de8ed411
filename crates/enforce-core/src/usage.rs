//! The live usage of an execution, under the names that the seed gave it.

use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::decision::EnforcementViolation;
use crate::execution::{Execution, depth_violation};
use crate::hold::Settlement;
use crate::id::{ExecutionId, TenantId};
use crate::limits::Action;
use crate::money::{MoneyError, NanoUsd};
use crate::plan::Plan;
use crate::process::ProcessPlan;
use crate::rate_plan::RatePlan;
use crate::registry::{Caps, Core};
use crate::resource::{Actual, Resource};
use crate::snapshot::UsageSnapshot;
use crate::sync::Arc;
use crate::tenant::TenantPlan;

/// The live usage of one execution: reads and records, over the very state that [`Execution`] decides by. As cheap to
/// make and to clone as a handle.
///
/// The `record_*` methods record what happened without having been asked, as [`Execution::charge`] does; they return
/// nothing, and their `try_record_*` twins return what they did or the error.
#[derive(Debug, Clone)]
pub struct ExecutionUsage(Execution);

impl From<Execution> for ExecutionUsage {
    fn from(execution: Execution) -> Self {
        Self(execution)
    }
}

impl ExecutionUsage {
    /// Usage that is registered nowhere and limited by nothing.
    #[must_use]
    pub fn new(execution_id: ExecutionId, tenant_id: TenantId) -> Self {
        let core = Arc::new(Core::new(
            Clock::system(),
            Arc::new(Plan::unlimited()),
            TenantPlan::default(),
            &ProcessPlan::default(),
            RatePlan::default(),
            Action::Refuse,
            Caps::default(),
        ));
        // Registered nowhere, and so what is below it is, too.
        core.executions.close();
        let tenant = core.fresh_tenant(tenant_id.as_str(), core.epoch);
        let (plan, now) = (core.plan(), core.epoch);
        Self(Execution::new(execution_id.as_str(), tenant, plan, None, now))
    }

    /// The handle of the execution.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        &self.0
    }

    /// Which execution.
    #[must_use]
    pub fn execution_id(&self) -> &ExecutionId {
        self.0.record().id()
    }

    /// Whose.
    #[must_use]
    pub fn tenant_id(&self) -> &TenantId {
        self.0.record().tenant.id()
    }

    /// When it was registered.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.0.started_at()
    }

    /// Records a step that has begun.
    pub fn record_step(&self) {
        self.0.charge(Actual::none().steps(1));
    }

    /// Records a discovered step that has begun.
    pub fn record_discovered_step(&self) {
        self.0.charge(Actual::none().discovered_steps(1));
    }

    /// Records tokens used.
    pub fn record_tokens(&self, input: u64, output: u64) {
        self.0.charge(Actual::tokens(input, output));
    }

    /// Records money spent, exactly.
    pub fn record_cost(&self, cost: NanoUsd) -> Settlement {
        self.0.charge(Actual::none().cost(cost))
    }

    /// Records dollars spent, to the nano-dollar. NaN, infinities and negative amounts record nothing: use
    /// [`ExecutionUsage::try_record_cost_usd`] to be told.
    pub fn record_cost_usd(&self, cost_usd: f64) {
        let _refused = self.try_record_cost_usd(cost_usd).err();
    }

    /// Records dollars spent, to the nano-dollar.
    ///
    /// # Errors
    /// A cost that is NaN, infinite, negative or too large; nothing is recorded.
    ///
    /// ```
    /// use enforce_core::{ExecutionId, ExecutionUsage, TenantId};
    ///
    /// let usage = ExecutionUsage::new(ExecutionId::new(), TenantId::new());
    /// assert!(usage.try_record_cost_usd(f64::NAN).is_err());
    /// usage.try_record_cost_usd(0.004)?;
    /// assert_eq!(usage.cost_nano_usd(), 4_000_000);
    /// # Ok::<(), enforce_core::MoneyError>(())
    /// ```
    pub fn try_record_cost_usd(&self, cost_usd: f64) -> Result<Settlement, MoneyError> {
        NanoUsd::try_from(cost_usd).map(|cost| self.record_cost(cost))
    }

    /// One discovery deeper; at the limit it stays where it is: use
    /// [`ExecutionUsage::try_push_discovery_depth`] to be told.
    pub fn push_discovery_depth(&self) {
        let _refused = self.try_push_discovery_depth().err();
    }

    /// One discovery deeper.
    ///
    /// # Errors
    /// `discovery_depth_limit` if that would be too deep; the depth is unchanged, so it must not be popped.
    ///
    /// ```
    /// use enforce_core::{Enforcer, ExecutionUsage, LongRunningExecutionPolicy};
    ///
    /// let policy = LongRunningExecutionPolicy { max_discovery_depth: Some(0), ..Default::default() };
    /// let run = Enforcer::builder().long_running(policy).build()?.execution("exec_1", "tenant_a").register()?;
    /// assert!(ExecutionUsage::from(run).try_push_discovery_depth().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_discovery_depth(&self) -> Result<(), EnforcementViolation> {
        let plan = self.0.record().plan();
        let limit = plan.depth_limit.filter(|_| plan.depth_action != Action::Observe).unwrap_or(u64::MAX);
        self.0.record().hot.depth.push(limit).map(|_| ()).map_err(|depth| depth_violation(depth, limit))
    }

    /// One discovery up again; at depth 0 nothing happens.
    pub fn pop_discovery_depth(&self) {
        self.0.record().hot.depth.pop();
    }

    /// Says that it is not idle. Says nothing to an execution that is barred.
    pub fn touch(&self) {
        let _barred = self.0.touch().err();
    }

    /// Steps begun.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.0.record().committed_of(Resource::Steps)
    }

    /// Discovered steps begun.
    #[must_use]
    pub fn discovered_step_count(&self) -> u64 {
        self.0.record().committed_of(Resource::DiscoveredSteps)
    }

    /// Open discoveries inside each other.
    #[must_use]
    pub fn current_discovery_depth(&self) -> u64 {
        self.0.record().hot.depth.read().0
    }

    /// The most that were ever open inside each other.
    #[must_use]
    pub fn max_discovery_depth_reached(&self) -> u64 {
        self.0.record().hot.depth.read().1
    }

    /// Tokens committed, input and output together.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.0.record().committed_of(Resource::Tokens)
    }

    /// Tokens used: committed, and set aside by open holds.
    #[must_use]
    pub fn used_tokens(&self) -> u64 {
        self.0.record().used(Resource::Tokens)
    }

    /// Nano-dollars committed, exactly.
    #[must_use]
    pub fn cost_nano_usd(&self) -> u64 {
        self.0.record().committed_of(Resource::Cost)
    }

    /// Nano-dollars used: committed, and set aside by open holds.
    #[must_use]
    pub fn used_nano_usd(&self) -> u64 {
        self.0.record().used(Resource::Cost)
    }

    /// Whether a hold is open, which is no idleness. One that sets nothing aside is seen only where idleness is
    /// limited.
    #[must_use]
    pub fn has_open_holds(&self) -> bool {
        self.0.record().has_open_holds()
    }

    /// Dollars committed, for display; rounded to a float.
    #[must_use]
    pub fn cost_usd(&self) -> f64 {
        NanoUsd::new(self.cost_nano_usd()).unwrap_or(NanoUsd::MAX).to_f64()
    }

    /// Time since registration.
    #[must_use]
    pub fn wall_time(&self) -> Duration {
        let record = self.0.record();
        Duration::from_nanos(record.core().clock.now().nanos_since(record.started))
    }

    /// Milliseconds since registration.
    #[must_use]
    pub fn wall_time_ms(&self) -> u64 {
        u64::try_from(self.wall_time().as_millis()).unwrap_or(u64::MAX)
    }

    /// Time since the last activity. Activity is kept only where idleness is limited, and otherwise stands at
    /// registration and touches.
    #[must_use]
    pub fn idle_duration(&self) -> Duration {
        let record = self.0.record();
        let now = record.core().clock.now().nanos_since(record.core().epoch);
        Duration::from_nanos(record.hot.activity.see().idle_at(now))
    }

    /// Whole seconds since the last activity, as in [`ExecutionUsage::idle_duration`].
    #[must_use]
    pub fn idle_seconds(&self) -> u64 {
        self.idle_duration().as_secs()
    }
}

impl From<&ExecutionUsage> for UsageSnapshot {
    fn from(usage: &ExecutionUsage) -> Self {
        usage.0.snapshot()
    }
}

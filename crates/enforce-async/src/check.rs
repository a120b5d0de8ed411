//! Asking, by id, about limits that are passed along.

use enforce_core::{
    EnforcementResult, ExecutionId, ExecutionUsage, LongRunningExecutionPolicy, ResourceLimits, Retry, ScopeKind,
    TenantId, UNLIMITED, ViolationType,
};

use crate::judge::{Question, first, when_freed};
use crate::middleware::EnforcementMiddleware;

/// Checks. They answer for the state of the execution (unknown, halted, paused or ended: blocked) and for exactly the
/// limits that are passed, whatever limits it was registered with, and change nothing.
///
/// **Advisory.** Between the answer and what is recorded upon it, any number of others may get the same answer:
/// [`EnforcementMiddleware::reserve`] on an execution that was registered with its limits has no such gap.
///
/// An execution that is not registered is blocked with `unknown_execution`, unless
/// [`EnforcementMiddleware::allowing_unknown_executions`] says otherwise. A limit of 0 allows nothing, `None` and
/// [`UNLIMITED`] limit nothing. A limit whose action is *observe* blocks nothing and reports as a warning what it would
/// have blocked. Cancel safe: they change nothing.
impl EnforcementMiddleware {
    /// Whether one more step fits `max_steps`.
    pub async fn check_step_allowed(&self, execution_id: &ExecutionId, limits: &ResourceLimits) -> EnforcementResult {
        self.ask(execution_id, |usage| self.steps(usage, limits))
    }

    /// Whether `additional_tokens` fit `max_tokens`, beside what is committed and what open holds have set aside.
    pub async fn check_tokens_allowed(
        &self,
        execution_id: &ExecutionId,
        limits: &ResourceLimits,
        additional_tokens: u64,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| self.tokens(usage, limits, additional_tokens))
    }

    /// Whether less time has passed since registration than `max_wall_time_ms` and the policy's grace together. Warns
    /// from the threshold of the limit without grace.
    pub async fn check_wall_time_allowed(
        &self,
        execution_id: &ExecutionId,
        limits: &ResourceLimits,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| self.wall_time(usage, limits))
    }

    /// Whether one more execution of the tenant fits `max_concurrent_executions`: halted and ended ones no longer count.
    /// Never warns, as in the seed. A tenant that is not known has none.
    ///
    /// Exact only where the limit is the enforcer's own: then registering holds to it.
    pub async fn check_concurrency_allowed(&self, tenant_id: &TenantId, limits: &ResourceLimits) -> EnforcementResult {
        let Some(limit) = limits.max_concurrent_executions else { return EnforcementResult::Allowed };
        let policy = self.enforcer.policy();
        let live = self.enforcer.live_executions(tenant_id.as_str());
        let question = Question::own(ViolationType::ConcurrencyLimit, policy.actions.concurrency, live, 1, limit);
        Question { scope: ScopeKind::Tenant, retry: when_freed(0, 1, limit), ..question }.level(policy)
    }

    /// Wall time, then steps, then tokens: the first that blocks, else the first that warns.
    ///
    /// The seed's scope: `max_memory_mb` and `max_cost_usd` are held to by [`EnforcementMiddleware::reserve`] on an
    /// execution that was registered with them.
    pub async fn check_all_limits(&self, execution_id: &ExecutionId, limits: &ResourceLimits) -> EnforcementResult {
        self.ask(execution_id, |usage| {
            first([self.wall_time(usage, limits), self.steps(usage, limits), self.tokens(usage, limits, 0)])
        })
    }

    /// Whether one more discovered step fits `max_discovered_steps`.
    pub async fn check_discovered_step_limit(
        &self,
        execution_id: &ExecutionId,
        policy: &LongRunningExecutionPolicy,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| self.discovered_steps(usage, policy))
    }

    /// Whether one level deeper fits `max_discovery_depth`. Never warns.
    pub async fn check_discovery_depth_limit(
        &self,
        execution_id: &ExecutionId,
        policy: &LongRunningExecutionPolicy,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| self.discovery_depth(usage, policy))
    }

    /// Whether less money is committed than `cost_alert_threshold_usd`, to the nano-dollar. A violation counts
    /// nano-dollars and asks for an approval. Warns by what is committed and set aside together.
    pub async fn check_cost_threshold(
        &self,
        execution_id: &ExecutionId,
        policy: &LongRunningExecutionPolicy,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| self.cost(usage, policy))
    }

    /// Whether the last activity is less than `idle_timeout_seconds` ago. An execution with an open hold is not idle.
    pub async fn check_idle_timeout(
        &self,
        execution_id: &ExecutionId,
        policy: &LongRunningExecutionPolicy,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| self.idle(usage, policy))
    }

    /// Cost, then depth, then discovered steps, then idleness: the first that blocks, else the first that warns.
    ///
    /// The seed's scope: repeated steps are seen by [`EnforcementMiddleware::reserve`] with
    /// [`Demand::fingerprint`](enforce_core::Demand::fingerprint).
    pub async fn check_long_running_limits(
        &self,
        execution_id: &ExecutionId,
        policy: &LongRunningExecutionPolicy,
    ) -> EnforcementResult {
        self.ask(execution_id, |usage| {
            first([
                self.cost(usage, policy),
                self.discovery_depth(usage, policy),
                self.discovered_steps(usage, policy),
                self.idle(usage, policy),
            ])
        })
    }

    /// What `answer` says of an execution that is known and live.
    fn ask(
        &self,
        execution_id: &ExecutionId,
        answer: impl FnOnce(&ExecutionUsage) -> EnforcementResult,
    ) -> EnforcementResult {
        match self.usage(execution_id) {
            Ok(usage) => match usage.execution().status().violation() {
                Some(barred) => EnforcementResult::Blocked(barred),
                None => answer(&usage),
            },
            Err(_) if self.allows_unknown => {
                self.counts.allow_unknown();
                EnforcementResult::Allowed
            }
            Err(unknown) => EnforcementResult::Blocked(unknown),
        }
    }

    fn steps(&self, usage: &ExecutionUsage, limits: &ResourceLimits) -> EnforcementResult {
        let policy = self.enforcer.policy();
        let used = usage.step_count();
        Question::own(ViolationType::StepLimit, policy.actions.steps, used, 1, limits.max_steps).amount(policy)
    }

    fn tokens(&self, usage: &ExecutionUsage, limits: &ResourceLimits, asked: u64) -> EnforcementResult {
        let policy = self.enforcer.policy();
        let (limit, used) = (limits.max_tokens, usage.used_tokens());
        let question = Question::own(ViolationType::TokenLimit, policy.actions.tokens, used, asked, limit);
        Question { retry: when_freed(usage.total_tokens(), asked, limit), ..question }.amount(policy)
    }

    fn wall_time(&self, usage: &ExecutionUsage, limits: &ResourceLimits) -> EnforcementResult {
        let limit = limits.max_wall_time_ms;
        if limit == UNLIMITED {
            return EnforcementResult::Allowed;
        }
        let policy = self.enforcer.policy();
        // A limit of 0 has no grace; a deadline past the end of the clock never comes.
        let end = if limit == 0 { 0 } else { limit.saturating_add(policy.timeout_grace_ms) };
        let elapsed = usage.wall_time_ms();
        Question::own(ViolationType::WallTimeLimit, policy.actions.wall_time, elapsed, 0, limit).reached(end, policy)
    }

    fn discovered_steps(&self, usage: &ExecutionUsage, limits: &LongRunningExecutionPolicy) -> EnforcementResult {
        let Some(limit) = limits.max_discovered_steps else { return EnforcementResult::Allowed };
        let policy = self.enforcer.policy();
        let (action, used) = (policy.actions.discovered_steps, usage.discovered_step_count());
        Question::own(ViolationType::DiscoveredStepLimit, action, used, 1, limit).amount(policy)
    }

    fn discovery_depth(&self, usage: &ExecutionUsage, limits: &LongRunningExecutionPolicy) -> EnforcementResult {
        let Some(limit) = limits.max_discovery_depth else { return EnforcementResult::Allowed };
        let policy = self.enforcer.policy();
        let (action, depth) = (policy.actions.discovery_depth, usage.current_discovery_depth());
        let question = Question::own(ViolationType::DiscoveryDepthLimit, action, depth, 1, limit);
        Question { retry: when_freed(0, 1, limit), ..question }.level(policy)
    }

    fn cost(&self, usage: &ExecutionUsage, limits: &LongRunningExecutionPolicy) -> EnforcementResult {
        let Some(threshold) = limits.cost_alert_threshold_usd else { return EnforcementResult::Allowed };
        let policy = self.enforcer.policy();
        let (threshold, committed) = (threshold.get(), usage.cost_nano_usd());
        // What is held is not committed: it brings the threshold near, but never reaches it.
        let held = if committed < threshold { usage.used_nano_usd().saturating_sub(committed) } else { 0 };
        let action = policy.actions.cost_threshold;
        let question = Question::own(ViolationType::CostThreshold, action, committed, held, threshold);
        Question { retry: Retry::AfterApproval, ..question }.reached(threshold, policy)
    }

    fn idle(&self, usage: &ExecutionUsage, limits: &LongRunningExecutionPolicy) -> EnforcementResult {
        let Some(timeout) = limits.idle_timeout_seconds else { return EnforcementResult::Allowed };
        let policy = self.enforcer.policy();
        // Activity is read before the holds: a hold that ends in between has counted as activity first (I1).
        let idle = usage.idle_seconds();
        if usage.has_open_holds() {
            return EnforcementResult::Allowed;
        }
        Question::own(ViolationType::IdleTimeout, policy.actions.idle, idle, 0, timeout).reached(timeout, policy)
    }
}

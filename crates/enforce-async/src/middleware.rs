//! The facade: an enforcer, asked by id under the seed's names.

use std::fmt;
use std::sync::Arc;

use enforce_core::{
    Action, Actual, ConfigError, Demand, EnforcementPolicy, EnforcementViolation, Enforcer, ExecutionId,
    ExecutionUsage, LimitActions, LongRunningExecutionPolicy, OwnedHold, RegisterError, ResourceLimits, Settlement,
    TenantId, UsageSnapshot, ViolationType,
};

use crate::record::Counts;

/// An idle timeout that never comes. With it, every reserve and settle counts as activity, so that
/// [`EnforcementMiddleware::check_idle_timeout`] knows of them.
const NEVER_IDLE_SECONDS: u64 = u64::MAX;

/// Limits, asked by id: the seed's methods over the state of an [`Enforcer`].
///
/// Cheap to clone; all clones, the [`Enforcer`] under them and every [`Execution`](enforce_core::Execution) of it are the
/// same engine, from tasks and threads alike. [`EnforcementMiddleware::new`] limits nothing by itself: limits are passed
/// to each check, as in the seed. [`EnforcementMiddleware::new_over`] an enforcer with limits, those hold as well, for
/// every [`EnforcementMiddleware::reserve`].
///
/// Every method does all of its work in its first poll (see *Cancel safety* at the crate): dropping its future never
/// leaves anything half done.
#[derive(Clone)]
pub struct EnforcementMiddleware {
    pub(crate) enforcer: Enforcer,
    pub(crate) allows_unknown: bool,
    pub(crate) counts: Arc<Counts>,
}

impl EnforcementMiddleware {
    /// One whose executions have no limits of their own, with the default policy.
    #[must_use]
    pub fn new() -> Self {
        Self::with_policy(EnforcementPolicy::default())
    }

    /// One whose executions have no limits of their own, with this policy.
    ///
    /// What [`EnforcementPolicy::validate`] rejects is read as what it amounts to: a warning threshold above 100 percent
    /// as 100, and an action that can never come to act as *refuse*.
    /// [`EnforcementMiddleware::try_with_policy`] reports it instead.
    #[must_use]
    pub fn with_policy(policy: EnforcementPolicy) -> Self {
        // Once mended, a policy has nothing left that is rejected.
        Self::try_with_policy(mended(policy)).unwrap_or_else(|_| Self::new_over(Enforcer::default()))
    }

    /// One whose executions have no limits of their own, with this policy.
    ///
    /// # Errors
    /// What [`EnforcementPolicy::validate`] rejects.
    ///
    /// ```
    /// use enforce_async::{EnforcementMiddleware, EnforcementPolicy};
    ///
    /// let policy = EnforcementPolicy { warning_threshold: 101, ..Default::default() };
    /// assert_eq!(EnforcementMiddleware::try_with_policy(policy).unwrap_err().key, "warning_threshold");
    /// ```
    pub fn try_with_policy(policy: EnforcementPolicy) -> Result<Self, ConfigError> {
        let kept = LongRunningExecutionPolicy {
            idle_timeout_seconds: Some(NEVER_IDLE_SECONDS),
            ..LongRunningExecutionPolicy::disabled()
        };
        Enforcer::builder().long_running(kept).policy(policy).build().map(Self::new_over)
    }

    /// One over an enforcer that others use as well. Executions that register here get the enforcer's limits.
    ///
    /// Where the enforcer has no idle limit, only `record_*` and [`Execution::touch`](enforce_core::Execution::touch)
    /// count as activity for [`EnforcementMiddleware::check_idle_timeout`].
    #[must_use]
    pub fn new_over(enforcer: Enforcer) -> Self {
        Self { enforcer, allows_unknown: false, counts: Arc::new(Counts::new()) }
    }

    /// Lets every `check_*` allow an execution that is not registered, as the seed did, instead of blocking it with
    /// `unknown_execution`. Each such answer is counted: [`EnforcementMiddleware::unknown_allowed`]. Exact calls go on
    /// refusing it. Holds for this value and what is cloned from it. Default: blocked.
    #[must_use]
    pub fn allowing_unknown_executions(self) -> Self {
        Self { allows_unknown: true, ..self }
    }

    /// How many checks were allowed because their execution was not registered, here and in all clones.
    #[must_use]
    pub fn unknown_allowed(&self) -> u64 {
        self.counts.unknown_allowed()
    }

    /// How many calls of `record_*` recorded nothing, here and in all clones: their execution was not registered, or
    /// their amount was no money.
    #[must_use]
    pub fn records_dropped(&self) -> u64 {
        self.counts.records_dropped()
    }

    /// The engine under it, for sync callers.
    #[must_use]
    pub fn enforcer(&self) -> &Enforcer {
        &self.enforcer
    }

    /// Whether a warning is also an event, as the policy says.
    #[must_use]
    pub fn emit_warning_events_enabled(&self) -> bool {
        self.enforcer.policy().emit_warning_events
    }

    /// Registers an execution under the enforcer's limits: takes its tenant's slot, or says why not.
    ///
    /// Cancel safe: a future that is dropped unpolled has registered nothing.
    ///
    /// # Errors
    /// As [`ExecutionBuilder::register`](enforce_core::Enforcer::execution): an id that is registered already, empty or
    /// longer than 128 bytes; a tenant without a free slot; a full table. Nothing is left behind.
    ///
    /// ```
    /// use enforce_async::{EnforcementMiddleware, ExecutionId, RegisterError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), RegisterError> {
    /// let middleware = EnforcementMiddleware::new();
    /// let id = ExecutionId::from("exec_1");
    /// let usage = middleware.register_execution(id.clone(), "tenant_acme".into()).await?;
    /// assert_eq!(usage.step_count(), 0);
    /// let again = middleware.register_execution(id, "tenant_acme".into()).await;
    /// assert!(matches!(again, Err(RegisterError::Duplicate { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn register_execution(
        &self,
        execution_id: ExecutionId,
        tenant_id: TenantId,
    ) -> Result<Arc<ExecutionUsage>, RegisterError> {
        let execution = self.enforcer.execution(execution_id.as_str(), tenant_id.as_str()).register()?;
        Ok(Arc::new(execution.into()))
    }

    /// Registers an execution under limits of its own, which every [`EnforcementMiddleware::reserve`] then holds to.
    /// `max_concurrent_executions` belongs to the tenant, that is to the enforcer, and is not looked at here.
    ///
    /// Cancel safe: a future that is dropped unpolled has registered nothing.
    ///
    /// # Errors
    /// As [`EnforcementMiddleware::register_execution`]; limits that make no sense.
    ///
    /// ```
    /// use enforce_async::*;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let middleware = EnforcementMiddleware::new();
    /// let (id, limits) = (ExecutionId::new(), ResourceLimits { max_steps: 1, ..Default::default() });
    /// let long_running = LongRunningExecutionPolicy::standard();
    /// middleware.register_execution_with(id.clone(), "tenant_acme".into(), limits, long_running).await?;
    /// drop(middleware.reserve(&id, Demand::step()).await?); // a step that has begun stays begun
    /// let refused = middleware.reserve(&id, Demand::step()).await.unwrap_err();
    /// assert_eq!(refused.to_string(), "step_limit exceeded: 2 / 1 (200%)");
    ///
    /// let wrong = LongRunningExecutionPolicy { max_same_step_repetitions: Some(1), ..Default::default() };
    /// let answer = middleware
    ///     .register_execution_with(ExecutionId::new(), "tenant_acme".into(), ResourceLimits::default(), wrong)
    ///     .await;
    /// assert!(matches!(answer, Err(RegisterError::Config(error)) if error.key == "max_same_step_repetitions"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn register_execution_with(
        &self,
        execution_id: ExecutionId,
        tenant_id: TenantId,
        limits: ResourceLimits,
        mut long_running: LongRunningExecutionPolicy,
    ) -> Result<Arc<ExecutionUsage>, RegisterError> {
        long_running.idle_timeout_seconds.get_or_insert(NEVER_IDLE_SECONDS);
        let execution = self
            .enforcer
            .execution(execution_id.as_str(), tenant_id.as_str())
            .limits(limits)
            .long_running(long_running)
            .register()?;
        Ok(Arc::new(execution.into()))
    }

    /// Ends an execution for all its handles: new holds are refused, its tenant's slot is free, its id may be registered
    /// again. Open holds can still be settled. Nothing happens to an id that is not registered.
    ///
    /// [`Enforcer::finish`] does the same and returns what it used.
    pub async fn unregister_execution(&self, execution_id: &ExecutionId) {
        let _unknown = self.enforcer.finish(execution_id.as_str()).err();
    }

    /// The live usage of a registered execution.
    pub async fn get_usage(&self, execution_id: &ExecutionId) -> Option<Arc<ExecutionUsage>> {
        self.usage(execution_id).ok().map(Arc::new)
    }

    /// The usage of a registered execution, as read now.
    pub async fn get_usage_snapshot(&self, execution_id: &ExecutionId) -> Option<UsageSnapshot> {
        self.enforcer.snapshot(execution_id.as_str())
    }

    /// Takes everything that `demand` asks, on every limit that the execution, its tenant and its provider have, or
    /// nothing. Exact under any interleaving of tasks and threads; does not wait for room.
    ///
    /// Cancel safe: the hold is in the future's result or has been given back.
    ///
    /// # Errors
    /// The first limit that refuses, as [`Execution::reserve`](enforce_core::Execution::reserve); `unknown_execution` for
    /// an id that is not registered.
    ///
    /// ```
    /// use enforce_async::{Demand, EnforcementMiddleware, ViolationType};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let refused = EnforcementMiddleware::new().reserve(&"exec_1".into(), Demand::step()).await.unwrap_err();
    /// assert_eq!(refused.violation_type, ViolationType::UnknownExecution);
    /// # }
    /// ```
    pub async fn reserve(&self, execution_id: &ExecutionId, demand: Demand) -> Result<OwnedHold, EnforcementViolation> {
        self.enforcer.reserve(execution_id.as_str(), demand)
    }

    /// Records what happened without having been asked: the exact form of all `record_*` at once. Never refused, by no
    /// limit and no state; what passes a limit is debt.
    ///
    /// Cancel safe: recorded wholly or, if the future is dropped unpolled, not at all.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered: nothing is recorded.
    ///
    /// ```
    /// use enforce_async::{Actual, EnforcementMiddleware, ViolationType};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let refused = EnforcementMiddleware::new().charge(&"exec_1".into(), Actual::tokens(7, 5)).await.unwrap_err();
    /// assert_eq!(refused.violation_type, ViolationType::UnknownExecution);
    /// # }
    /// ```
    pub async fn charge(&self, execution_id: &ExecutionId, actual: Actual) -> Result<Settlement, EnforcementViolation> {
        self.charged(execution_id, actual)
    }

    pub(crate) fn usage(&self, execution_id: &ExecutionId) -> Result<ExecutionUsage, EnforcementViolation> {
        let unknown = || EnforcementViolation::new(ViolationType::UnknownExecution, 0, 0);
        self.enforcer.get(execution_id.as_str()).map(ExecutionUsage::from).ok_or_else(unknown)
    }
}

/// The policy that `policy` amounts to, where it says something that never comes to pass.
fn mended(policy: EnforcementPolicy) -> EnforcementPolicy {
    let passing = |action| if action == Action::Observe { Action::Observe } else { Action::Refuse };
    EnforcementPolicy {
        warning_threshold: policy.warning_threshold.min(100),
        actions: LimitActions {
            discovery_depth: passing(policy.actions.discovery_depth),
            concurrency: passing(policy.actions.concurrency),
            rate: passing(policy.actions.rate),
            ..policy.actions
        },
        ..policy
    }
}

impl From<Enforcer> for EnforcementMiddleware {
    fn from(enforcer: Enforcer) -> Self {
        Self::new_over(enforcer)
    }
}

impl Default for EnforcementMiddleware {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EnforcementMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnforcementMiddleware")
            .field("enforcer", &self.enforcer)
            .field("allows_unknown", &self.allows_unknown)
            .field("counts", &self.counts)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mended_policy_is_valid_and_keeps_what_made_sense() {
        for action in [Action::Refuse, Action::Pause, Action::Halt, Action::Observe] {
            let actions =
                LimitActions { discovery_depth: action, concurrency: action, rate: action, ..LimitActions::observe() };
            let policy =
                EnforcementPolicy { warning_threshold: 150, timeout_grace_ms: 7, actions, ..Default::default() };
            let mended = mended(policy);
            assert_eq!(mended.validate(), Ok(()));
            assert_eq!((mended.warning_threshold, mended.timeout_grace_ms), (100, 7));
            assert_eq!(mended.actions.steps, Action::Observe);
            assert_eq!(mended.actions.rate == Action::Observe, action == Action::Observe);
        }
    }

    #[test]
    fn a_policy_that_makes_sense_is_not_mended() {
        assert_eq!(mended(EnforcementPolicy::default()), EnforcementPolicy::default());
    }
}

//! Recording what happened, by id.

use std::fmt;
use std::sync::atomic::Ordering;

use enforce_core::{Actual, EnforcementViolation, ExecutionId, MoneyError, NanoUsd, Settlement};

use crate::middleware::EnforcementMiddleware;

#[expect(clippy::disallowed_types, reason = "a statistic that nothing decides by; no protocol for the models to see")]
type Counter = std::sync::atomic::AtomicU64;

/// What was let through or lost because an execution was not known.
#[derive(Debug)]
pub(crate) struct Counts {
    unknown_allowed: Counter,
    records_dropped: Counter,
}

impl Counts {
    pub(crate) const fn new() -> Self {
        Self { unknown_allowed: Counter::new(0), records_dropped: Counter::new(0) }
    }

    // Relaxed, here and below: each is a count of its own that orders nothing.
    pub(crate) fn allow_unknown(&self) {
        self.unknown_allowed.fetch_add(1, Ordering::Relaxed);
    }

    fn drop_record(&self) {
        self.records_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unknown_allowed(&self) -> u64 {
        self.unknown_allowed.load(Ordering::Relaxed)
    }

    pub(crate) fn records_dropped(&self) -> u64 {
        self.records_dropped.load(Ordering::Relaxed)
    }
}

/// Why a cost was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The execution is not registered.
    Unknown(EnforcementViolation),
    /// The amount is NaN, infinite, negative or too large.
    Money(MoneyError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(violation) => violation.fmt(f),
            Self::Money(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unknown(violation) => Some(violation),
            Self::Money(error) => Some(error),
        }
    }
}

/// Recording. Every record counts as activity, also where no idle limit is set, and is kept whatever limit it passes and
/// whatever state the execution is in.
///
/// The `record_*` methods return nothing; of what they could not record they leave a count
/// ([`EnforcementMiddleware::records_dropped`]), and their `try_record_*` twins return the error. All are cancel safe:
/// recorded wholly or, if the future is dropped unpolled, not at all.
impl EnforcementMiddleware {
    /// Records a step that has begun.
    pub async fn record_step(&self, execution_id: &ExecutionId) {
        self.or_count(self.charged(execution_id, Actual::none().steps(1)));
    }

    /// Records a step that has begun.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered: nothing is recorded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let middleware = enforce_async::EnforcementMiddleware::new();
    /// assert!(middleware.try_record_step(&"exec_1".into()).await.is_err());
    /// # }
    /// ```
    pub async fn try_record_step(&self, execution_id: &ExecutionId) -> Result<Settlement, EnforcementViolation> {
        self.charged(execution_id, Actual::none().steps(1))
    }

    /// Records tokens used, input and output apart.
    pub async fn record_tokens(&self, execution_id: &ExecutionId, input: u64, output: u64) {
        self.or_count(self.charged(execution_id, Actual::tokens(input, output)));
    }

    /// Records tokens used, input and output apart.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered: nothing is recorded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let middleware = enforce_async::EnforcementMiddleware::new();
    /// assert!(middleware.try_record_tokens(&"exec_1".into(), 1_200, 340).await.is_err());
    /// # }
    /// ```
    pub async fn try_record_tokens(
        &self,
        execution_id: &ExecutionId,
        input: u64,
        output: u64,
    ) -> Result<Settlement, EnforcementViolation> {
        self.charged(execution_id, Actual::tokens(input, output))
    }

    /// Records a step that was discovered rather than planned.
    pub async fn record_discovered_step(&self, execution_id: &ExecutionId) {
        self.or_count(self.charged(execution_id, Actual::none().discovered_steps(1)));
    }

    /// Records a step that was discovered rather than planned.
    ///
    /// # Errors
    /// `unknown_execution` for an id that is not registered: nothing is recorded.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let middleware = enforce_async::EnforcementMiddleware::new();
    /// assert!(middleware.try_record_discovered_step(&"exec_1".into()).await.is_err());
    /// # }
    /// ```
    pub async fn try_record_discovered_step(
        &self,
        execution_id: &ExecutionId,
    ) -> Result<Settlement, EnforcementViolation> {
        self.charged(execution_id, Actual::none().discovered_steps(1))
    }

    /// Records dollars spent, to the nano-dollar. An amount that is NaN, infinite or negative records nothing.
    /// [`EnforcementMiddleware::charge`] takes exact money.
    pub async fn record_cost(&self, execution_id: &ExecutionId, cost_usd: f64) {
        self.or_count(self.cost_charged(execution_id, cost_usd));
    }

    /// Records dollars spent, to the nano-dollar.
    ///
    /// # Errors
    /// An id that is not registered; an amount that is NaN, infinite, negative or too large. Nothing is recorded.
    ///
    /// ```
    /// use enforce_async::{EnforcementMiddleware, MoneyError, RecordError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let middleware = EnforcementMiddleware::new();
    /// let usage = middleware.register_execution("exec_1".into(), "tenant_acme".into()).await?;
    /// middleware.try_record_cost(&"exec_1".into(), 0.004).await?;
    /// assert_eq!(usage.cost_nano_usd(), 4_000_000);
    /// let refused = middleware.try_record_cost(&"exec_1".into(), -0.004).await;
    /// assert_eq!(refused, Err(RecordError::Money(MoneyError::Negative)));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_record_cost(&self, execution_id: &ExecutionId, cost_usd: f64) -> Result<Settlement, RecordError> {
        self.cost_charged(execution_id, cost_usd)
    }

    /// One discovery deeper. At the limit that the execution was registered with it stays where it is: then it must not
    /// be popped, and [`EnforcementMiddleware::try_push_discovery_depth`] says so.
    pub async fn push_discovery_depth(&self, execution_id: &ExecutionId) {
        self.or_count(self.pushed(execution_id));
    }

    /// One discovery deeper.
    ///
    /// # Errors
    /// `discovery_depth_limit` if that would pass the limit that the execution was registered with: the depth is
    /// unchanged and must not be popped. `unknown_execution` for an id that is not registered.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let middleware = enforce_async::EnforcementMiddleware::new();
    /// assert!(middleware.try_push_discovery_depth(&"exec_1".into()).await.is_err());
    /// # }
    /// ```
    pub async fn try_push_discovery_depth(&self, execution_id: &ExecutionId) -> Result<(), EnforcementViolation> {
        self.pushed(execution_id)
    }

    /// One discovery up again. At depth 0 nothing happens.
    pub async fn pop_discovery_depth(&self, execution_id: &ExecutionId) {
        self.or_count(self.usage(execution_id).map(|usage| usage.pop_discovery_depth()));
    }

    /// Charges and counts as activity, at one reading of the clock.
    pub(crate) fn charged(
        &self,
        execution_id: &ExecutionId,
        actual: Actual,
    ) -> Result<Settlement, EnforcementViolation> {
        let usage = self.usage(execution_id)?;
        let now = self.enforcer.clock().now();
        let settlement = usage.execution().charge_at(actual, now);
        // Of an execution that is barred the record is kept; idleness no longer matters to it.
        let _barred = usage.execution().touch_at(now).err();
        Ok(settlement)
    }

    fn cost_charged(&self, execution_id: &ExecutionId, cost_usd: f64) -> Result<Settlement, RecordError> {
        let cost = NanoUsd::try_from(cost_usd).map_err(RecordError::Money)?;
        self.charged(execution_id, Actual::none().cost(cost)).map_err(RecordError::Unknown)
    }

    fn pushed(&self, execution_id: &ExecutionId) -> Result<(), EnforcementViolation> {
        self.usage(execution_id)?.try_push_discovery_depth()
    }

    fn or_count<T, E>(&self, recorded: Result<T, E>) {
        if recorded.is_err() {
            self.counts.drop_record();
        }
    }
}

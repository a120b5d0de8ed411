//! How long one step may take.

use std::time::{Duration, Instant};

use crate::error::ExecutionError;
use crate::id::StepId;

/// Watches one step by the system's monotonic clock.
#[derive(Debug, Clone)]
pub struct StepTimeoutGuard {
    step_id: StepId,
    timeout: Duration,
    started_at: Instant,
}

impl StepTimeoutGuard {
    /// Starts to watch a step that may take `timeout`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a step is timed by the system, whatever clock the enforcer has")]
    pub fn new(step_id: StepId, timeout: Duration) -> Self {
        Self { step_id, timeout, started_at: Instant::now() }
    }

    /// Whether it has taken longer.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.elapsed() > self.timeout
    }

    /// What is left; zero if it has taken longer.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.timeout.saturating_sub(self.elapsed())
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// An error if it has taken longer.
    ///
    /// # Errors
    /// A timeout of the step, retryable once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::{ExecutionErrorCategory, StepId, StepTimeoutGuard};
    ///
    /// let guard = StepTimeoutGuard::new(StepId::new(), Duration::ZERO);
    /// while !guard.is_timed_out() {}
    /// assert_eq!(guard.check().unwrap_err().category, ExecutionErrorCategory::Timeout);
    /// ```
    #[expect(clippy::result_large_err, reason = "the seed's signature; a step that times out is not a hot path")]
    pub fn check(&self) -> Result<(), ExecutionError> {
        if self.is_timed_out() { Err(self.error()) } else { Ok(()) }
    }

    /// The error of a step that has taken longer, for whoever has timed it otherwise.
    #[must_use]
    pub fn error(&self) -> ExecutionError {
        let message = format!("step {} took longer than {:?}", self.step_id, self.timeout);
        ExecutionError::timeout(message).with_step_id(self.step_id.clone())
    }
}

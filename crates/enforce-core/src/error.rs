//! Errors of executions: what went wrong, whether trying again helps, and how long to wait before.

mod code;
mod retry;

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use self::code::{LlmErrorCode, ToolErrorCode};
pub use self::retry::{BackoffStrategy, RetryPolicy};
use crate::id::StepId;

/// What kind of failure an [`ExecutionError`] is. Decides its first [`RetryPolicy`] and its HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExecutionErrorCategory {
    /// A model provider failed or refused. HTTP 502; three retries, 1 s doubling to 30 s.
    LlmError,
    /// A tool failed. HTTP 500; two retries, 0.5 s apart, with an idempotency key.
    ToolError,
    /// A policy forbids it. HTTP 403; never retried.
    PolicyViolation,
    /// It took too long. HTTP 504; one retry at once, with an idempotency key.
    Timeout,
    /// A limit is reached. HTTP 429; never retried.
    QuotaExceeded,
    /// A defect of the engine. HTTP 500; never retried.
    KernelInternal,
    /// The input is malformed. HTTP 400; never retried.
    ValidationError,
    /// A connection failed. HTTP 503; three retries, 0.5 s doubling to 15 s, with an idempotency key.
    NetworkError,
}

impl ExecutionErrorCategory {
    /// The policy that an error of this category starts with.
    #[must_use]
    pub fn default_retry_policy(&self) -> RetryPolicy {
        let (max_retries, backoff_strategy, base_ms, max_ms, requires_idempotency_key) = match self {
            Self::LlmError => (3, BackoffStrategy::Exponential, 1_000, 30_000, false),
            Self::ToolError => (2, BackoffStrategy::Constant, 500, 5_000, true),
            Self::Timeout => (1, BackoffStrategy::Constant, 0, 0, true),
            Self::NetworkError => (3, BackoffStrategy::Exponential, 500, 15_000, true),
            Self::PolicyViolation | Self::QuotaExceeded | Self::KernelInternal | Self::ValidationError => {
                return RetryPolicy::fatal();
            }
        };
        RetryPolicy {
            retryable: true,
            max_retries,
            backoff_strategy,
            base_delay: Duration::from_millis(base_ms),
            max_delay: Duration::from_millis(max_ms),
            requires_idempotency_key,
        }
    }

    /// Whether errors of this category are not retried, unless their own policy says otherwise.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !self.default_retry_policy().retryable
    }
}

/// The variant's name, such as `LlmError`.
impl fmt::Display for ExecutionErrorCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A failure of an execution, with all that a retry loop, a log and an HTTP answer need of it.
///
/// ```
/// use enforce_core::{ExecutionError, LlmErrorCode};
///
/// let error = ExecutionError::llm(LlmErrorCode::RateLimit, "too many requests").with_provider("acme");
/// assert!(error.should_retry());
/// assert_eq!(error.to_string(), "[LlmError] too many requests (rate_limit)");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionError {
    /// What kind of failure it is.
    pub category: ExecutionErrorCategory,
    /// One line for people.
    pub message: String,
    /// Whether and when to try again.
    pub retry_policy: RetryPolicy,
    /// The code within the category, such as `rate_limit`.
    pub code: Option<String>,
    /// Which attempt failed, counted from 1.
    pub attempt: u32,
    /// The step that failed.
    pub step_id: Option<StepId>,
    /// The provider of the model or tool.
    pub provider: Option<String>,
    /// The HTTP status to answer with instead of the category's.
    pub http_status: Option<u16>,
    /// Anything more, structured.
    pub details: Option<serde_json::Value>,
    /// When it happened, in milliseconds since the Unix epoch by the system's clock.
    pub occurred_at: i64,
}

impl ExecutionError {
    /// A first-attempt error of this category, with the category's retry policy, that happened now.
    #[must_use]
    pub fn new(category: ExecutionErrorCategory, message: impl Into<String>) -> Self {
        Self {
            category,
            message: message.into(),
            retry_policy: category.default_retry_policy(),
            code: None,
            attempt: 1,
            step_id: None,
            provider: None,
            http_status: None,
            details: None,
            occurred_at: now_ms(),
        }
    }

    /// An [`LlmError`](ExecutionErrorCategory::LlmError) with this code. Whatever the code, its retry policy is the
    /// category's; [`LlmErrorCode::is_retryable`] tells where to replace it by [`RetryPolicy::fatal`].
    #[must_use]
    pub fn llm(code: LlmErrorCode, message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::LlmError, message).with_code(code.to_string())
    }

    /// A [`ToolError`](ExecutionErrorCategory::ToolError) with this code. Whatever the code, its retry policy is the
    /// category's; [`ToolErrorCode::is_retryable`] tells where to replace it by [`RetryPolicy::fatal`].
    #[must_use]
    pub fn tool(code: ToolErrorCode, message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::ToolError, message).with_code(code.to_string())
    }

    /// A [`PolicyViolation`](ExecutionErrorCategory::PolicyViolation).
    #[must_use]
    pub fn policy_violation(message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::PolicyViolation, message)
    }

    /// A [`Timeout`](ExecutionErrorCategory::Timeout).
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::Timeout, message)
    }

    /// A [`QuotaExceeded`](ExecutionErrorCategory::QuotaExceeded).
    #[must_use]
    pub fn quota_exceeded(message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::QuotaExceeded, message)
    }

    /// A [`KernelInternal`](ExecutionErrorCategory::KernelInternal).
    #[must_use]
    pub fn kernel_internal(message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::KernelInternal, message)
    }

    /// A [`ValidationError`](ExecutionErrorCategory::ValidationError).
    #[must_use]
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::ValidationError, message)
    }

    /// A [`NetworkError`](ExecutionErrorCategory::NetworkError).
    #[must_use]
    pub fn network(message: impl Into<String>) -> Self {
        Self::new(ExecutionErrorCategory::NetworkError, message)
    }

    /// With this code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With this attempt number, counted from 1.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With the step that failed.
    #[must_use]
    pub fn with_step_id(mut self, step_id: StepId) -> Self {
        self.step_id = Some(step_id);
        self
    }

    /// With the provider's name.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// With an HTTP status that replaces the category's.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// With structured details.
    #[must_use]
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// With a retry policy that replaces the category's.
    #[must_use]
    pub fn with_retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// Whether trying again can help, as its own retry policy says. Never agrees with [`is_fatal`](Self::is_fatal).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retry_policy.retryable
    }

    /// Whether trying again is pointless, as its own retry policy says, whatever the category's would.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !self.is_retryable()
    }

    /// Whether to try again after this attempt: retryable, and retries are left.
    #[must_use]
    pub fn should_retry(&self) -> bool {
        self.retry_policy.should_retry(self.attempt)
    }

    /// How long to wait after this attempt before the next.
    #[must_use]
    pub fn retry_delay(&self) -> Duration {
        self.retry_policy.delay_for_attempt(self.attempt)
    }

    /// The same error of the attempt after this one, happening now. The number stays at `u32::MAX` once there.
    #[must_use]
    pub fn next_attempt(mut self) -> Self {
        self.attempt = self.attempt.saturating_add(1);
        self.occurred_at = now_ms();
        self
    }

    /// The HTTP status to answer with: [`http_status`](Self::http_status) if set, else the category's.
    #[must_use]
    pub fn to_http_status(&self) -> u16 {
        self.http_status.unwrap_or(match self.category {
            ExecutionErrorCategory::LlmError => 502,
            ExecutionErrorCategory::ToolError | ExecutionErrorCategory::KernelInternal => 500,
            ExecutionErrorCategory::PolicyViolation => 403,
            ExecutionErrorCategory::Timeout => 504,
            ExecutionErrorCategory::QuotaExceeded => 429,
            ExecutionErrorCategory::ValidationError => 400,
            ExecutionErrorCategory::NetworkError => 503,
        })
    }
}

/// `[Category] message (code) [attempt 2]`, without what is absent and without a first attempt.
impl fmt::Display for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.category, self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if self.attempt > 1 {
            write!(f, " [attempt {}]", self.attempt)?;
        }
        Ok(())
    }
}

impl std::error::Error for ExecutionError {}

/// Malformed JSON is a [`ValidationError`](ExecutionErrorCategory::ValidationError).
impl From<serde_json::Error> for ExecutionError {
    fn from(error: serde_json::Error) -> Self {
        Self::validation(format!("JSON error: {error}"))
    }
}

/// A timeout is a [`Timeout`](ExecutionErrorCategory::Timeout), a connection refused, reset or aborted a
/// [`NetworkError`](ExecutionErrorCategory::NetworkError), anything else
/// [`KernelInternal`](ExecutionErrorCategory::KernelInternal).
impl From<io::Error> for ExecutionError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::timeout(format!("IO timeout: {error}")),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                Self::network(format!("Connection error: {error}"))
            }
            _ => Self::kernel_internal(format!("IO error: {error}")),
        }
    }
}

/// What an error that is made now is stamped with.
#[expect(clippy::disallowed_methods, reason = "an error is stamped for people; no decision reads the stamp")]
fn now_ms() -> i64 {
    unix_ms(SystemTime::now())
}

/// Milliseconds from the Unix epoch to `at`, negative before it.
fn unix_ms(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests;

//! Why a demand was refused.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::{Cause, Ratio, ScopeKind, ViolationType, percent};
use crate::allowance::AllowanceKey;
use crate::error::{BackoffStrategy, ExecutionError, ExecutionErrorCategory, RetryPolicy};

/// Whether and when the same demand may come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retry {
    /// After so long, if nobody else comes first.
    After(Duration),
    /// When others give back what they hold.
    WhenFreed,
    /// When somebody approves.
    AfterApproval,
    /// Not within this execution, or not within this limit.
    Never,
}

/// Which rates of a provider, of a tenant with it, or of a model refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RatesRefused {
    /// Rates of requests alone.
    Requests,
    /// Rates of tokens alone.
    Tokens,
    /// Both.
    Both,
}

/// A refusal, as data: `Copy`, no allocation; the message is made when it is printed.
///
/// Two questions need no text: [`EnforcementViolation::retry`] says whether waiting helps, and *never fits* differs from
/// *not now* by it. Serializes with the seed's `violation_type`, `current`, `limit`, `message` and the fields below;
/// reads the seed's four alone, too.
///
/// ```
/// use enforce_core::{Demand, Enforcer, ResourceLimits, Retry, ViolationType};
///
/// let limits = ResourceLimits { max_steps: 5, ..ResourceLimits::default() };
/// let enforcer = Enforcer::builder().limits(limits).build()?;
/// let run = enforcer.execution("exec_1", "tenant_a").register()?;
/// for _ in 0..5 {
///     drop(run.reserve(Demand::step())?); // a step that has begun stays begun
/// }
/// let refused = run.reserve(Demand::step()).unwrap_err();
/// assert_eq!(refused.violation_type, ViolationType::StepLimit);
/// assert_eq!(refused.to_string(), "step_limit exceeded: 6 / 5 (120%)");
/// assert_eq!((refused.used, refused.asked, refused.remaining), (5, 1, 0));
/// assert_eq!(refused.retry, Retry::Never);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "Read")]
#[non_exhaustive]
pub struct EnforcementViolation {
    /// Which limit.
    pub violation_type: ViolationType,
    /// Whose.
    pub scope: ScopeKind,
    /// Used and asked together, in the unit of the limit.
    pub current: u64,
    /// The limit, without any grace.
    pub limit: u64,
    /// What was asked of it.
    pub asked: u64,
    /// What is used: committed and held.
    pub used: u64,
    /// What is left of it.
    pub remaining: u64,
    /// How far committed may pass the limit before it blocks a demand that asks nothing of it.
    pub overdraft: u64,
    /// Whether waiting helps.
    pub retry: Retry,
    /// Behind `halted` and `paused`: the limit that did it. Behind `closed`: the limit that had halted it, if one had; of a
    /// tenant and of the process, what closed it.
    pub cause: Option<Cause>,
    /// Behind `rate_limit`: which rates refused.
    pub rates: Option<RatesRefused>,
    /// Behind `allowance_limit`: which; [`Enforcer::allowance_name`](crate::Enforcer::allowance_name) tells its name.
    pub allowance: Option<AllowanceKey>,
    /// It would fit, but others wait for it in line.
    pub queued: bool,
}

/// What is read: the seed's fields, and ours where they are there.
#[derive(Deserialize)]
struct Read {
    violation_type: ViolationType,
    current: u64,
    limit: u64,
    scope: Option<ScopeKind>,
    asked: Option<u64>,
    used: Option<u64>,
    remaining: Option<u64>,
    overdraft: Option<u64>,
    retry: Option<Retry>,
    cause: Option<Cause>,
    rates: Option<RatesRefused>,
    allowance: Option<AllowanceKey>,
    #[serde(default)]
    queued: bool,
}

impl From<Read> for EnforcementViolation {
    fn from(read: Read) -> Self {
        let seeds = Self::new(read.violation_type, read.current, read.limit);
        Self {
            scope: read.scope.unwrap_or(seeds.scope),
            asked: read.asked.unwrap_or(seeds.asked),
            used: read.used.unwrap_or(seeds.used),
            remaining: read.remaining.unwrap_or(seeds.remaining),
            overdraft: read.overdraft.unwrap_or(seeds.overdraft),
            retry: read.retry.unwrap_or(seeds.retry),
            cause: read.cause,
            rates: read.rates,
            allowance: read.allowance,
            queued: read.queued,
            ..seeds
        }
    }
}

impl EnforcementViolation {
    /// A violation of the execution's own limit, of which `current` is used and asked together; never to be retried.
    #[must_use]
    pub const fn new(violation_type: ViolationType, current: u64, limit: u64) -> Self {
        Self {
            violation_type,
            scope: ScopeKind::Execution,
            current,
            limit,
            asked: 0,
            used: current,
            remaining: limit.saturating_sub(current),
            overdraft: 0,
            retry: Retry::Never,
            cause: None,
            rates: None,
            allowance: None,
            queued: false,
        }
    }

    /// A violation of `scope`'s limit, of which `used` is used and `asked` was asked.
    pub(crate) const fn of(
        scope: ScopeKind,
        violation_type: ViolationType,
        used: u64,
        asked: u64,
        limit: u64,
        retry: Retry,
    ) -> Self {
        Self {
            scope,
            asked,
            used,
            remaining: limit.saturating_sub(used),
            retry,
            ..Self::new(violation_type, used.saturating_add(asked), limit)
        }
    }

    /// No such registration.
    pub(crate) const fn unknown_execution() -> Self {
        Self::new(ViolationType::UnknownExecution, 0, 0)
    }

    /// The hold was ended by its deadline.
    pub(crate) const fn hold_expired() -> Self {
        Self::new(ViolationType::HoldExpired, 0, 0)
    }

    /// The limit and whose it is.
    #[must_use]
    pub const fn as_cause(&self) -> Cause {
        Cause { violation_type: self.violation_type, scope: self.scope }
    }

    /// The line that it prints as.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The error of the execution: wall time is a timeout; a rate is a provider's error, retryable after its delay, HTTP
    /// 429; concurrency and memory are quotas, retryable, 429; so is a budget whose next period helps, and a pause that ends with it, after the delay; the
    /// network is a matter of policy; all else is a quota, fatal, 429. What never fits a rate, the memory or the slots is
    /// fatal, too. So is a registration in a process that is closed or halted, with HTTP 503.
    #[must_use]
    pub fn to_error(&self) -> ExecutionError {
        let category = match self.violation_type {
            ViolationType::WallTimeLimit => ExecutionErrorCategory::Timeout,
            ViolationType::RateLimit => ExecutionErrorCategory::LlmError,
            ViolationType::NetworkViolation => ExecutionErrorCategory::PolicyViolation,
            _ => ExecutionErrorCategory::QuotaExceeded,
        };
        let error = ExecutionError::new(category, self.message())
            .with_code(self.violation_type.as_str())
            .with_details(serde_json::to_value(self).unwrap_or_default());
        // A refusal knows whether waiting helps; one that was made by hand asks nothing and is what its limit usually is.
        let never = self.retry == Retry::Never && self.asked > 0;
        match (self.violation_type, self.retry) {
            // A rate, or a budget whose next period is waited for, also behind a pause.
            (_, Retry::After(delay)) => error.with_http_status(429).with_retry_policy(after(delay)),
            (ViolationType::RateLimit, _) if never => {
                error.with_http_status(429).with_retry_policy(RetryPolicy::fatal())
            }
            (ViolationType::RateLimit, _) => error.with_http_status(429),
            // Others may serve whoever comes.
            (ViolationType::Halted | ViolationType::Closed, _) if self.scope == ScopeKind::Process => {
                error.with_http_status(503)
            }
            (ViolationType::ConcurrencyLimit | ViolationType::MemoryLimit, _) if !never => {
                error.with_retry_policy(RetryPolicy::retryable(3))
            }
            _ => error,
        }
    }
}

/// The delay that a rate or a budget asks for, and then that delay again.
fn after(delay: Duration) -> RetryPolicy {
    RetryPolicy {
        backoff_strategy: BackoffStrategy::Constant,
        base_delay: delay,
        max_delay: delay,
        ..RetryPolicy::retryable(3)
    }
}

impl From<EnforcementViolation> for ExecutionError {
    fn from(violation: EnforcementViolation) -> Self {
        violation.to_error()
    }
}

impl fmt::Display for EnforcementViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { violation_type: kind, current, limit, queued, .. } = *self;
        let what = if queued { ": others wait for it" } else { " exceeded" };
        match (kind, self.cause) {
            (ViolationType::UnknownExecution, _) => f.write_str("unknown_execution: no such registration"),
            (ViolationType::HoldExpired, _) => f.write_str("hold_expired: ended by its deadline"),
            (ViolationType::Halted | ViolationType::Paused | ViolationType::Closed, Some(cause)) => {
                write!(f, "{kind} by {cause}")?;
                match self.scope {
                    ScopeKind::Tenant | ScopeKind::Process => {
                        write!(f, ": the {} takes no new executions unless it is reopened", self.scope)
                    }
                    _ => Ok(()),
                }
            }
            (ViolationType::Halted | ViolationType::Paused | ViolationType::Closed, None) => kind.fmt(f),
            _ => {
                write!(f, "{kind}{what}: {}", Ratio { kind, current, limit })?;
                percent(current, limit).map_or(Ok(()), |percent| write!(f, " ({percent}%)"))
            }
        }
    }
}

impl std::error::Error for EnforcementViolation {}

impl Serialize for EnforcementViolation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire {
            violation_type: ViolationType,
            current: u64,
            limit: u64,
            message: String,
            scope: ScopeKind,
            asked: u64,
            used: u64,
            remaining: u64,
            overdraft: u64,
            retry: Retry,
            cause: Option<Cause>,
            rates: Option<RatesRefused>,
            allowance: Option<AllowanceKey>,
            queued: bool,
        }
        let Self {
            violation_type,
            scope,
            current,
            limit,
            asked,
            used,
            remaining,
            overdraft,
            retry,
            cause,
            rates,
            allowance,
            queued,
        } = *self;
        let message = self.message();
        Wire {
            violation_type,
            current,
            limit,
            message,
            scope,
            asked,
            used,
            remaining,
            overdraft,
            retry,
            cause,
            rates,
            allowance,
            queued,
        }
        .serialize(serializer)
    }
}

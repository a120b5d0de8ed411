//! `enforce` for async services: [`EnforcementMiddleware`], the by-id facade under the seed's method names, over the very
//! state of an [`Enforcer`].
//!
//! There is no second bookkeeping: a worker thread that holds an [`Execution`] and a task that asks the middleware spend
//! from the same counters, and a limit holds for both together.
//!
//! ```
//! use enforce_async::{Actual, Demand, EnforcementMiddleware, Enforcer, ExecutionId, ResourceLimits};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = ResourceLimits { max_tokens: 10_000, ..ResourceLimits::default() };
//! let enforcer = Enforcer::builder().limits(limits).build()?;
//! let middleware = EnforcementMiddleware::new_over(enforcer.clone());
//!
//! let id = ExecutionId::new();
//! middleware.register_execution(id.clone(), "tenant_acme".into()).await?;
//! let hold = middleware.reserve(&id, Demand::step().tokens(1_200, 2_896)).await?; // exact: ask and take are one
//! hold.settle(Actual::tokens(1_187, 412));
//!
//! let run = enforcer.get(id.as_str()).ok_or("registered above")?; // a sync caller sees the same execution
//! assert_eq!(run.finish().total_tokens, 1_599);
//! # Ok(())
//! # }
//! ```
//!
//! # Checks advise, reservations decide
//!
//! `check_*` answers for the limits that are passed to it and takes nothing: between its answer and a `record_*`, others
//! may pass the same check. [`EnforcementMiddleware::reserve`] asks and takes in one exchange and cannot be overtaken.
//!
//! # Cancel safety
//!
//! No method of this crate has an await point inside: it does nothing before it is first polled and everything in that
//! one poll. Dropping a future therefore either prevents the call or comes after it, never half-way. No lock is held
//! when a future returns, and none is waited for that is held across user code: asking and settling are lock-free once
//! the id is looked up (a shard's lock, held for the look-up alone); registering and ending take their tenant's lock for
//! as long as it takes to enter or leave a list.

mod acquire;
mod alarm;
#[cfg(feature = "http")]
mod answer;
mod check;
mod clock;
mod drive;
mod ext;
#[cfg(feature = "tower")]
mod gate;
mod judge;
mod leash;
mod middleware;
mod record;
mod run;
mod state;
mod step;
mod stream;
#[cfg(feature = "cancellation-token")]
mod token;

pub use acquire::Acquire;
#[cfg(feature = "http")]
pub use answer::answer;
pub use clock::TokioClock;
pub use drive::{Driven, drive};

pub use enforce_core::{
    Action, Actual, Approval, ApprovalError, Approved, BackoffStrategy, BudgetPeriod, BudgetUsage, Cause, Clock,
    ConfigError, Demand, EnforcementPolicy, EnforcementResult, EnforcementViolation, EnforcementWarning, Enforcer,
    EnforcerBuilder, Execution, ExecutionError, ExecutionErrorCategory, ExecutionId, ExecutionUsage, FinishOnDrop,
    Hold, InvalidId, LimitActions, LlmErrorCode, LongRunningExecutionPolicy, ManualClock, ModelError, ModelKey,
    MoneyError, NanoUsd, NetworkPolicy, OnDrop, Outstanding, OwnedHold, ProviderError, ProviderKey, ProviderPolicy,
    RateLimit, RateOn, RatePeriod, RateUnit, RatesRefused, RegisterError, ResourceLimits, Retry, RetryPolicy,
    ScopeKind, Settlement, Status, StepId, StepTimeoutGuard, TenantId, TenantPolicy, TenantUsage, TimeSource,
    TimedHold, Timestamp, ToolErrorCode, UNLIMITED, UsageSnapshot, ViolationType, Waiting, Watch,
};
pub use ext::ExecutionExt;
pub use futures_core::Stream;
#[cfg(feature = "tower")]
pub use gate::{Gate, GateFuture, GateLayer, GateService};
pub use leash::Stopped;
pub use middleware::EnforcementMiddleware;
pub use record::RecordError;
pub use run::Run;
pub use state::{Halted, Resumed};
pub use step::{StepTimeout, StepTimeoutExt};
pub use stream::{Ended, Flow, Meter, Metered};

/// The code blocks of the migration guide are compiled with the crate's own examples.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migration.md")]
struct MigrationGuide;

//! `enforce` for async services, over the very state of an [`Enforcer`]: tasks that wait for room in line and stop with
//! their execution ([`ExecutionExt`]), streams that end at their budget ([`Metered`]), deadlines that come by themselves
//! ([`drive`]), an end for all of it ([`shutdown`]), a tower layer (`GateLayer`), and the by-id facade under the seed's
//! method names ([`EnforcementMiddleware`]).
//!
//! There is no second bookkeeping: a worker thread that holds an [`Execution`] and a task that awaits spend from the same
//! counters and stand in the same lines, and a limit holds for both together.
//!
//! ```
//! use enforce_async::{Actual, Demand, EnforcementViolation, Enforcer, Execution, ExecutionExt, ResourceLimits};
//!
//! # async fn call_model() -> (u64, u64) { (1_187, 412) }
//! async fn agent(run: &Execution) -> Result<(), EnforcementViolation> {
//!     loop {
//!         let hold = run.acquire(Demand::step().tokens(1_200, 2_896)).await?; // waits its turn, if it has to
//!         let (input, output) = call_model().await; // dropped here, the hold gives back
//!         hold.settle(Actual::tokens(input, output));
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = ResourceLimits { max_tokens: 10_000, ..ResourceLimits::default() };
//! let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_acme").register()?;
//! let ended = run.run(agent(&run)).await; // dropped the moment the execution is halted or its time is over
//! assert!(matches!(ended, Ok(Err(refused)) if refused.limit == 10_000));
//! # Ok(())
//! # }
//! ```
//!
//! By id, as in the seed:
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
//! Every future of this crate may be dropped between any two polls, and each type says what becomes of it then: who waits
//! leaves the line and wakes the next, a hold ends by its policy, a stream settles what has flowed. A future does nothing
//! before its first poll. Those of [`EnforcementMiddleware`] do everything in that one poll: dropping them either prevents
//! the call or comes after it.
//!
//! No lock is held when a poll returns, and none is waited for that is held across user code: asking and settling are
//! lock-free once the id is looked up (a shard's lock, held for the look-up alone); registering and ending take their
//! tenant's lock for as long as it takes to enter or leave a list, and so does who waits or watches that of a list.
//!
//! # Runtime
//!
//! Wakers and nothing else are needed to wait for what others do. A timer of tokio's is set only where time alone helps or
//! ends something; that needs a tokio runtime with time enabled, and panics without one. It goes by the enforcer's clock:
//! it sleeps for as long as that clock says is left, rounded up to tokio's millisecond, and looks at the clock again. A
//! clock that somebody moves by hand wakes nobody; tests have [`TokioClock`], which follows tokio's paused time.
//!
//! # Features
//!
//! | name | adds | costs | default |
//! |---|---|---|---|
//! | `cancellation-token` | `ExecutionExt::cancel_when_over` | `tokio-util` | no |
//! | `events` | `EventBroadcast`: events as a stream that tells its lag | `tokio-stream`, tokio's `sync` | no |
//! | `http` | `answer`: a refusal as an HTTP response | `http`, `serde_json` | no |
//! | `tower` | `GateLayer`: a layer that asks before and settles behind | `tower-layer`, `tower-service` | no |

mod acquire;
mod alarm;
#[cfg(feature = "http")]
mod answer;
mod check;
mod clock;
mod drive;
#[cfg(feature = "events")]
mod events;
mod ext;
#[cfg(feature = "tower")]
mod gate;
mod judge;
mod leash;
mod middleware;
mod record;
mod run;
mod shutdown;
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
#[cfg(feature = "events")]
pub use events::{EventBroadcast, EventLag, EventStream};

pub use enforce_core::{
    Action, Actual, Approval, ApprovalError, Approved, BackoffStrategy, Budget, BudgetAmount, BudgetPeriod,
    BudgetResource, BudgetUsage, Cause, Clock, ConfigError, Demand, Drain, EnforcementPolicy, EnforcementResult,
    EnforcementViolation, EnforcementWarning, Enforcer, EnforcerBuilder, Event, EventKind, EventSink, Execution,
    ExecutionError, ExecutionErrorCategory, ExecutionId, ExecutionUsage, FinishOnDrop, Hold, InvalidId, LimitActions,
    LlmErrorCode, LongRunningExecutionPolicy, ManualClock, ModelError, ModelKey, MoneyError, NanoUsd, NetworkPolicy,
    OnDrop, Outstanding, OwnedHold, ProcessPolicy, ProcessUsage, ProviderError, ProviderKey, ProviderPolicy, RateLimit,
    RateOn, RatePeriod, RateUnit, RatesRefused, RegisterError, ResourceLimits, Retry, RetryPolicy, ScopeKind,
    ScopeStatus, Settlement, Status, StepId, StepTimeoutGuard, TenantId, TenantPolicy, TenantUsage, TimeSource,
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
pub use shutdown::{Shutdown, ShutdownReport, shutdown};
pub use state::{Halted, Resumed};
pub use step::{StepTimeout, StepTimeoutExt};
pub use stream::{Ended, Flow, Meter, Metered};

/// The code blocks of the migration guide are compiled with the crate's own examples.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migration.md")]
struct MigrationGuide;

//! Kernel-owned limits, quotas and rate limits for agent executions: exact in every interleaving, without a lock on the
//! path that every step takes.
//!
//! An [`Enforcer`] is built once from limits and a clock. Every execution registers with it and asks before each step:
//! [`Execution::reserve`] takes everything a [`Demand`] needs on every limit, all or nothing, and returns a [`Hold`];
//! [`Hold::settle`] records what was really used. A refusal is an [`EnforcementViolation`]: which limit, how much is
//! left, and whether waiting helps.
//!
//! ```
//! use enforce_core::{Actual, Demand, Enforcer, NanoUsd, ResourceLimits};
//!
//! let limits = ResourceLimits { max_steps: 2, max_cost_usd: Some("0.01".parse()?), ..ResourceLimits::default() };
//! let enforcer = Enforcer::builder().limits(limits).build()?;
//! let run = enforcer.execution("exec_1", "tenant_acme").register()?;
//!
//! let hold = run.reserve(Demand::step().tokens(1_200, 2_896).cost(NanoUsd::new(9_000_000)?))?;
//! hold.settle(Actual::tokens(1_187, 412).cost(NanoUsd::new(4_035_000)?)); // what is not used goes back
//!
//! let refused = run.reserve(Demand::step().cost(NanoUsd::new(6_000_000)?)).unwrap_err();
//! assert_eq!(refused.to_string(), "cost_limit exceeded: $0.010035 / $0.01 (100%)");
//! assert_eq!(run.finish().total_tokens, 1_599);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | name | adds | costs | default |
//! |---|---|---|---|
//! | `policy-file` | `PolicyFile`: limits read from a TOML text | the `toml` parser | no |

mod admission;
mod allowance;
mod approval;
mod books;
mod budget;
mod builder;
mod calendar;
mod child;
mod clock;
mod deadline;
mod decision;
mod drain;
mod enforcer;
mod error;
mod event;
mod execution;
mod expiry;
mod extra;
mod family;
mod hold;
mod id;
mod kept;
mod kernel;
mod limits;
mod model;
mod money;
mod names;
mod network;
mod paces;
mod plan;
#[cfg(feature = "policy-file")]
mod policy_file;
mod process;
mod provider;
mod rate_plan;
mod rates;
mod record;
mod register;
mod registry;
mod resource;
mod restore;
mod scope;
mod settings;
mod slots;
mod snapshot;
mod state;
mod step_timeout;
mod supervise;
mod sync;
mod telling;
mod tenant;
mod timekeeper;
mod told;
mod usage;
mod wait;
mod watch;

pub use allowance::{AllowanceKey, AllowanceUsage, UnknownAllowance};
pub use approval::{Approval, ApprovalError, Approved, PauseTicket};
pub use builder::EnforcerBuilder;
pub use child::ChildBuilder;
pub use clock::{Clock, ManualClock, TimeSource, Timestamp};
pub use deadline::{DeadlinesFull, TimedHold};
pub use decision::{
    Cause, EnforcementResult, EnforcementViolation, EnforcementWarning, RatesRefused, Retry, ScopeKind, ViolationType,
};
pub use drain::Drain;
pub use enforcer::Enforcer;
pub use error::{BackoffStrategy, ExecutionError, ExecutionErrorCategory, LlmErrorCode, RetryPolicy, ToolErrorCode};
pub use event::{Event, EventBuffer, EventKind, EventSink};
pub use execution::{DepthGuard, Execution, FinishOnDrop};
pub use expiry::Expired;
pub use family::TreeSnapshot;
pub use hold::{Hold, OwnedHold, Settlement};
pub use id::{ExecutionId, InvalidId, StepId, TenantId};
pub use kept::OnDrop;
pub use limits::{
    Action, Budget, BudgetAmount, BudgetPeriod, BudgetResource, ConfigError, EnforcementPolicy, LimitActions,
    LongRunningExecutionPolicy, ProcessPolicy, ProviderPolicy, RateLimit, RateOn, RatePeriod, RateUnit, ResourceLimits,
    TenantPolicy, UNLIMITED,
};
pub use model::{ModelError, ModelKey};
pub use money::{MoneyError, NanoUsd, ScaledDecimal};
pub use network::NetworkPolicy;
#[cfg(feature = "policy-file")]
pub use policy_file::{PolicyFile, PolicyFileError};
pub use provider::{ProviderError, ProviderKey};
pub use register::{ExecutionBuilder, RegisterError};
pub use resource::{Actual, Demand};
pub use restore::{OpenHolds, RestoreError, RestoreOptions, Restored};
pub use scope::ScopeStatus;
pub use snapshot::{BudgetUsage, Outstanding, ProcessUsage, Status, TenantUsage, UsageSnapshot};
pub use state::{
    AllowanceState, BudgetName, BudgetState, ClosedTenantState, CommittedState, EnforcerState, ExecutionState,
    OutstandingState, PauseState, RateState, RepeatedState, STATE_VERSION, SliceState, SlicedBudget, TenantState,
};
pub use step_timeout::StepTimeoutGuard;
pub use timekeeper::Timekeeper;
pub use usage::ExecutionUsage;
pub use wait::Waiting;
pub use watch::Watch;

/// The program in the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The recipes in the cookbook compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/cookbook.md")]
struct Cookbook;

//! Kernel-owned limits, quotas and rate limits for agent executions: exact in every interleaving, without a lock on the
//! path that every step takes.

mod error;
mod id;
mod limits;
mod money;
#[cfg(feature = "policy-file")]
mod policy_file;

pub use error::{BackoffStrategy, ExecutionError, ExecutionErrorCategory, LlmErrorCode, RetryPolicy, ToolErrorCode};
pub use id::{ExecutionId, StepId, TenantId};
pub use limits::{
    Action, BudgetPeriod, ConfigError, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy, ProviderPolicy,
    ResourceLimits, TenantPolicy, UNLIMITED,
};
pub use money::{MoneyError, NanoUsd};
#[cfg(feature = "policy-file")]
pub use policy_file::{PolicyFile, PolicyFileError};

//! Kernel-owned limits, quotas and rate limits for agent executions: exact in every interleaving, without a lock on the
//! path that every step takes.

mod error;
mod id;
#[expect(dead_code, reason = "the policy above it follows")]
mod kernel;
mod limits;
mod money;
#[cfg(feature = "policy-file")]
mod policy_file;
#[expect(dead_code, reason = "the policy above it follows")]
mod sync;

pub use error::{BackoffStrategy, ExecutionError, ExecutionErrorCategory, LlmErrorCode, RetryPolicy, ToolErrorCode};
pub use id::{ExecutionId, InvalidId, StepId, TenantId};
pub use limits::{
    Action, BudgetPeriod, ConfigError, EnforcementPolicy, LimitActions, LongRunningExecutionPolicy, ProviderPolicy,
    ResourceLimits, TenantPolicy, UNLIMITED,
};
pub use money::{MoneyError, NanoUsd};
#[cfg(feature = "policy-file")]
pub use policy_file::{PolicyFile, PolicyFileError};

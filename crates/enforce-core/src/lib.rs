//! Kernel-owned limits, quotas and rate limits for agent executions: exact in every interleaving, without a lock on the
//! path that every step takes.

mod error;
mod id;
mod money;

pub use error::{BackoffStrategy, ExecutionError, ExecutionErrorCategory, LlmErrorCode, RetryPolicy, ToolErrorCode};
pub use id::{ExecutionId, InvalidId, StepId, TenantId};
pub use money::{MoneyError, NanoUsd};

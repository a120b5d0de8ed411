//! What the module that this crate took its names from got wrong: one test each, named by the defect.
//!
//! Time stands still or is moved by hand; nothing here sleeps.

mod limits;
mod money;
mod races;
mod unknown;

use std::sync::Arc;
use std::time::Duration;

use enforce_async::{
    Actual, Clock, Demand, EnforcementMiddleware, EnforcementResult, EnforcementViolation, Enforcer, ExecutionId,
    LongRunningExecutionPolicy, ManualClock, NanoUsd, ProviderPolicy, RatesRefused, RegisterError, ResourceLimits,
    Retry, Status, TenantId, ViolationType,
};
use tokio::sync::Barrier;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const TASKS: u64 = 64;

fn tenant() -> TenantId {
    TenantId::from("tenant_acme")
}

fn unlimited() -> ResourceLimits {
    ResourceLimits::unlimited()
}

fn disabled() -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy::disabled()
}

fn blocked(result: EnforcementResult) -> Option<EnforcementViolation> {
    match result {
        EnforcementResult::Blocked(violation) => Some(violation),
        _ => None,
    }
}

/// A middleware whose executions have no limits, on a clock that is moved by hand.
fn by_hand() -> Result<(EnforcementMiddleware, ManualClock), Box<dyn std::error::Error>> {
    let time = ManualClock::new();
    let enforcer = Enforcer::builder().clock(Clock::manual(&time)).build()?;
    Ok((EnforcementMiddleware::new_over(enforcer), time))
}

async fn registered(middleware: &EnforcementMiddleware) -> Result<ExecutionId, RegisterError> {
    let id = ExecutionId::new();
    middleware.register_execution(id.clone(), tenant()).await?;
    Ok(id)
}

//! Limits of time that come although nobody asks: who is found when, and what becomes of them.

use enforce_core::{
    Action, Cause, EnforcementPolicy, Enforcer, Execution, Expired, LongRunningExecutionPolicy, ManualClock,
    ResourceLimits, Timestamp, ViolationType,
};

use crate::common::{NOON, builder, disabled, noon, unlimited};
use crate::limits::all;

mod boundaries;
mod changes;
mod clocks;
mod crowd;
mod idleness;
mod oracle;
mod threads;

pub(crate) const MS: u64 = 1_000_000;

/// No grace.
fn exact(action: Action) -> EnforcementPolicy {
    EnforcementPolicy { timeout_grace_ms: 0, ..all(action) }
}

fn wall(ms: u64) -> ResourceLimits {
    ResourceLimits { max_wall_time_ms: ms, ..unlimited() }
}

fn active(ms: u64) -> ResourceLimits {
    ResourceLimits { max_active_time_ms: Some(ms), ..unlimited() }
}

fn idle(seconds: u64) -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy { idle_timeout_seconds: Some(seconds), ..disabled() }
}

/// At noon, limits without grace that halt.
fn halting(limits: ResourceLimits, long_running: LongRunningExecutionPolicy) -> (ManualClock, Enforcer) {
    let time = noon();
    let builder = builder(&time).limits(limits).long_running(long_running).policy(exact(Action::Halt));
    let enforcer = builder.build().unwrap();
    (time, enforcer)
}

const WALL: Cause = Cause::own(ViolationType::WallTimeLimit);
const IDLE: Cause = Cause::own(ViolationType::IdleTimeout);

/// Whom a call has found, and why.
fn found(expired: &Expired) -> Vec<(&str, Cause)> {
    expired.executions.iter().map(|(execution, cause)| (execution.id(), *cause)).collect()
}

fn expire(enforcer: &Enforcer) -> usize {
    enforcer.expire().executions.len()
}

fn after_noon(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(NOON + nanos)
}

fn is_live(execution: &Execution) -> bool {
    execution.status() == enforce_core::Status::Live
}

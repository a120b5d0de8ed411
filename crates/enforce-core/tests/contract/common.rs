//! What the tests share: an enforcer on a clock that stands still, and short names.

use std::time::Duration;

use enforce_core::{
    Clock, Enforcer, EnforcerBuilder, Execution, LongRunningExecutionPolicy, ManualClock, NanoUsd, ResourceLimits,
    Timestamp, ViolationType,
};

/// The largest amount.
pub(crate) const MAX: u64 = (1 << 56) - 1;

/// Noon of a day, in nanoseconds since the Unix epoch.
pub(crate) const NOON: u64 = 19_000 * DAY + DAY / 2;

/// A day in nanoseconds.
pub(crate) const DAY: u64 = 86_400 * SECOND;

/// A second in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A clock that stands at noon.
pub(crate) fn noon() -> ManualClock {
    ManualClock::starting_at(Timestamp::from_nanos(NOON))
}

/// A builder of an enforcer on `time`.
pub(crate) fn builder(time: &ManualClock) -> EnforcerBuilder {
    Enforcer::builder().clock(Clock::manual(time))
}

/// An execution with these limits, on a clock of its own.
pub(crate) fn run(limits: ResourceLimits) -> Execution {
    run_on(&noon(), limits, LongRunningExecutionPolicy::disabled())
}

/// An execution with these long-running limits, on a clock of its own.
pub(crate) fn run_long(long_running: LongRunningExecutionPolicy) -> Execution {
    run_on(&noon(), unlimited(), long_running)
}

/// An execution with these limits.
pub(crate) fn run_on(
    time: &ManualClock,
    limits: ResourceLimits,
    long_running: LongRunningExecutionPolicy,
) -> Execution {
    register(&builder(time).limits(limits).long_running(long_running).build().unwrap(), "exec", "tenant")
}

/// Registers or panics.
pub(crate) fn register(enforcer: &Enforcer, id: &str, tenant: &str) -> Execution {
    enforcer.execution(id, tenant).register().unwrap()
}

/// No limit.
pub(crate) fn unlimited() -> ResourceLimits {
    ResourceLimits::unlimited()
}

/// No long-running limit.
pub(crate) fn disabled() -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy::disabled()
}

/// So many nano-dollars.
pub(crate) fn nano(amount: u64) -> NanoUsd {
    NanoUsd::new(amount).unwrap()
}

/// Moves the clock forwards.
pub(crate) fn pass(time: &ManualClock, nanos: u64) {
    time.advance(Duration::from_nanos(nanos));
}

/// Which limit refused.
pub(crate) fn kind<T>(outcome: Result<T, enforce_core::EnforcementViolation>) -> Option<ViolationType> {
    outcome.err().map(|violation| violation.violation_type)
}

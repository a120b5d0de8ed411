//! What the tests share: enforcers on tokio's time, and futures that are polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use enforce_async::{
    Cause, Clock, Demand, EnforcementViolation, Enforcer, EnforcerBuilder, Execution, LongRunningExecutionPolicy,
    ResourceLimits, Timestamp, TokioClock, ViolationType,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const REQUESTED: Cause = Cause::own(ViolationType::Requested);

/// A builder of an enforcer that follows tokio's time.
pub(crate) fn builder() -> EnforcerBuilder {
    Enforcer::builder().clock(Clock::custom(since_noon()))
}

/// Tokio's time, from the same moment in every run: where the buckets of deadlines begin depends on it.
pub(crate) fn since_noon() -> TokioClock {
    TokioClock::starting_at(Timestamp::from_nanos(1_641_643_200_000_000_000))
}

/// An execution with these limits.
pub(crate) fn run_of(limits: ResourceLimits) -> Execution {
    register(&builder().limits(limits).build().unwrap(), "exec")
}

/// An execution with this idle timeout.
pub(crate) fn idle_after(seconds: u64) -> Execution {
    let idle_timeout_seconds = Some(seconds);
    let policy = LongRunningExecutionPolicy { idle_timeout_seconds, ..LongRunningExecutionPolicy::disabled() };
    register(&builder().long_running(policy).build().unwrap(), "exec")
}

pub(crate) fn register(enforcer: &Enforcer, id: &str) -> Execution {
    enforcer.execution(id, "tenant").register().unwrap()
}

/// So many tokens in all.
pub(crate) fn tokens(max: u64) -> ResourceLimits {
    ResourceLimits { max_tokens: max, ..ResourceLimits::unlimited() }
}

/// So much wall time; the grace is a second.
pub(crate) fn wall(ms: u64) -> ResourceLimits {
    ResourceLimits { max_wall_time_ms: ms, ..ResourceLimits::unlimited() }
}

/// A demand of so many tokens and nothing else.
pub(crate) fn of(amount: u64) -> Demand {
    Demand::none().tokens(amount, 0)
}

pub(crate) fn kind<T>(outcome: Result<T, EnforcementViolation>) -> Option<ViolationType> {
    outcome.err().map(|violation| violation.violation_type)
}

/// Counts how often it was called.
#[derive(Default)]
#[expect(clippy::disallowed_types, reason = "what has happened elsewhere is told by a number")]
pub(crate) struct Bell(std::sync::atomic::AtomicU64);

impl Bell {
    /// How often it was called since it was last asked.
    pub(crate) fn rung(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future that is polled by hand.
pub(crate) struct ByHand<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    pub(crate) bell: Arc<Bell>,
}

impl<'a, T> ByHand<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), bell: Arc::default() }
    }

    /// What came of it, if anything has.
    pub(crate) fn poll(&mut self) -> Option<T> {
        match self.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.bell)))) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }
}

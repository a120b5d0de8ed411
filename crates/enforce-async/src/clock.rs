//! Tokio's time as an enforcer's.

use std::time::{SystemTime, UNIX_EPOCH};

use enforce_core::{TimeSource, Timestamp};
use tokio::time::Instant;

/// Time that follows tokio's: it stands still while a test has paused that, and moves with it. Otherwise it is the
/// system's monotonic clock.
///
/// ```
/// use std::time::Duration;
/// use enforce_async::{Clock, Demand, Enforcer, ResourceLimits, TokioClock};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limits = ResourceLimits { max_wall_time_ms: 5_000, ..ResourceLimits::unlimited() };
/// let enforcer = Enforcer::builder().limits(limits).clock(Clock::custom(TokioClock::new())).build()?;
/// let run = enforcer.execution("exec_1", "tenant_acme").register()?;
/// tokio::time::advance(Duration::from_secs(6)).await; // the limit and its grace
/// assert!(run.reserve(Demand::step()).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    begin: Instant,
    at: Timestamp,
}

impl TokioClock {
    /// One that begins at the system's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "it is a clock: its offset to UTC is read once, here")]
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp::ZERO.saturating_add(since))
    }

    /// One that begins at this moment.
    #[must_use]
    pub fn starting_at(at: Timestamp) -> Self {
        Self { begin: Instant::now(), at }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeSource for TokioClock {
    fn now(&self) -> Timestamp {
        self.at.saturating_add(Instant::now().saturating_duration_since(self.begin))
    }
}

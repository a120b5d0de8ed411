//! What tells that an execution is over, in time.

use std::fmt;
use std::task::{Context, Poll, ready};

use enforce_core::{Cause, EnforcementViolation, Execution, ExecutionError, Watch};

use crate::alarm::Alarm;

/// Why an execution's work was stopped: it was halted, it has ended, or its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped(EnforcementViolation);

impl Stopped {
    /// What every demand is told from now on.
    #[must_use]
    pub const fn violation(&self) -> EnforcementViolation {
        self.0
    }

    /// The limit that has stopped it; `None` where somebody has ended it.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        use enforce_core::ViolationType::{Closed, Halted, Paused};
        match self.0.violation_type {
            Halted | Paused | Closed => self.0.cause,
            _ => Some(self.0.as_cause()),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped: {}", self.0)
    }
}

impl std::error::Error for Stopped {}

impl From<Stopped> for EnforcementViolation {
    fn from(stopped: Stopped) -> Self {
        stopped.0
    }
}

impl From<Stopped> for ExecutionError {
    fn from(stopped: Stopped) -> Self {
        stopped.0.to_error()
    }
}

/// Watches the state and the times of one execution.
#[derive(Debug)]
pub(crate) struct Leash {
    watch: Watch,
    alarm: Alarm,
}

impl Leash {
    pub(crate) fn of(execution: &Execution) -> Self {
        Self { watch: execution.watch(), alarm: Alarm::default() }
    }

    /// Ready when it is over, and from then on.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        loop {
            if let Poll::Ready(violation) = self.watch.poll_over(cx.waker()) {
                self.alarm = Alarm::default();
                return Poll::Ready(Stopped(violation));
            }
            let clock = self.watch.execution().clock();
            ready!(self.alarm.poll(cx, self.watch.wake_at(), || clock.now()));
        }
    }
}

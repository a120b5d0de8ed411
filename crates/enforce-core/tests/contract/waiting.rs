//! Waiting in line: who is woken (W1), in which order they are served (F1), and when waiting is pointless.

mod changes;
mod ends;
mod order;
mod parked;
mod wakes;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Wake, Waker};

use enforce_core::{Demand, EnforcementViolation, Execution, ManualClock, OwnedHold, ResourceLimits, Waiting};

use crate::common::unlimited;

/// Counts how often it was called.
#[derive(Default)]
#[expect(clippy::disallowed_types, reason = "what has happened in another thread is told by a number")]
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

/// A demand that waits, and its bell.
struct Waiter {
    waiting: Waiting,
    bell: Arc<Bell>,
    time: ManualClock,
}

impl Waiter {
    fn of(run: &Execution, time: &ManualClock, demand: Demand) -> Self {
        Self { waiting: run.wait_for(demand), bell: Arc::default(), time: time.clone() }
    }

    /// Begins to wait: nobody has room for it.
    fn begin(run: &Execution, time: &ManualClock, demand: Demand) -> Self {
        let mut waiter = Self::of(run, time, demand);
        assert!(waiter.poll().is_none(), "it has to wait");
        assert_eq!(waiter.rung(), 0, "nothing has happened yet");
        waiter
    }

    /// What came of it, if anything has.
    fn poll(&mut self) -> Option<Result<OwnedHold, EnforcementViolation>> {
        match self.waiting.poll_at(&Waker::from(Arc::clone(&self.bell)), self.time.now()) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }

    /// How often it was woken since it was last asked.
    fn rung(&self) -> u64 {
        self.bell.rung()
    }

    /// The hold that it gets now that it was woken.
    fn admitted(&mut self) -> OwnedHold {
        assert!(self.rung() > 0, "woken");
        self.poll().expect("there is room").expect("it is admitted")
    }
}

/// So many tokens in all.
fn tokens(max: u64) -> ResourceLimits {
    ResourceLimits { max_tokens: max, ..unlimited() }
}

/// A demand of so many tokens and nothing else.
fn of(amount: u64) -> Demand {
    Demand::none().tokens(amount, 0)
}

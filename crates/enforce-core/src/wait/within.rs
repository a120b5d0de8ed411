//! Threads that wait for room for a given time.

use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use crate::admission;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, Retry};
use crate::execution::Execution;
use crate::hold::{Hold, OwnedHold, Receipt};
use crate::resource::Demand;
use crate::sync::Arc;
use crate::told::Asked;

impl Execution {
    /// [`Execution::reserve`] that waits for room for up to `within`, by the enforcer's clock, and parks the thread
    /// meanwhile. It waits its turn: [`Waiting`](crate::Waiting) says where and behind whom. If it is admitted at once, it costs what
    /// `reserve` costs.
    ///
    /// A clock of the user's own ([`Clock::custom`](crate::Clock::custom)) is looked at again every ten milliseconds; any
    /// other wakes the thread in time.
    ///
    /// # Errors
    /// At once where waiting is pointless, as [`Waiting::poll_at`](crate::Waiting::poll_at) says; else what refused it last when the time was over.
    /// Nothing is taken then, and the place in line is given up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::{Demand, Enforcer, ResourceLimits, Retry};
    ///
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
    /// let (wait, hold) = (Duration::from_millis(1), run.reserve(Demand::step().tokens(600, 300))?);
    ///
    /// let refused = run.reserve_within(Demand::step().tokens(100, 100), wait).unwrap_err();
    /// assert_eq!(refused.retry, Retry::WhenFreed); // nobody gave back in time
    /// std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| run.reserve_within(Demand::step().tokens(100, 100), Duration::from_secs(60)).is_ok());
    ///     drop(hold);
    ///     assert!(waiter.join().is_ok_and(|admitted| admitted));
    /// });
    /// assert!(run.reserve_within(Demand::step().tokens(1_001, 0), Duration::MAX).is_err()); // would never fit
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve_within(&self, demand: Demand, within: Duration) -> Result<Hold<'_>, EnforcementViolation> {
        self.receipt_within(demand, within).map(|receipt| Hold::new(self, receipt))
    }

    /// [`Execution::reserve_within`] for a hold that outlives the borrow.
    ///
    /// # Errors
    /// As [`Execution::reserve_within`].
    pub fn reserve_owned_within(&self, demand: Demand, within: Duration) -> Result<OwnedHold, EnforcementViolation> {
        self.receipt_within(demand, within).map(|receipt| OwnedHold::new(self.clone(), receipt))
    }

    fn receipt_within(&self, demand: Demand, within: Duration) -> Result<Receipt, EnforcementViolation> {
        match admission::reserve_or_wait(self.record(), &demand) {
            Err(refused) if refused.retry != Retry::Never => self.wait_within(demand, within),
            ended => ended.inspect_err(|refused| self.tell_refused(&demand, refused, None)),
        }
    }

    #[cold]
    fn wait_within(&self, demand: Demand, within: Duration) -> Result<Receipt, EnforcementViolation> {
        let clock = &self.record().core().clock;
        let (waker, mut now) = (Unpark::waker(), clock.now());
        let until = now.saturating_add(within);
        let mut waiting = self.wait_for(demand);
        loop {
            match waiting.poll_receipt(&waker, now) {
                Poll::Ready(ended) => return ended,
                Poll::Pending => {
                    if now >= until
                        && let Some(refused) = waiting.give_up_at(now)
                    {
                        return Err(refused);
                    }
                    clock.park(waiting.wake_at().map_or(until, |wake_at| wake_at.min(until)), now, &waker);
                }
            }
            now = clock.now();
        }
    }

    /// Tells that waiting came to nothing.
    #[cold]
    pub(super) fn tell_refused(&self, demand: &Demand, refused: &EnforcementViolation, at: Option<Timestamp>) {
        self.record().tell_refused(Asked::Demand, refused, Some(demand), at);
    }
}

/// Wakes a thread that is parked.
pub(crate) struct Unpark(Thread);

impl Unpark {
    /// Of this thread.
    pub(crate) fn waker() -> Waker {
        Waker::from(Arc::new(Self(std::thread::current())))
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

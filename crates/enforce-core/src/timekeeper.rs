//! Deadlines, for whoever has a timer.

use std::fmt;
use std::task::Waker;

use crate::clock::Timestamp;
use crate::enforcer::Enforcer;
use crate::kernel::queue::Ticket;
use crate::registry::Core;
use crate::sync::{Arc, Weak};

/// How many executions a turn looks at, and how many holds it ends, at most. A turn runs in a task of somebody's runtime,
/// whose worker does nothing else meanwhile: a thousand take it about a millisecond, a million a second.
const MOST: usize = 1_024;

/// Ends what is due, and says when something will be: what a timer needs to make an enforcer's deadlines come by
/// themselves. It covers what [`Enforcer::expire`] does: limits of time of executions, and deadlines of holds.
///
/// **Progress.** Each turn enters its waker and looks for the earliest deadline only then, so a hold or an execution that
/// gets an earlier one behind the look calls the waker (W1), in the thread that gives it. One that leaves calls nobody: the
/// turn at its deadline finds nothing.
///
/// A turn takes bounded time: it looks at 1,024 executions and ends 1,024 holds at most. If more are due it says so, by the
/// very time that it was given, and whoever turns it lets others run in between.
///
/// It keeps neither the enforcer nor what belongs to it, a sink of events among that: once that and all handles are gone
/// there is nothing to be ended. Dropping it leaves everything as it is.
///
/// ```
/// use std::task::Waker;
/// use std::time::Duration;
/// use enforce_core::{Clock, Demand, Enforcer, ManualClock};
///
/// let time = ManualClock::new();
/// let enforcer = Enforcer::builder().clock(Clock::manual(&time)).build()?;
/// let run = enforcer.execution("exec_1", "tenant_a").register()?;
/// let mut keeper = enforcer.timekeeper();
/// assert_eq!(keeper.turn_at(Waker::noop(), time.now()), None);
///
/// let deadline = time.now().saturating_add(Duration::from_secs(60));
/// std::mem::forget(run.reserve_owned(Demand::step().tokens(600, 300))?.with_deadline(deadline)?); // calls the waker
/// assert_eq!(keeper.turn_at(Waker::noop(), time.now()), Some(deadline));
/// assert_eq!(keeper.turn_at(Waker::noop(), deadline), None);
/// assert_eq!(run.snapshot().outstanding.tokens, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is ended but in its turns"]
pub struct Timekeeper {
    core: Weak<Core>,
    ticket: Option<Ticket>,
}

impl Timekeeper {
    /// Ends what is due at `now`, a bounded number. When it has to turn again, unless its waker is called before: later than
    /// `now`; or `now` itself, which means at once, because more is due. Nobody is called for that, so turn until it says
    /// something else.
    ///
    /// ```
    /// use std::task::Waker;
    /// use enforce_core::{Clock, Demand, Enforcer, ManualClock};
    ///
    /// let time = ManualClock::new();
    /// let enforcer = Enforcer::builder().clock(Clock::manual(&time)).build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// for _ in 0..2_000 {
    ///     std::mem::forget(run.reserve_owned(Demand::none().tokens(1, 0))?.with_deadline(time.now())?);
    /// }
    /// let mut keeper = enforcer.timekeeper();
    /// assert_eq!(keeper.turn_at(Waker::noop(), time.now()), Some(time.now()));
    /// assert_eq!(keeper.turn_at(Waker::noop(), time.now()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn turn_at(&mut self, waker: &Waker, now: Timestamp) -> Option<Timestamp> {
        let core = self.core.upgrade()?;
        let deadlines = &core.deadlines;
        match self.ticket {
            Some(ticket) => {
                let _first = deadlines.keepers.stand(ticket, waker.clone());
            }
            None => self.ticket = Some(deadlines.keepers.join(waker.clone(), 0, || ())),
        }
        // Before the look: whoever gets an earlier deadline behind it calls the waker, whatever it is (W1).
        deadlines.sleep_until(None);
        core.expire(now, MOST);
        // What is due is left over, or came in between. The last moment of the clock never comes.
        let first = core.next_expiry().filter(|first| first.as_nanos() < u64::MAX);
        let next = first.map(|first| first.max(now));
        // Also where that is `now`: what comes in from here on is seen by the turn that follows at once (W1).
        deadlines.sleep_until(next);
        next
    }
}

impl Enforcer {
    /// Begins to keep its deadlines. One is enough; several share the work.
    pub fn timekeeper(&self) -> Timekeeper {
        Timekeeper { core: Arc::downgrade(self.core()), ticket: None }
    }
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        if let (Some(ticket), Some(core)) = (self.ticket, self.core.upgrade()) {
            core.deadlines.keepers.quit(ticket);
        }
    }
}

impl fmt::Debug for Timekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timekeeper").finish_non_exhaustive()
    }
}

//! Deadlines, for whoever has a timer.

use std::fmt;
use std::task::Waker;

use crate::clock::Timestamp;
use crate::enforcer::Enforcer;
use crate::kernel::queue::Ticket;
use crate::registry::Core;
use crate::sync::{Arc, Weak};

/// Ends what is due, and says when something will be: what a timer needs to make an enforcer's deadlines come by
/// themselves. It covers what [`Enforcer::expire`] does: limits of time of executions, and deadlines of holds.
///
/// **Progress.** Each turn enters its waker and looks for the earliest deadline only then, so a hold or an execution that
/// gets an earlier one behind the look calls the waker (W1), in the thread that gives it. One that leaves calls nobody: the
/// turn at its deadline finds nothing.
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
    /// Ends what is due at `now`. When it has to turn again, later than `now`, unless its waker is called before.
    pub fn turn_at(&mut self, waker: &Waker, now: Timestamp) -> Option<Timestamp> {
        let core = self.core.upgrade()?;
        let deadlines = &core.deadlines;
        match self.ticket {
            Some(ticket) => {
                let _first = deadlines.keepers.stand(ticket, waker.clone());
            }
            None => self.ticket = Some(deadlines.keepers.join(waker.clone(), 0, || ())),
        }
        loop {
            // Before the look: whoever gets an earlier deadline behind it calls the waker, whatever it is (W1).
            deadlines.sleep_until(None);
            core.expire(now, usize::MAX);
            match core.next_expiry() {
                // One that came in between.
                Some(first) if first <= now => {}
                next => {
                    deadlines.sleep_until(next);
                    return next;
                }
            }
        }
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

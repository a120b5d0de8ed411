//! Waiting for room: in line, until a demand is admitted or waiting is pointless.

use std::fmt;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use crate::admission::{self, Obstacle, Refused};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, Retry};
use crate::execution::Execution;
use crate::extra::Extra;
use crate::hold::{Hold, OwnedHold, Receipt};
use crate::kernel::queue::{Found, Queue, Ticket, Turn};
use crate::kernel::tally::{Tally, WAITERS};
use crate::rates::Keys;
use crate::record::Record;
use crate::resource::{Demand, Resource};
use crate::sync::{Arc, yield_now};

/// How often one look goes from line to line before it lets others run.
const MOVES: usize = 16;

/// A demand that waits: for callers who have something better to do than to park a thread. [`Execution::reserve_within`]
/// is built on it, and so is whatever awaits.
///
/// It stands in the line of the first limit that has no room for it: the execution's, a parent's, the tenant's budget, or
/// a rate. Each line is served in order: while somebody waits there, nobody who asks later takes anything that is waited
/// for, so a large demand gets its turn (F1). Only the first of a line looks for room, and it keeps none in one place
/// while it waits in another.
///
/// **Progress.** Poll it with a waker; it is called when there may be room: when holds give back, limits are raised, a
/// pause is approved, the execution is halted or ends (W1). Time wakes nobody: poll it again at [`Waiting::wake_at`], too.
/// The waker is called by whoever frees room, in their thread: it should schedule work and not do it.
///
/// **Cancel safety.** Dropping it leaves the line and takes nothing; the next in line is woken.
#[must_use = "it waits only while it is polled"]
pub struct Waiting {
    execution: Execution,
    demand: Demand,
    standing: Option<Standing>,
    refused: Option<EnforcementViolation>,
    wake_at: Option<Timestamp>,
}

/// Where it stands.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// Among those of its execution that wait, wherever they do.
    own: Ticket,
    at: Obstacle,
    ticket: Ticket,
}

impl Waiting {
    pub(crate) const fn new(execution: Execution, demand: Demand) -> Self {
        Self { execution, demand, standing: None, refused: None, wake_at: None }
    }

    /// Looks for room at `now`: the hold, or why waiting is pointless. Once it is ready, it begins anew.
    ///
    /// # Errors
    /// As [`Execution::reserve`], where waiting does not help: the limit is used up for good, the execution is halted or
    /// has ended, or as many demands wait as may ([`EnforcerBuilder::max_waiters`](crate::EnforcerBuilder::max_waiters)).
    pub fn poll_at(&mut self, waker: &Waker, now: Timestamp) -> Poll<Result<OwnedHold, EnforcementViolation>> {
        let polled = self.poll_receipt(waker, now);
        polled.map(|ended| ended.map(|receipt| OwnedHold::new(self.execution.clone(), receipt)))
    }

    /// [`Waiting::poll_at`] without a handle for the hold.
    pub(crate) fn poll_receipt(
        &mut self,
        waker: &Waker,
        now: Timestamp,
    ) -> Poll<Result<Receipt, EnforcementViolation>> {
        if self.standing.is_none()
            && let Some(ended) = self.enter(waker, now)
        {
            return Poll::Ready(ended);
        }
        let Some(mut standing) = self.standing else { return Poll::Pending };
        // Before the look: a halt from here on calls this waker (W1).
        self.waiters().stand(standing.own, waker.clone());
        for _ in 0..MOVES {
            let at = standing.at;
            let look = || match admission::reserve_in_line(self.record(), &self.demand, now, Some(at)) {
                Err(refused) if refused.obstacle == at && refused.violation.retry != Retry::Never => {
                    Found::Nothing(Err(refused))
                }
                ended => Found::Something(ended),
            };
            let Turn::Looked(ended) = self.line(at).turn(standing.ticket, waker.clone(), || self.mark(at), look) else {
                return self.stay_behind(now);
            };
            let Refused { violation, obstacle } = match ended {
                Ok(receipt) => return self.ready(Ok(receipt)),
                Err(refused) => refused,
            };
            self.refused = Some(violation);
            if violation.retry == Retry::Never {
                return self.ready(Err(violation));
            }
            match obstacle {
                Obstacle::Passing => yield_now(),
                here if here == at => return self.stay(&violation, now),
                // It keeps no room here while it waits there (F1).
                other => {
                    self.leave(at, standing.ticket);
                    standing = Standing { at: other, ticket: self.join(other, waker), ..standing };
                    self.standing = Some(standing);
                }
            }
        }
        waker.wake_by_ref();
        Poll::Pending
    }

    /// When it has to be polled again even if nobody calls its waker: when a rate has room again, or a deadline of its
    /// execution comes. `None` while only others can help.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// What refused it last.
    #[must_use]
    pub fn refused(&self) -> Option<EnforcementViolation> {
        self.refused
    }

    /// Asks as anyone who does not wait, and gets in line if that is refused; what came of it otherwise.
    fn enter(&mut self, waker: &Waker, now: Timestamp) -> Option<Result<Receipt, EnforcementViolation>> {
        let refused = match admission::reserve_in_line(self.record(), &self.demand, now, None) {
            Ok(receipt) => return Some(Ok(receipt)),
            Err(refused) => refused,
        };
        let Refused { violation, obstacle } = refused;
        self.refused = Some(violation);
        if violation.retry == Retry::Never || self.record().core().waiters.take(1).is_err() {
            return Some(Err(violation));
        }
        let own = self.waiters().join(waker.clone(), || ());
        // What passes in a moment is waited for at home.
        let at = if obstacle == Obstacle::Passing { Obstacle::Scope(0) } else { obstacle };
        self.standing = Some(Standing { own, at, ticket: self.join(at, waker) });
        None
    }

    /// Goes on waiting as the first in line.
    fn stay(&mut self, refused: &EnforcementViolation, now: Timestamp) -> Poll<Result<Receipt, EnforcementViolation>> {
        let refilled = match refused.retry {
            Retry::After(delay) => Some(now.saturating_add(delay)),
            Retry::WhenFreed | Retry::AfterApproval | Retry::Never => None,
        };
        self.wake_at = refilled.into_iter().chain(self.deadline_after(now)).min();
        Poll::Pending
    }

    /// Goes on waiting behind others, unless its execution has ended.
    fn stay_behind(&mut self, now: Timestamp) -> Poll<Result<Receipt, EnforcementViolation>> {
        let over = self.record().deadline().is_some_and(|deadline| deadline <= now);
        let state = self.record().state();
        if state.is_halted() || state.is_finished() || (over && !state.is_paused()) {
            // Asks once as anyone who does not wait: that says why, and carries out what there is to be carried out.
            let ended = admission::reserve_in_line(self.record(), &self.demand, now, None);
            return self.ready(ended.map_err(|refused| refused.violation));
        }
        self.wake_at = self.deadline_after(now);
        Poll::Pending
    }

    /// When its execution's time is over. One that has passed waits for the end of a pause, which calls the waker.
    fn deadline_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.record().deadline().filter(|deadline| *deadline > now)
    }

    fn ready(&mut self, ended: Result<Receipt, EnforcementViolation>) -> Poll<Result<Receipt, EnforcementViolation>> {
        self.step_out();
        Poll::Ready(ended)
    }

    /// Leaves every line.
    fn step_out(&mut self) {
        if let Some(Standing { own, at, ticket }) = self.standing.take() {
            self.waiters().quit(own);
            self.leave(at, ticket);
            self.record().core().waiters.give(1);
        }
        self.wake_at = None;
    }

    fn record(&self) -> &Record {
        self.execution.record()
    }

    fn extra(&self) -> &Extra {
        self.record().extra_or_new()
    }

    fn waiters(&self) -> &Queue {
        &self.extra().waiters
    }

    /// The record at that level: its execution, or a pool above it.
    fn scope(&self, level: usize) -> Option<&Record> {
        std::iter::once(self.record()).chain(self.record().pools()).nth(level)
    }

    /// The line at an obstacle.
    fn line(&self, at: Obstacle) -> &Queue {
        let record = self.record();
        let line = match at {
            Obstacle::Scope(level) => self.scope(level).map(|scope| &scope.extra_or_new().line),
            Obstacle::Tenant => Some(&record.tenant.line),
            Obstacle::Rate(number) => {
                let met = record.core().rates.met(&record.tenant, Keys::of(&self.demand));
                met.ok().and_then(|met| met.line(number))
            }
            Obstacle::Passing => None,
        };
        // Parents stay parents and rates stay rates, so where a demand was refused there is a line.
        line.unwrap_or_else(|| &self.extra().line)
    }

    fn join(&self, at: Obstacle, waker: &Waker) -> Ticket {
        self.line(at).join(waker.clone(), || {
            self.mark(at);
        })
    }

    fn leave(&self, at: Obstacle, ticket: Ticket) {
        if let Some(next) = self.line(at).leave(ticket, || self.unmark(at)) {
            next.wake();
        }
    }

    /// Bars the words that it waits for, which are those that it asks something of and those in debt, to everybody who
    /// does not wait there. Whether one of them bore no mark.
    fn mark(&self, at: Obstacle) -> bool {
        let waits_for = |tally: &Tally| !tally.word().has_waiters() && !tally.mark(WAITERS).has_waiters();
        match at {
            Obstacle::Scope(level) => {
                let Some(record) = self.scope(level) else { return false };
                let tallies = Resource::ALL.map(|resource| (self.demand.amount(resource), record.hot.tally(resource)));
                let blocking = |(amount, tally): &(u64, &Tally)| *amount > 0 || tally.word().remaining() < 0;
                tallies.into_iter().filter(blocking).filter(|(_, tally)| waits_for(tally)).count() > 0
            }
            Obstacle::Tenant => self.record().tenant.current_window().is_some_and(|window| waits_for(&window.tally)),
            // Who waits for a rate is counted at its line, and looked for there.
            Obstacle::Rate(_) | Obstacle::Passing => false,
        }
    }

    fn unmark(&self, at: Obstacle) {
        match at {
            Obstacle::Scope(level) => {
                let Some(record) = self.scope(level) else { return };
                for resource in Resource::ALL {
                    record.hot.tally(resource).unmark(WAITERS);
                }
            }
            Obstacle::Tenant => {
                if let Some(window) = self.record().tenant.current_window() {
                    window.tally.unmark(WAITERS);
                }
            }
            Obstacle::Rate(_) | Obstacle::Passing => {}
        }
    }
}

impl Execution {
    /// [`Execution::reserve`] that waits for room for up to `within`, by the enforcer's clock, and parks the thread
    /// meanwhile. It waits its turn: [`Waiting`] says where and behind whom. If it is admitted at once, it costs what
    /// `reserve` costs.
    ///
    /// A clock of the user's own ([`Clock::custom`](crate::Clock::custom)) is looked at again every ten milliseconds; any
    /// other wakes the thread in time.
    ///
    /// # Errors
    /// At once where waiting is pointless, as [`Waiting::poll_at`] says; else what refused it last when the time was over.
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
        match admission::reserve(self.record(), &demand, None) {
            Err(refused) if refused.retry != Retry::Never => self.wait_within(demand, within),
            ended => ended,
        }
    }

    #[cold]
    fn wait_within(&self, demand: Demand, within: Duration) -> Result<Receipt, EnforcementViolation> {
        let clock = &self.record().core().clock;
        let (waker, mut now) = (Waker::from(Arc::new(Unpark(std::thread::current()))), clock.now());
        let until = now.saturating_add(within);
        let mut waiting = self.wait_for(demand);
        loop {
            match waiting.poll_receipt(&waker, now) {
                Poll::Ready(ended) => return ended,
                Poll::Pending => match waiting.refused.filter(|_| now >= until) {
                    Some(refused) => return Err(refused),
                    None => clock.park(waiting.wake_at().map_or(until, |wake_at| wake_at.min(until)), now, &waker),
                },
            }
            now = clock.now();
        }
    }

    /// Begins to wait for `demand`: a [`Waiting`] that the caller polls.
    ///
    /// ```
    /// use std::task::{Poll, Waker};
    /// use enforce_core::{Demand, Enforcer, ResourceLimits, Timestamp};
    ///
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
    /// let hold = run.reserve(Demand::step().tokens(600, 300))?;
    ///
    /// let (now, waker) = (Timestamp::ZERO, Waker::noop());
    /// let mut waiting = run.wait_for(Demand::step().tokens(100, 100));
    /// assert!(waiting.poll_at(waker, now).is_pending());
    /// drop(hold); // calls the waker
    /// assert!(matches!(waiting.poll_at(waker, now), Poll::Ready(Ok(_))));
    ///
    /// let mut pointless = run.wait_for(Demand::step().tokens(1_001, 0));
    /// assert!(matches!(pointless.poll_at(waker, now), Poll::Ready(Err(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for(&self, demand: Demand) -> Waiting {
        Waiting::new(self.clone(), demand)
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.step_out();
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("execution", &self.execution.id())
            .field("demand", &self.demand)
            .field("refused", &self.refused)
            .field("wake_at", &self.wake_at)
            .finish_non_exhaustive()
    }
}

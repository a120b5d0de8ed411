//! Waiting for room: in line, until a demand is admitted or waiting is pointless.

mod times;
mod within;

pub(crate) use self::within::Unpark;

use std::fmt;
use std::task::{Poll, Waker};

use crate::admission::{self, Obstacle, Refused};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, Retry};
use crate::execution::Execution;
use crate::extra::Extra;
use crate::hold::{OwnedHold, Polling, Receipt};
use crate::kernel::queue::{Found, Queue, Ticket, Turn};
use crate::kernel::tally::{Tally, WAITERS};
use crate::rates::{Keys, Met};
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
#[derive(Debug)]
struct Standing {
    /// Among those of its execution that wait, wherever they do.
    own: Ticket,
    place: Place,
    ticket: Ticket,
}

/// A line.
#[derive(Debug, Clone)]
enum Place {
    /// At the execution, or at the pool of that number above it.
    Scope(usize),
    /// At its tenant's budgets.
    Tenant,
    /// At the process's budgets.
    Process,
    /// At a rate. Rates change, and with them their numbers; the line stays.
    Rate(Arc<Queue>),
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
        let polled = self.poll_in_line(waker, now);
        if let Poll::Ready(Err(refused)) = &polled {
            self.execution.tell_refused(&self.demand, refused, Some(now));
        }
        polled
    }

    fn poll_in_line(&mut self, waker: &Waker, now: Timestamp) -> Poll<Result<Receipt, EnforcementViolation>> {
        if self.record().state().is_paused() {
            // Wherever it stands: nobody else may come by.
            let _due = self.record().roll(now);
        }
        if self.standing.is_none()
            && let Some(ended) = self.enter(waker, now)
        {
            return Poll::Ready(ended);
        }
        for _ in 0..MOVES {
            let Some(Standing { own, place, ticket }) = &self.standing else { break };
            // Before the look: a halt from here on calls this waker (W1).
            self.waiters().stand(*own, waker.clone());
            let look = || {
                let first = self.obstacle(place);
                match admission::reserve_in_line(self.record(), &self.demand, now, first) {
                    Err(refused) if Some(refused.obstacle) == first && refused.violation.retry != Retry::Never => {
                        Found::Nothing(Err(refused))
                    }
                    ended => Found::Something(ended),
                }
            };
            let turn = self.line(place).turn(*ticket, waker.clone(), || self.mark(place, *ticket), look);
            let here = self.obstacle(place);
            let Turn::Looked(ended) = turn else { return self.stay_behind(now) };
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
                obstacle if Some(obstacle) == here => return self.stay(&violation, now),
                // It keeps no room here while it waits there (F1).
                obstacle => self.move_to(obstacle, waker),
            }
        }
        waker.wake_by_ref();
        Poll::Pending
    }

    /// When it has to be polled again even if nobody calls its waker: when a rate has room again, a period or a pause that
    /// ends with it is over, or a deadline of its execution comes. `None` while only others can help.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// Gives up because its time is over: leaves the line, and says what refused it last, which is told as a refusal. Who
    /// drops it gives up, too, and tells nothing. `None` if nothing has refused it; then it goes on.
    pub fn give_up_at(&mut self, now: Timestamp) -> Option<EnforcementViolation> {
        let refused = self.refused?;
        self.step_out();
        self.execution.tell_refused(&self.demand, &refused, Some(now));
        Some(refused)
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
        let own = self.waiters().join(waker.clone(), 0, || ());
        let place = self.place(obstacle);
        let ticket = self.join(&place, waker);
        self.standing = Some(Standing { own, place, ticket });
        None
    }

    /// Leaves its line for that of `obstacle`.
    fn move_to(&mut self, obstacle: Obstacle, waker: &Waker) {
        if let Some(Standing { own, place, ticket }) = self.standing.take() {
            self.leave(&place, ticket);
            let place = self.place(obstacle);
            let ticket = self.join(&place, waker);
            self.standing = Some(Standing { own, place, ticket });
        }
    }

    /// Goes on waiting as the first in line.
    fn stay(&mut self, refused: &EnforcementViolation, now: Timestamp) -> Poll<Result<Receipt, EnforcementViolation>> {
        let refilled = match refused.retry {
            Retry::After(delay) => Some(now.saturating_add(delay)),
            Retry::WhenFreed | Retry::AfterApproval | Retry::Never => None,
        };
        // A new period is full, whatever keeps this one.
        let rolls = match self.standing.as_ref().map(|standing| &standing.place) {
            Some(Place::Tenant) => self.record().tenant.budgets.ends_after(now),
            Some(Place::Process) => self.record().core().process.budgets.ends_after(now),
            _ => None,
        };
        self.wake_at = refilled.into_iter().chain(rolls).chain(self.deadline_after(now)).min();
        Poll::Pending
    }

    /// Goes on waiting behind others, unless its execution has ended.
    fn stay_behind(&mut self, now: Timestamp) -> Poll<Result<Receipt, EnforcementViolation>> {
        let over = self.record().deadline().is_some_and(|deadline| deadline <= now);
        let state = self.record().state();
        let stopped = state.is_halted() || state.is_finished();
        if stopped || (over && !state.is_paused()) {
            // Asks once as anyone who does not wait: that says why, and carries out what there is to be carried out.
            match admission::reserve_in_line(self.record(), &self.demand, now, None) {
                // Who stops it has written why and has not marked the words yet: a limit has refused it, which is not why
                // its waiting ends. Behind the words its waker is called (W1), and then it is told (E2).
                Err(Refused { violation, .. }) if stopped && violation.retry != Retry::Never => {
                    self.refused = Some(violation);
                }
                ended => return self.ready(ended.map_err(|refused| refused.violation)),
            }
        }
        self.wake_at = self.goes_on_after(now).into_iter().chain(self.deadline_after(now)).min();
        Poll::Pending
    }

    fn ready(&mut self, ended: Result<Receipt, EnforcementViolation>) -> Poll<Result<Receipt, EnforcementViolation>> {
        self.step_out();
        Poll::Ready(ended)
    }

    /// Leaves every line.
    fn step_out(&mut self) {
        if let Some(Standing { own, place, ticket }) = self.standing.take() {
            self.waiters().quit(own);
            self.leave(&place, ticket);
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

    /// The rates that it meets.
    fn met(&self) -> Option<Met<'_>> {
        let record = self.record();
        record.core().rates.met(&record.tenant, Keys::of(&self.demand)).ok()
    }

    /// The line at an obstacle.
    fn place(&self, obstacle: Obstacle) -> Place {
        match obstacle {
            Obstacle::Scope(level) => Place::Scope(level),
            Obstacle::Tenant => Place::Tenant,
            Obstacle::Process => Place::Process,
            // If rates have changed since, it is another's line, and it moves on when it is its turn.
            Obstacle::Rate(number) => {
                self.met().and_then(|met| met.line(number).cloned()).map_or(Place::Scope(0), Place::Rate)
            }
            // What passes in a moment is waited for at home.
            Obstacle::Passing => Place::Scope(0),
        }
    }

    /// What stands at the head of a line; `None` of a rate that is limited no more.
    fn obstacle(&self, place: &Place) -> Option<Obstacle> {
        match place {
            Place::Scope(level) => Some(Obstacle::Scope(*level)),
            Place::Tenant => Some(Obstacle::Tenant),
            Place::Process => Some(Obstacle::Process),
            Place::Rate(line) => self.met()?.number(line).map(Obstacle::Rate),
        }
    }

    fn line<'a>(&'a self, place: &'a Place) -> &'a Queue {
        match place {
            // Parents stay parents.
            Place::Scope(level) => &self.scope(*level).unwrap_or(self.record()).extra_or_new().line,
            Place::Tenant => &self.record().tenant.budgets.line,
            Place::Process => &self.record().core().process.budgets.line,
            Place::Rate(line) => line,
        }
    }

    fn join(&self, place: &Place, waker: &Waker) -> Ticket {
        let wants = self.wants(place);
        self.line(place).join(waker.clone(), wants, || {
            self.set_marks(place, wants);
        })
    }

    fn leave(&self, place: &Place, ticket: Ticket) {
        let unmark = |gone: u8| {
            let tallies = self.words(place).filter(|word| gone & word.resource.bit() != 0);
            tallies.for_each(|word| word.tally.unmark(WAITERS));
        };
        if let Some(next) = self.line(place).leave(ticket, unmark) {
            next.wake();
        }
    }

    /// Bars the words that it waits for to everybody who does not wait there. Whether one of them bore no mark.
    fn mark(&self, place: &Place, ticket: Ticket) -> bool {
        let wants = self.wants(place);
        self.line(place).want(ticket, wants);
        self.set_marks(place, wants)
    }

    fn set_marks(&self, place: &Place, wants: u8) -> bool {
        let unmarked = |tally: &Tally| !tally.word().has_waiters() && !tally.mark(WAITERS).has_waiters();
        let wanted = self.words(place).filter(|word| wants & word.resource.bit() != 0);
        wanted.filter(|word| unmarked(word.tally)).count() > 0
    }

    /// The words that it waits for at a place: those that are limited and that it asks something of, and those in debt.
    fn wants(&self, place: &Place) -> u8 {
        let asks = |word: &Marked<'_>| word.is_limited && self.demand.amount(word.resource) > 0;
        let wanted = self.words(place).filter(|word| asks(word) || word.tally.word().remaining() < 0);
        wanted.fold(0, |wants, word| wants | word.resource.bit())
    }

    /// The words of a place. Who waits for a rate is counted at its line, and looked for there.
    fn words<'a>(&'a self, place: &Place) -> impl Iterator<Item = Marked<'a>> {
        let (scope, budgets) = match place {
            Place::Scope(level) => (self.scope(*level), None),
            Place::Tenant => (None, Some(&self.record().tenant.budgets)),
            Place::Process => (None, Some(&self.record().core().process.budgets)),
            Place::Rate(_) => (None, None),
        };
        let own = scope.into_iter().flat_map(|scope| {
            Resource::ALL.map(|resource| Marked {
                resource,
                tally: scope.hot.tally(resource),
                is_limited: scope.plan().limits(resource),
            })
        });
        let of_budgets = budgets.into_iter().flat_map(|budgets| budgets.now());
        own.chain(of_budgets.map(|(terms, window)| Marked {
            resource: terms.resource,
            tally: &window.tally,
            is_limited: true,
        }))
    }
}

/// A word that can be waited for.
struct Marked<'a> {
    resource: Resource,
    tally: &'a Tally,
    is_limited: bool,
}

impl Execution {
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

    /// [`Execution::reserve_owned`] at the first poll of a future that would wait: what `wait` returns where waiting may help.
    ///
    /// What is ready is made in the place where the poll returns it: a hold is large, and moving it there would cost several
    /// times the decision. It waits for nothing and enters no line; `wait` may begin to, with [`Execution::wait_for`].
    ///
    /// # Errors
    /// As [`Execution::reserve_owned`], where waiting is pointless. Nobody is told of a refusal behind which `wait` is called.
    ///
    /// ```
    /// use std::task::Poll;
    /// use enforce_core::{Demand, Enforcer, ResourceLimits};
    ///
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let run = Enforcer::builder().limits(limits).build()?.execution("exec_1", "tenant_a").register()?;
    /// let Poll::Ready(Ok(_hold)) = run.poll_owned(&Demand::step().tokens(600, 300), || Poll::Pending) else { panic!() };
    /// assert!(run.poll_owned(&Demand::step().tokens(100, 100), || Poll::Pending).is_pending()); // until the hold gives back
    /// assert!(matches!(run.poll_owned(&Demand::step().tokens(1_001, 0), || Poll::Pending), Poll::Ready(Err(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn poll_owned(
        &self,
        demand: &Demand,
        wait: impl FnOnce() -> Poll<Result<OwnedHold, EnforcementViolation>>,
    ) -> Poll<Result<OwnedHold, EnforcementViolation>> {
        let wait = |refused: EnforcementViolation| {
            if refused.retry != Retry::Never {
                return wait();
            }
            self.tell_refused(demand, &refused, None);
            Poll::Ready(Err(refused))
        };
        admission::reserve_or_wait(Polling { execution: self, wait }, demand)
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

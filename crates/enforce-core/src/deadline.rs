//! Holds with a deadline: one that is forgotten is ended by its policy.

use std::collections::BTreeMap;
use std::fmt;

use crate::admission::{self, Noticed};
use crate::books::Used;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, EnforcementWarning};
use crate::event::EventKind;
use crate::execution::Execution;
use crate::hold::{OwnedHold, Receipt, Settlement};
use crate::kept::{Kept, OnDrop};
use crate::kernel::cell::Cell;
use crate::kernel::queue::Queue;
use crate::resource::{Actual, Demand};
use crate::sync::{Arc, Mutex, Waker};

/// The open holds that asked for a deadline, earliest first.
///
/// Only such holds enter it; each leaves when it is settled, dropped or ended, so it is as long as there are such holds.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// `None` once the enforcer has forgotten everyone.
    open: Mutex<Option<Open>>,
    cap: u64,
    /// Who is told of an earlier deadline than there was.
    pub(crate) keepers: Queue,
    /// Until when they sleep, in nanoseconds; the end of time if for ever, or if they are about to look.
    until: Cell,
}

#[derive(Debug, Default)]
struct Open {
    holds: BTreeMap<Place, Arc<Timed>>,
    /// How many have ever entered: tells those of one deadline apart.
    entered: u64,
}

/// Its deadline and its number.
type Place = (Timestamp, u64);

/// A hold as the table knows it.
#[derive(Debug)]
struct Timed {
    execution: Execution,
    /// Changes under its lock, so that a settle, a drop and the deadline end it exactly once between them (R1). What
    /// ends it is written behind the lock: nothing else runs under it.
    held: Mutex<Held>,
}

#[derive(Debug, Clone, Copy)]
enum Held {
    Open(Kept),
    /// Ended by its deadline: what had been set aside, and what its policy has charged of it.
    Expired(Kept, Used),
    Ended,
}

impl Deadlines {
    pub(crate) fn new(cap: u64) -> Self {
        Self { open: Mutex::new(Some(Open::default())), cap, keepers: Queue::new(), until: Cell::new(u64::MAX) }
    }

    /// Whoever keeps deadlines sleeps until `next`.
    pub(crate) fn sleep_until(&self, next: Option<Timestamp>) {
        // Behind its look at everything that has a deadline, or before it as the end of time; partner: `hurry` (W1).
        self.until.apply(|_| (next.map_or(u64::MAX, Timestamp::as_nanos), ()));
    }

    /// Whom to wake because something is due at `moment` that they may not have seen.
    pub(crate) fn hurry(&self, moment: u64) -> Vec<Waker> {
        // What is due was entered under a lock that their look takes. So either that look has seen it, or this load sees
        // until when they sleep, or that they are about to look (W1).
        if self.keepers.is_empty() || moment >= self.until.load() { Vec::new() } else { self.keepers.everyone() }
    }

    /// Where `timed` stands; `None` if the table is full.
    fn enter(&self, deadline: Timestamp, timed: &Arc<Timed>) -> Option<Place> {
        let mut open = self.open.lock();
        let Some(Open { holds, entered }) = &mut *open else { return Some((deadline, 0)) };
        if holds.len() as u64 >= self.cap {
            return None;
        }
        *entered = entered.wrapping_add(1);
        let place = (deadline, *entered);
        let earliest = holds.first_key_value().is_none_or(|(first, _)| place < *first);
        holds.insert(place, Arc::clone(timed));
        drop(open);
        if earliest {
            // Behind the entry: who looks later sees it, and who looked before stands there (W1).
            self.keepers.everyone().into_iter().for_each(Waker::wake);
        }
        Some(place)
    }

    fn leave(&self, place: Place) {
        let left = self.open.lock().as_mut().and_then(|open| open.holds.remove(&place));
        drop(left);
    }

    fn next_due(&self, due: Timestamp) -> Option<Arc<Timed>> {
        let mut open = self.open.lock();
        let first = open.as_mut()?.holds.first_entry()?;
        (first.key().0 <= due).then(|| first.remove())
    }

    /// Ends the holds whose deadline has come, `most` at most; how many it has ended. A look at the first one where none
    /// has.
    pub(crate) fn expire(&self, now: Timestamp, most: usize) -> u64 {
        self.expire_due(now, now, most)
    }

    /// Ends the holds of which the deadline is at or before `due`, at `now`.
    pub(crate) fn expire_due(&self, due: Timestamp, now: Timestamp, most: usize) -> u64 {
        // One at a time: what a hold gives back is written under no lock of the table.
        std::iter::from_fn(|| self.next_due(due)).take(most).map(|timed| u64::from(timed.expire(now))).sum()
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.open.lock().as_ref()?.holds.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    pub(crate) fn len(&self) -> u64 {
        self.open.lock().as_ref().map_or(0, |open| open.holds.len() as u64)
    }

    /// Forgets everyone: holds refer to executions, and those to this table.
    pub(crate) fn clear(&self) {
        let open = self.open.lock().take();
        drop(open);
    }
}

impl Timed {
    /// Ends it by its policy, unless something has ended it before.
    fn expire(&self, now: Timestamp) -> bool {
        let mut held = self.held.lock();
        let Held::Open(kept) = *held else { return false };
        let charged = kept.charged();
        *held = Held::Expired(kept, charged);
        drop(held);
        let record = self.execution.record();
        kept.release(record);
        record.note(Some(now), || EventKind::HoldExpired { tokens: charged.total(), nano_usd: charged.cost });
        record.core().flush();
        true
    }
}

/// An owned hold that does not stay open for ever: at its deadline [`Enforcer::expire_holds`](crate::Enforcer::expire_holds)
/// ends it as [`OnDrop`] says, even if it was leaked or its task hangs. Otherwise as [`OwnedHold`].
///
/// A settle that comes after the deadline is recorded all the same, since it tells what was used: of each amount the
/// larger counts, what the policy has charged or what was used.
#[must_use = "a hold that is dropped gives back what it set aside"]
pub struct TimedHold {
    timed: Arc<Timed>,
    place: Place,
    noticed: Noticed,
}

impl OwnedHold {
    /// Gives it a deadline, after which it is ended even if nobody drops it. The only holds that enter a table, and the
    /// only ones whose settle takes a lock.
    ///
    /// # Errors
    /// As many holds have a deadline as may have one; the error has the hold, and gives it back if it is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use enforce_core::{Clock, Demand, Enforcer, ManualClock, ResourceLimits};
    ///
    /// let time = ManualClock::new();
    /// let limits = ResourceLimits { max_tokens: 1_000, ..ResourceLimits::unlimited() };
    /// let enforcer = Enforcer::builder().limits(limits).clock(Clock::manual(&time)).max_timed_holds(1).build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// let deadline = time.now().saturating_add(Duration::from_secs(60));
    ///
    /// std::mem::forget(run.reserve_owned(Demand::step().tokens(600, 300))?.with_deadline(deadline)?);
    /// let one_too_many = run.reserve_owned(Demand::step())?.with_deadline(deadline);
    /// assert!(one_too_many.is_err());
    ///
    /// time.advance(Duration::from_secs(60));
    /// assert_eq!(enforcer.expire_holds(), 1);
    /// assert_eq!(run.snapshot().outstanding.tokens, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_deadline(self, deadline: Timestamp) -> Result<TimedHold, DeadlinesFull> {
        let (execution, receipt) = self.into_parts();
        let (kept, noticed) = receipt.parts();
        let timed = Arc::new(Timed { execution, held: Mutex::new(Held::Open(kept)) });
        let deadlines = &timed.execution.record().core().deadlines;
        match deadlines.enter(deadline, &timed) {
            Some(place) => Ok(TimedHold { timed, place, noticed }),
            None => {
                let cap = deadlines.cap;
                let hold = OwnedHold::new(timed.execution.clone(), Receipt::new(kept, noticed));
                Err(DeadlinesFull { hold: Box::new(hold), cap })
            }
        }
    }
}

impl TimedHold {
    /// Records what really happened, as [`OwnedHold::settle`] does; `late` if its deadline has ended it before.
    pub fn settle(self, actual: Actual) -> Settlement {
        let record = self.timed.execution.record();
        let now = record.plan().idle.is_some().then(|| record.core().clock.now());
        self.settle_with(&actual, now)
    }

    /// [`TimedHold::settle`] at a time that the caller has minted.
    pub fn settle_at(self, actual: Actual, now: Timestamp) -> Settlement {
        self.settle_with(&actual, Some(now))
    }

    fn settle_with(self, actual: &Actual, now: Option<Timestamp>) -> Settlement {
        let record = self.timed.execution.record();
        let settlement = match self.end() {
            Held::Open(kept) => kept.settle(record, actual, now),
            Held::Expired(kept, charged) => kept.settle_rest(record, actual, &charged, now),
            // Only a settle and a drop end it thus, and it is consumed by either.
            Held::Ended => Settlement::default(),
        };
        settlement.tell(record, actual, now);
        settlement
    }

    /// Ends it: what it was up to here.
    fn end(&self) -> Held {
        let held = std::mem::replace(&mut *self.timed.held.lock(), Held::Ended);
        self.timed.execution.record().core().deadlines.leave(self.place);
        held
    }

    /// Grows it, as [`OwnedHold::extend`] does.
    ///
    /// # Errors
    /// As [`OwnedHold::extend`]; `hold_expired` if its deadline has ended it.
    ///
    /// ```
    /// use enforce_core::{Demand, Enforcer, Timestamp, ViolationType};
    ///
    /// let enforcer = Enforcer::builder().build()?;
    /// let run = enforcer.execution("exec_1", "tenant_a").register()?;
    /// let mut hold = run.reserve_owned(Demand::step().tokens(300, 256))?.with_deadline(Timestamp::ZERO)?;
    /// hold.extend(Demand::none().tokens(0, 256))?;
    /// enforcer.expire_holds();
    /// let stop = hold.extend(Demand::none().tokens(0, 256)).unwrap_err();
    /// assert_eq!(stop.violation_type, ViolationType::HoldExpired);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend(&mut self, more: Demand) -> Result<(), EnforcementViolation> {
        self.extend_with(&more, None)
    }

    /// [`TimedHold::extend`] at a time that the caller has minted.
    ///
    /// # Errors
    /// As [`TimedHold::extend`].
    pub fn extend_at(&mut self, more: Demand, now: Timestamp) -> Result<(), EnforcementViolation> {
        self.extend_with(&more, Some(now))
    }

    fn extend_with(&mut self, more: &Demand, now: Option<Timestamp>) -> Result<(), EnforcementViolation> {
        let Held::Open(before) = *self.timed.held.lock() else { return Err(EnforcementViolation::hold_expired()) };
        let record = self.timed.execution.record();
        let (mut more, noticed) = admission::extend(record, more, now, before.periods)?.parts();
        self.noticed.join(noticed);
        let mut held = self.timed.held.lock();
        match &mut *held {
            Held::Open(kept) => kept.join(more, record),
            // The deadline came after the extension and before this look: it ends what was taken, too.
            Held::Expired(kept, charged) => {
                more.follow(kept);
                *charged = charged.plus(&more.charged());
                drop(held);
                more.release(record);
            }
            Held::Ended => {}
        }
        Ok(())
    }

    /// Changes what becomes of it if it is dropped unsettled or its deadline comes. Default: what its demand says.
    pub fn on_drop(&mut self, on_drop: OnDrop) {
        if let Held::Open(kept) = &mut *self.timed.held.lock() {
            kept.set_on_drop(on_drop);
        }
    }

    /// When it is ended.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.place.0
    }

    /// Whether its deadline has ended it.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        matches!(*self.timed.held.lock(), Held::Expired(..))
    }

    /// As [`OwnedHold::held_tokens`]; none once it has ended.
    #[must_use]
    pub fn held_tokens(&self) -> (u64, u64) {
        match &*self.timed.held.lock() {
            Held::Open(kept) => kept.tokens(),
            Held::Expired(..) | Held::Ended => (0, 0),
        }
    }

    /// As [`OwnedHold::warning`].
    #[must_use]
    pub fn warning(&self) -> Option<EnforcementWarning> {
        self.noticed.warning
    }

    /// As [`OwnedHold::observed`].
    #[must_use]
    pub fn observed(&self) -> Option<EnforcementViolation> {
        self.noticed.observed
    }

    /// The execution that it belongs to.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        &self.timed.execution
    }
}

impl Drop for TimedHold {
    fn drop(&mut self) {
        if let Held::Open(kept) = self.end() {
            kept.release(self.timed.execution.record());
        }
    }
}

impl fmt::Debug for TimedHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedHold")
            .field("execution", &self.execution().id())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

/// As many holds have a deadline as may have one. It has the hold that got none, which is still open.
#[derive(Debug)]
pub struct DeadlinesFull {
    hold: Box<OwnedHold>,
    cap: u64,
}

impl DeadlinesFull {
    /// The hold, open and without a deadline.
    pub fn into_hold(self) -> OwnedHold {
        *self.hold
    }
}

impl fmt::Display for DeadlinesFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} holds have a deadline already; raise max_timed_holds", self.cap)
    }
}

impl std::error::Error for DeadlinesFull {}

//! Pauses that end by themselves: the owner of the budget that paused has approved them beforehand, from the end of its
//! period on.
//!
//! Such an approval is carried out as any other: by the number of that pause, under the lock of its state (E3). Time does
//! nothing by itself, so whoever comes by when it is due carries it out.

use std::convert::Infallible;
use std::time::Duration;

use super::Record;
use crate::approval::Approved;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, Retry, ViolationType};
use crate::event::EventKind;
use crate::extra::{Extra, Pause, UNTIL_APPROVED};
use crate::kernel::state::Change;
use crate::kernel::tally::{CLOSED, HALTED, PAUSED};
use crate::plan::Plan;
use crate::resource::Resource;

impl Record {
    /// It and everything above it, nearest first.
    fn upwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |record| record.parent().map(|parent| parent.execution.record()))
    }

    /// Until when it is paused by itself, in nanoseconds; [`UNTIL_APPROVED`] if until somebody approves.
    fn paused_until(&self) -> Option<u64> {
        if !self.state().awaits_approval() {
            return None;
        }
        match self.extra().and_then(Extra::paused_until) {
            // Its state says so before it is written down.
            None => self.open_pause().map(|pause| pause.until.map_or(UNTIL_APPROVED, Timestamp::as_nanos)),
            until => until,
        }
    }

    /// When its own pause ends by itself. Words alone are read.
    pub(crate) fn rolls_at(&self) -> Option<Timestamp> {
        if !self.state().awaits_approval() {
            return None;
        }
        let until = self.extra().and_then(Extra::paused_until)?;
        (until != UNTIL_APPROVED).then(|| Timestamp::from_nanos(until))
    }

    /// Whether a pause of it has ever been one that ends by itself.
    pub(crate) fn has_rolled(&self) -> bool {
        self.extra().is_some_and(Extra::has_rolled)
    }

    /// When every pause that it is in has ended by itself; `None` if somebody has to approve one, or there is none.
    #[cold]
    pub(crate) fn goes_on_at(&self) -> Option<Timestamp> {
        let pauses = || self.upwards().filter_map(Self::paused_until);
        let last = pauses().max()?;
        (last != UNTIL_APPROVED).then(|| Timestamp::from_nanos(last))
    }

    /// The time, where a pause that it is in ends by itself, or one did: `now`, or what the clock says.
    #[cold]
    pub(crate) fn time_of_pauses(&self, now: Option<Timestamp>) -> Option<Timestamp> {
        let rolls = |record: &Self| record.paused_until().is_some_and(|until| until != UNTIL_APPROVED);
        let any = self.upwards().any(|record| record.has_rolled() || rolls(record));
        any.then(|| now.unwrap_or_else(|| self.core().clock.now()))
    }

    /// Whether nothing bars it by now, nor what is above it.
    pub(crate) fn is_open(&self) -> bool {
        self.upwards().all(|record| !record.hot.tally(Resource::Steps).word().is_stopped())
    }

    /// Waits for a resume that is on its way, if its state says so and its words do not yet; whether it was.
    fn wait_for_resume(&self) -> bool {
        let resuming = self.has_rolled() && self.is_live() && self.hot.tally(Resource::Steps).word().is_stopped();
        if resuming {
            self.wait_for_change();
        }
        resuming
    }

    /// Ends the pauses that it is in and that end by themselves by `now`, whoever is first to carry that out: those above
    /// it first. Whether there was one. The caller holds no lock.
    #[cold]
    pub(crate) fn roll(&self, now: Timestamp) -> bool {
        // Trees are not deep, and so is this recursion.
        let above = self.parent().is_some_and(|parent| parent.execution.record().roll(now));
        // Who has been faster may not have come through: behind it everything below is open, too.
        self.roll_own(now).is_some() || self.wait_for_resume() || above
    }

    /// The same for its own pause alone: whether this call has ended it, if it was due.
    #[cold]
    pub(crate) fn roll_own(&self, now: Timestamp) -> Option<bool> {
        let is_due = |until: &u64| *until <= now.as_nanos() && *until != UNTIL_APPROVED;
        self.paused_until().filter(is_due)?;
        // Number and moment of one pause. Of one that was due a moment ago others have said what has become of it.
        let due = self.open_pause().filter(|pause| pause.until.is_some_and(|until| until <= now));
        Some(due.is_some_and(|pause| self.approve_beforehand(&pause, now).first))
    }

    /// Carries out the approval that was given before that pause began.
    fn approve_beforehand(&self, pause: &Pause, now: Timestamp) -> Change {
        let cause = pause.violation.as_cause();
        let approve = |_: &Plan| {
            let approved = Approved {
                pause: pause.number,
                cause,
                by: Approved::NEXT_PERIOD.to_owned(),
                why: format!("the period of {cause} that paused it is over"),
                next_limit: None,
                at: now,
            };
            // Under the lock of the pause, as any other.
            self.extra_or_new().record(approved.clone());
            self.note(Some(now), || EventKind::Approved { approved });
            Ok::<_, Infallible>(None)
        };
        match self.resume(pause.number, now, approve) {
            Ok(change) => change,
            Err(never) => match never {},
        }
    }

    /// Why nothing is admitted, if it is barred and stays so when what is due at `now` has been carried out.
    #[inline]
    pub(crate) fn barred_at(&self, now: Option<Timestamp>) -> Option<EnforcementViolation> {
        let flags = || self.hot.tally(Resource::Steps).word().flags() & (HALTED | PAUSED | CLOSED);
        if flags() == 0 {
            return None;
        }
        let time = self.time_of_pauses(now);
        if let Some(time) = time {
            let _due = self.roll(time);
            if flags() == 0 {
                return None;
            }
        }
        Some(self.state_violation(time.or(now)))
    }

    /// What `violation` of its state says about waiting, at `now` or by the clock: a pause that ends by itself is waited for.
    pub(super) fn waited_for(&self, violation: EnforcementViolation, now: Option<Timestamp>) -> EnforcementViolation {
        if violation.violation_type != ViolationType::Paused {
            return violation;
        }
        let Some(until) = self.goes_on_at() else { return violation };
        let now = now.unwrap_or_else(|| self.core().clock.now());
        EnforcementViolation { retry: Retry::After(Duration::from_nanos(until.nanos_since(now))), ..violation }
    }

    /// Has a pause found that has just begun and ends by itself, if anybody looks for that; it is not asked for otherwise.
    pub(super) fn time_pause(&self) {
        // Nobody finds it by its id any more who has ended; and then there is nothing to be found.
        let execution = self.core().executions.get(self.id().as_str().as_bytes());
        if let Some(execution) = execution.filter(|execution| std::ptr::eq(execution.record(), self)) {
            self.core().time_pause(&execution);
        }
    }
}

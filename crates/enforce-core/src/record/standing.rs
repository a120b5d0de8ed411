//! Where an execution stands: live, paused, halted, ended, and every change from one to the other.

use std::time::Duration;

use super::{Committed, Record};
use crate::books::{self, Exhausted};
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::event::EventKind;
use crate::extra::{Extra, Pause};
use crate::family::{Parent, Share};
use crate::kernel::state::{Change, State};
use crate::kernel::tally::{CLOSED, COUNTED, HALTED, METERED, PAUSED};
use crate::limits::{Action, ConfigError};
use crate::plan::{Plan, TimeLimit};
use crate::resource::{Amounts, Resource};
use crate::snapshot::Status;

impl Record {
    pub(crate) fn state(&self) -> State {
        self.lifecycle.state()
    }

    /// Halts it and everything below it, at `now`.
    pub(crate) fn halt(&self, cause: Cause, now: Option<Timestamp>) -> Change {
        // Before any lock: a clock is somebody else's code.
        let now = now.or_else(|| self.idle_above().map(|_| self.core().clock.now()));
        let change = self.halt_here(cause, now);
        self.core().flush();
        change
    }

    /// Halts it, at `now` where the end of its life is its parent's activity.
    pub(crate) fn halt_here(&self, cause: Cause, now: Option<Timestamp>) -> Change {
        let below = || self.halted_here(cause, now);
        let change = self.lifecycle.halt(cause.code(), self.tallies(), self.slots(), below);
        self.call_waiters();
        change
    }

    /// What a halt does beside marking its own words.
    fn halted_here(&self, cause: Cause, now: Option<Timestamp>) {
        self.touch_above(now);
        self.note(now, || EventKind::Halted { cause });
        let above = Cause { scope: ScopeKind::Parent, ..cause };
        self.each_child(|child| drop_change(child.halt_here(above, now)));
    }

    /// Its parent, if that may be found idle.
    fn idle_above(&self) -> Option<&Self> {
        let above = self.parent()?.execution.record();
        above.plan().idle.is_some().then_some(above)
    }

    /// Not idle as long as a child of it lives, its parent is idle since no earlier than now. Before the slot is given
    /// back: whoever sees the child gone sees the touch (I1).
    fn touch_above(&self, now: Option<Timestamp>) {
        if let (Some(above), Some(now)) = (self.idle_above(), now) {
            above.hot.activity.touch(now.nanos_since(self.core().epoch));
        }
    }

    /// Pauses it, and everything below it, for what `violation` says, at `now`; `until` then, if not until an approval.
    pub(crate) fn pause(
        &self,
        violation: &EnforcementViolation,
        why: Option<String>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Change {
        let number = self.core().next_pause();
        self.begin_pause(Pause { number, violation: *violation, why, at: now, until }, now)
    }

    /// Begins that pause at `now`, here and below.
    pub(crate) fn begin_pause(&self, pause: Pause, now: Timestamp) -> Change {
        let (number, cause, rolls) = (pause.number, pause.violation.as_cause(), pause.until.is_some());
        let below = || {
            self.extra_or_new().begin(Some(pause), now);
            self.note(Some(now), || EventKind::Paused { cause, pause: Some(number) });
            self.each_child(|child| child.pause_above(cause, now));
            self.call_watchers();
        };
        let change = self.lifecycle.pause(cause.code(), number, self.tallies(), below);
        if rolls && change.first {
            self.time_pause();
        }
        // Who waits in a line that others share waits at home from here on (F1).
        self.call_waiters();
        self.core().flush();
        change
    }

    /// Pauses it for what has paused the scope above it, or says what goes on pausing that.
    fn pause_above(&self, cause: Cause, now: Timestamp) {
        let cause = Cause { scope: ScopeKind::Parent, ..cause };
        // The caller holds the lock of the scope above, and nobody else pauses from there.
        let again = self.state().is_paused_above();
        let below = || {
            self.extra_or_new().begin(None, now);
            if !again {
                self.note(Some(now), || EventKind::Paused { cause, pause: None });
            }
            // Its own pause stands nearer to what is below it.
            let cause = Cause::from_code(self.state().cause()).unwrap_or(cause);
            self.each_child(|child| child.pause_above(cause, now));
            self.call_watchers();
        };
        drop_change(self.lifecycle.pause_above(cause.code(), self.tallies(), below));
        self.call_waiters();
    }

    fn resume_above(&self, now: Timestamp) {
        drop_change(self.lifecycle.resume_above(self.tallies(), |state| self.resumed(state, false, now)));
        self.time_again();
        self.call_waiters();
    }

    /// Its time goes on from words that have changed.
    fn time_again(&self) {
        if self.plan().times_out || self.has_rolled() {
            self.core().timers.again(self.seat(), 0, |execution| execution.record().moment(Timestamp::ZERO));
            self.core().hurry(self);
        }
    }

    /// What a pause's end puts right before anything is admitted again, here and below.
    fn resumed(&self, state: State, own: bool, now: Timestamp) {
        self.extra_or_new().end(own, state.is_paused(), now);
        // To be paused is not to be idle.
        self.hot.activity.touch(now.nanos_since(self.core().epoch));
        match Cause::from_code(state.cause()).filter(|_| state.is_paused()) {
            // Paused by itself and from above, it goes on being paused, and so does all below, for what is left (E3).
            Some(cause) => self.each_child(|child| child.pause_above(cause, now)),
            None => {
                if !own {
                    self.note(Some(now), || EventKind::Resumed {});
                }
                self.each_child(|child| child.resume_above(now));
            }
        }
    }

    /// Runs `act` on every child that has not ended. Under the lock of its changes nobody joins meanwhile.
    fn each_child(&self, act: impl Fn(&Self)) {
        for child in self.extra().map(|extra| extra.children.all()).unwrap_or_default() {
            act(child.record());
        }
    }

    /// Ends the pause of that number: `next` may make new limits of the old ones, and nothing is admitted before that.
    pub(crate) fn resume<E>(
        &self,
        number: u64,
        now: Timestamp,
        next: impl FnOnce(&Plan) -> Result<Option<Plan>, E>,
    ) -> Result<Change, E> {
        let approve = || {
            if let Some(plan) = next(&self.plan())? {
                self.relimit(plan);
            }
            Ok(())
        };
        let below = |state| self.resumed(state, true, now);
        let change = self.lifecycle.resume(number, self.tallies(), approve, below);
        self.time_again();
        self.call_waiters();
        self.core().flush();
        change
    }

    /// Halts it instead of ending the pause of that number.
    pub(crate) fn reject(&self, number: u64, now: Option<Timestamp>) -> Change {
        let now = now.or_else(|| self.idle_above().map(|_| self.core().clock.now()));
        let cause = Cause::from_code(self.state().cause()).unwrap_or(Cause::own(ViolationType::Requested));
        let below = || {
            self.note(now, || EventKind::Rejected { cause, pause: number });
            self.halted_here(cause, now);
        };
        let change = self.lifecycle.reject(number, self.tallies(), self.slots(), below);
        self.call_waiters();
        self.core().flush();
        change
    }

    /// The pause that awaits an approval.
    pub(crate) fn open_pause(&self) -> Option<Pause> {
        // Whoever was refused because of the pause finds it: it is written down before its lock is let go.
        self.lifecycle.hold_still(|state| {
            let pause = self.extra()?.pause()?;
            (state.awaits_approval() && state.pause() == pause.number).then_some(pause)
        })
    }

    /// Changes its limits while its state stands still.
    pub(crate) fn change_limits(
        &self,
        next: impl FnOnce(&Plan) -> Result<Plan, ConfigError>,
    ) -> Result<(), ConfigError> {
        let now = self.core().clock.now();
        self.lifecycle.hold_still(|_| {
            let plan = next(&self.plan())?;
            if self.plan().idle.is_none() && plan.idle.is_some() {
                // Activity was not kept, so idleness counts from here (I1).
                self.hot.activity.touch(now.nanos_since(self.core().epoch));
            }
            self.relimit(plan);
            Ok(())
        })?;
        self.core().flush();
        // Outside that lock, which steps may take while they hold this one; of two changes the later is seen in any case.
        self.repetition.resize(|| self.plan().repetition.map(|repetition| repetition.longest));
        Ok(())
    }

    /// Runs `change` while nothing else about it changes.
    pub(crate) fn change_while_still(&self, change: impl FnOnce()) {
        self.lifecycle.hold_still(|_| change());
        self.call_waiters();
        self.core().wakes.flush();
    }

    /// Ends it and everything below it; what it had, if this call ended it.
    pub(crate) fn end(&self, now: Timestamp, exhausted: &mut Vec<Exhausted>) -> Option<Ended> {
        let mut ended = None;
        let below = || {
            for child in self.extra().map(|extra| extra.children.all()).unwrap_or_default() {
                child.end(now, exhausted);
            }
            self.touch_above(Some(now));
            // Under the lock of its changes, so that limit and word are of one version.
            ended = Some(self.close());
        };
        let first = self.lifecycle.finish(self.tallies(), self.slots(), below).first;
        self.call_waiters();
        if first && let Some(telling) = self.core().telling.as_deref() {
            self.note_over(telling, Some(now));
            telling.note_of(self, Some(now), EventKind::Ended { usage: self.snapshot(now) });
        }
        ended
    }

    /// Ends what was never registered: its slot is not its own to give back.
    pub(crate) fn annul(&self) {
        drop_change(self.lifecycle.finish(self.tallies(), [], || ()));
    }

    /// Runs `act` while its state stands still, unless the state bars it at `now`.
    pub(crate) fn hold_still<T>(
        &self,
        now: Timestamp,
        act: impl FnOnce() -> Result<T, EnforcementViolation>,
    ) -> Result<T, EnforcementViolation> {
        let held = self.lifecycle.hold_still(|_| match self.status().violation() {
            Some(violation) => Err(violation),
            None => act(),
        });
        // Behind the lock, which this may take.
        held.map_err(|refused| self.waited_for(refused, Some(now)))
    }

    /// Time since registration without pauses, in nanoseconds.
    pub(crate) fn active_ns(&self, now: Timestamp) -> u64 {
        let paused = self.extra().map_or(0, Extra::paused_ns);
        now.nanos_since(self.started).saturating_sub(paused)
    }

    /// When its time is over, unless it is paused until then.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let plan = self.plan();
        let ends = |limit: &Option<TimeLimit>, paused_ns: u64| {
            let limit = limit.as_ref().filter(|limit| limit.action != Action::Observe)?;
            Some(self.started.saturating_add(Duration::from_nanos(limit.block_ns.saturating_add(paused_ns))))
        };
        let paused_ns = self.extra().map_or(0, Extra::paused_ns);
        ends(&plan.wall, 0).into_iter().chain(ends(&plan.active, paused_ns)).min()
    }

    /// Why nothing is admitted, if a flag of `flags` says so; at `now`, where that is known.
    #[inline]
    pub(crate) fn barred(&self, flags: u64, now: Option<Timestamp>) -> Option<EnforcementViolation> {
        if flags & (HALTED | PAUSED | CLOSED) == 0 { None } else { Some(self.state_violation(now)) }
    }

    /// Why nothing is admitted. The state is written before the first flag, so who met a flag finds it there.
    #[cold]
    pub(crate) fn state_violation(&self, now: Option<Timestamp>) -> EnforcementViolation {
        let violation = self.status().violation().unwrap_or_else(|| {
            let (kind, retry) = (ViolationType::Paused, Retry::AfterApproval);
            EnforcementViolation::of(ScopeKind::Execution, kind, 0, 0, 0, retry)
        });
        self.waited_for(violation, now)
    }

    /// Why nothing is admitted after a reaper found it idle: what the reaper is about to do is done by whoever meets its
    /// mark.
    #[cold]
    pub(crate) fn reaped_violation(&self, now: Option<Timestamp>) -> EnforcementViolation {
        let _first = self.halt(Cause::own(ViolationType::IdleTimeout), now).first;
        self.state_violation(now)
    }

    pub(crate) fn status(&self) -> Status {
        let state = self.state();
        match (state.is_finished(), Cause::from_code(state.cause())) {
            (true, cause) => Status::Finished(cause),
            (false, Some(cause)) if state.is_halted() => Status::Halted(cause),
            (false, Some(cause)) if state.is_paused() => Status::Paused(cause),
            (false, _) => Status::Live,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Only without an enforcer does anybody go who has not ended: it ends with its last handle, and what it has used of
        // its slice is not forgotten. A limit that this exhausts above acts at the next ask, for here may be any lock.
        if let Some(Parent { execution, share, .. }) = self.parent()
            && let Some(Ended { held, committed }) = self.end(self.started, &mut Vec::new())
            && let Share::Slice(slice) = share
        {
            books::shift(execution, slice.periods, &slice.amounts, &held);
            books::commit(execution, slice.periods, &committed.into(), None, &mut Vec::new());
            self.core().flush();
        }
        if let Some(telling) = self.core().telling.as_deref() {
            // Who was refused after its end. Whoever comes by next tells it, for here may be any lock.
            self.note_over(telling, None);
        }
        self.core().detach(&self.tenant);
    }
}

/// What an execution had when it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// What it used of its slice: committed, and held by what was still open. Nothing of one without a slice.
    pub(crate) held: Amounts,
    pub(crate) committed: Committed,
}

impl Record {
    /// Closes what is summed into the tenant's totals, or settled into its slice, and says what it had counted. Tallies
    /// are read behind their flag: nothing is taken any more, and what is given back or charged late sees the flag and
    /// goes up by itself (C1).
    fn close(&self) -> Ended {
        let count = |resource| {
            let word = self.hot.tally(resource).mark(COUNTED);
            (word, word.used(self.plan().tally(resource).limit))
        };
        let (word, steps) = count(Resource::Steps);
        let has_slice = matches!(self.parent(), Some(Parent { share: Share::Slice(_), .. }));
        let held = Amounts::of(|resource| match resource {
            _ if !has_slice => 0,
            Resource::Steps => steps,
            _ => count(resource).1,
        });
        let begun = if word.flags() & METERED == 0 { steps } else { self.hot.steps.close().unwrap_or(0) };
        let committed = Committed {
            steps: begun,
            input_tokens: self.hot.input_tokens.close().unwrap_or(0),
            output_tokens: self.hot.output_tokens.close().unwrap_or(0),
            cost: self.hot.cost.close().unwrap_or(0),
            discovered: self.hot.discovered.close().unwrap_or(0),
        };
        Ended { held, committed }
    }
}

/// A change that somebody else has made is made.
fn drop_change(change: Change) {
    let Change { first: _, state: _ } = change;
}

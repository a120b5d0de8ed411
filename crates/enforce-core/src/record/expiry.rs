//! When a limit of time may act on an execution.

use super::Record;
use crate::clock::Timestamp;
use crate::extra::Extra;
use crate::kernel::timers::Moment;
use crate::plan::TimeLimit;

/// An execution that is not idle because a hold is open or a child lives is looked at again after this part of its timeout:
/// a hold that is dropped is no activity, and tells nobody,
const PART: u64 = 8;
/// and after this at least, in nanoseconds.
const LEAST: u64 = 1_000_000;

impl Record {
    /// Whether its limits were ever others than those it was registered with.
    pub(crate) fn has_changed_limits(&self) -> bool {
        self.extra().and_then(Extra::plans).is_some()
    }

    /// The first moment at which a limit of its time may act, or its pause ends by itself, as its words are now. They are
    /// only read.
    pub(crate) fn moment(&self, now: Timestamp) -> Moment {
        let state = self.state();
        if state.is_finished() {
            Moment::Ended
        } else if state.is_halted() || state.is_paused() {
            // A resume brings it back.
            self.rolls_at().map_or(Moment::Never, |until| Moment::At(until.as_nanos()))
        } else {
            self.deadlines(now).min().map_or(Moment::Never, |moment| Moment::At(moment.as_nanos()))
        }
    }

    /// The same, but at once if something bars it: the change that does may not have come through yet.
    pub(crate) fn moment_or_barred(&self, now: Timestamp) -> Moment {
        match self.moment(now) {
            Moment::At(moment) if moment <= now.as_nanos() => Moment::At(moment),
            _ if !self.is_live() => Moment::At(0),
            moment => moment,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        let state = self.state();
        !(state.is_finished() || state.is_halted() || state.is_paused())
    }

    /// Returns when whatever is changing its state has come through.
    pub(crate) fn wait_for_change(&self) {
        self.lifecycle.hold_still(|_| ());
    }

    fn deadlines(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let plan = self.plan();
        let after = |limit: &TimeLimit, paused_ns: u64| {
            limit.comes_after(self.started.as_nanos()).and_then(|moment| moment.checked_add(paused_ns))
        };
        let wall = TimeLimit::acting(&plan.wall).and_then(|limit| after(limit, 0));
        let active = TimeLimit::acting(&plan.active).and_then(|limit| match limit.block_ns {
            0 => Some(0),
            _ => after(limit, self.extra().map_or(0, Extra::paused_ns)),
        });
        let idle = TimeLimit::acting(&plan.idle).and_then(|limit| self.idle_from(limit, now));
        [wall, active, idle].into_iter().flatten().map(Timestamp::from_nanos)
    }

    fn idle_from(&self, limit: &TimeLimit, now: Timestamp) -> Option<u64> {
        let epoch = self.core().epoch.as_nanos();
        let idle = match limit.block_ns {
            0 => 0,
            timeout => self.hot.activity.see().idle_for(timeout)?.checked_add(epoch)?,
        };
        if idle > now.as_nanos() || !self.has_open_holds() {
            return Some(idle);
        }
        let later = (limit.block_ns / PART).max(LEAST);
        Some(now.as_nanos().saturating_add(later))
    }
}

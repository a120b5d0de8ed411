//! A record that takes over what it was in an earlier life.

use super::Record;
use crate::admission::cost_threshold_violation;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, Retry};
use crate::extra::{Pause, UNTIL_APPROVED};
use crate::kernel::repetition::Remembered;
use crate::kernel::state::Change;
use crate::limits::Action;
use crate::resource::Resource;
use crate::state::{ExecutionState, PauseState};

impl Record {
    /// Why it was halted, if it was.
    pub(crate) fn halted_by(&self) -> Option<Cause> {
        Some(self.state()).filter(|state| state.is_halted()).and_then(|state| Cause::from_code(state.cause()))
    }

    /// Takes over all but amounts of resources; `since` when it is paused, and how long its ended pauses lasted.
    pub(crate) fn recall(&self, it: &ExecutionState, since: Option<Timestamp>, paused_ns: u64) {
        self.hot.depth.recall(it.max_discovery_depth);
        if self.plan.repetition.is_some() {
            let repeated = &it.repeated;
            let (recent, equal) = (repeated.recent.clone(), repeated.equal.clone());
            self.repetition.recall(&Remembered { last: repeated.last, run: repeated.run, recent, equal });
        }
        if since.is_some() || paused_ns > 0 || !it.approvals.is_empty() {
            self.extra_or_new().recall(since, paused_ns, it.approvals.clone());
        }
        for allowance in &it.allowances {
            // What goes by no name any more is limited by nothing.
            let Ok(key) = self.core().allowances.key(&allowance.name) else { continue };
            if let Some(spent) = crate::allowance::Spent::of(self.spent_or_new(), key) {
                spent.tally.settle(0, allowance.used);
                spent.committed.add(allowance.used);
            }
        }
    }

    /// Halts it for what it was halted for, and everything below it that is not.
    pub(crate) fn recall_halt(&self, cause: Cause) {
        done(self.halt_here(cause, None));
    }

    /// Pauses it under the number that it had, and everything below it.
    pub(crate) fn recall_pause(&self, it: &PauseState, now: Timestamp) {
        let PauseState { number, cause, limit, used, asked, ref why, paused_at, until } = *it;
        let retry = Retry::AfterApproval;
        let violation = EnforcementViolation::of(cause.scope, cause.violation_type, used, asked, limit, retry);
        // The last nanosecond of the clock stands for *never*.
        let until = until.filter(|until| until.as_nanos() != UNTIL_APPROVED);
        done(self.begin_pause(Pause { number, violation, why: why.clone(), at: paused_at, until }, now));
    }

    /// Acts on the cost threshold if what is committed has reached it.
    pub(crate) fn meet_threshold(&self, now: Timestamp) {
        let committed = self.committed_of(Resource::Cost);
        let Some(threshold) = self.plan.cost_threshold.as_ref().filter(|threshold| committed >= threshold.limit) else {
            return;
        };
        let violation = cost_threshold_violation(committed, threshold.limit);
        match threshold.action {
            Action::Pause => done(self.pause(&violation, None, None, now)),
            Action::Halt => done(self.halt(violation.as_cause(), Some(now))),
            Action::Refuse | Action::Observe => {}
        }
    }
}

/// Who is the first to change it has changed it.
fn done(change: Change) {
    let Change { first: _, state: _ } = change;
}

//! What goes up: into the budget of which an execution had a slice, into its tenant's totals, and the actions of limits
//! that this exhausts.

use super::{Books, Used, budgets, settle};
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, ScopeKind};
use crate::execution::Execution;
use crate::family::{Parent, Share};
use crate::kernel::tally::Recorded;
use crate::limits::Action;
use crate::record::{Committed, Record};
use crate::resource::{Amounts, Resource};

/// Pauses or halts what has been exhausted; the limit, if this call did it.
pub(super) fn act(
    record: &Record,
    violation: EnforcementViolation,
    action: Action,
    now: Option<Timestamp>,
) -> Option<EnforcementViolation> {
    let change = match action {
        Action::Pause => record.pause(&violation, None, None, now.unwrap_or_else(|| record.core().clock.now())),
        Action::Halt => record.halt(violation.as_cause(), now),
        Action::Refuse | Action::Observe => return None,
    };
    change.first.then_some(violation)
}

pub(super) fn from_above(violation: EnforcementViolation) -> EnforcementViolation {
    let own = violation.scope == ScopeKind::Execution;
    EnforcementViolation { scope: if own { ScopeKind::Parent } else { violation.scope }, ..violation }
}

/// Follows a change of a tally of `record` that concerns others: whoever waits for it is put where the caller finds them
/// when it holds no lock (W1). Where it was counted as used by its slice when it ended, what its open holds give back and
/// spend since then is given back and spent there (T1, R1). A sum that is cut is noticed where it is committed.
#[cold]
pub(crate) fn follow(record: &Record, resource: Resource, back: u64, spent: u64, recorded: Recorded) {
    if recorded.after.has_waiters() {
        record.call_line();
    }
    if !recorded.is_late() {
        return;
    }
    if let Some(Parent { execution, share: Share::Slice(slice), .. }) = record.parent() {
        let of = |amount| Amounts::of(|kind| if kind == resource { amount } else { 0 });
        shift(execution, slice.periods, &of(back), &of(spent));
    }
}

/// Gives `back` back and takes `spent`, whatever remains, on the tallies of `execution`, of every pool that it shares, and
/// of the budgets of tenant and process in those periods.
pub(crate) fn shift(execution: &Execution, periods: Periods, back: &Amounts, spent: &Amounts) {
    for shared in execution.shared() {
        for resource in Resource::ALL {
            let (back, spent) = (back.get(resource), spent.get(resource));
            if back != spent {
                settle(shared.record(), resource, back, spent);
            }
        }
    }
    if !periods.is_none() {
        budgets::shift(execution.record(), periods, back, spent);
    }
}

/// A limit that was exhausted where a lock is held under which nobody may be paused or halted.
#[derive(Debug)]
pub(crate) struct Exhausted {
    execution: Execution,
    violation: EnforcementViolation,
    action: Action,
}

impl Exhausted {
    /// Carries it out; the limit, if this call did it.
    pub(crate) fn carry_out(&self, now: Option<Timestamp>) -> Option<EnforcementViolation> {
        act(self.execution.record(), self.violation, self.action, now).map(from_above)
    }
}

/// Commits `used` on `execution`, on every pool that it shares, and in the budgets of tenant and process: what a slice of
/// it has used.
/// The tallies have been settled by [`shift`].
pub(crate) fn commit(
    execution: &Execution,
    periods: Periods,
    used: &Used,
    now: Option<Timestamp>,
    exhausted: &mut Vec<Exhausted>,
) {
    // They pay once.
    let mut pays = true;
    for shared in execution.shared() {
        let record = shared.record();
        let Used { steps, discovered, cost, .. } = *used;
        // As much set aside as is used: the tallies stay.
        let tokens = used.total();
        let books = Books { steps, discovered, tokens, cost, periods, ..Books::of(record, now) };
        let written = books.write(used, pays);
        pays = false;
        if let Some(late) = &written.noted.late(used) {
            carry(record, late, now, exhausted);
        }
        if let Some((violation, action)) = written.verdict(record) {
            exhausted.push(Exhausted { execution: shared.clone(), violation, action });
        }
    }
}

/// Follows a count of `record` that was carried up when it ended; the first limit that this exhausted.
#[cold]
pub(crate) fn carry_up(record: &Record, late: &Used, now: Option<Timestamp>) -> Option<EnforcementViolation> {
    let mut exhausted = Vec::new();
    carry(record, late, now, &mut exhausted);
    exhausted.iter().filter_map(|exhausted| exhausted.carry_out(now)).fold(None, |first, next| first.or(Some(next)))
}

/// Into its tenant's totals, or into the budget of which it had a slice. A pool has been written by itself.
fn carry(record: &Record, late: &Used, now: Option<Timestamp>, exhausted: &mut Vec<Exhausted>) {
    match record.parent() {
        None => record.tenant.ended().add(Committed {
            steps: late.steps,
            input_tokens: late.input,
            output_tokens: late.output,
            cost: late.cost,
            discovered: late.discovered,
        }),
        Some(Parent { share: Share::Pool, .. }) => {}
        Some(Parent { execution, share: Share::Slice(slice), .. }) => {
            commit(execution, slice.periods, late, now, exhausted);
        }
    }
}

//! Limits of time, carried out although nobody asks.

use super::{Asked, Found, Look, Looked, Stop, carry_out};
use crate::clock::Timestamp;
use crate::decision::{Cause, ViolationType};
use crate::plan::TimeLimit;
use crate::record::Record;
use crate::resource::Demand;

/// Halts or pauses `record` for the first limit of its time that has come by `now` and says so, as a demand at `now` would,
/// having let it go on before if its pause ended by itself. When it returns, a change of state that was under way has come
/// through (E1).
pub(crate) fn expire(record: &Record, now: Timestamp) -> Done {
    let mut resumed = false;
    if !record.is_live() {
        record.wait_for_change();
        resumed = record.roll_own(now) == Some(true);
    }
    Done { resumed, stopped: if record.is_live() { stop(record, now) } else { None } }
}

/// What was done about one whose moment has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// This call has ended its pause.
    pub(crate) resumed: bool,
    /// This call has halted or paused it for that limit.
    pub(crate) stopped: Option<Cause>,
}

fn stop(record: &Record, now: Timestamp) -> Option<Cause> {
    if TimeLimit::acting(&record.plan().idle).is_some() && record.hot.activity.see().reaped() {
        // Whoever has found it idle before is about to halt it.
        let cause = Cause::own(ViolationType::IdleTimeout);
        return record.halt(cause, Some(now)).first.then_some(cause);
    }
    let asked = Asked::at(now, now.nanos_since(record.core().epoch));
    let (mut found, nothing) = (Found::default(), Demand::none());
    let looked = Look::of(record, &record.plan(), &nothing, &asked, None).times_out(&mut found);
    let (Err(Stop), Some(blocked)) = (looked, &mut found.blocked) else { return None };
    let cause = blocked.violation.as_cause();
    carry_out(record, blocked, Some(now)).then_some(cause)
}

impl Look<'_> {
    /// The limits of time that act, in the order in which a demand meets them. One that refuses only does not stand before
    /// one that halts.
    fn times_out(&self, found: &mut Found) -> Looked {
        if let Some(wall) = TimeLimit::acting(&self.plan.wall) {
            let elapsed = self.asked.now.nanos_since(self.record.started);
            self.time(found, ViolationType::WallTimeLimit, wall, elapsed, 1_000_000)?;
        }
        if let Some(active) = TimeLimit::acting(&self.plan.active) {
            let elapsed = self.record.active_ns(self.asked.now);
            self.time(found, ViolationType::WallTimeLimit, active, elapsed, 1_000_000)?;
        }
        if let Some(idle) = TimeLimit::acting(&self.plan.idle) {
            self.idle(found, idle)?;
        }
        Ok(())
    }
}

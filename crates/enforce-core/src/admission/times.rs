//! Times: what is over when so much has passed, whatever is asked.

use super::{Asked, Found, Look, Looked, Stop, carry_out};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, ViolationType};
use crate::extra::Extra;
use crate::record::Record;
use crate::resource::Demand;

/// Looks at the times of a live execution and nothing else, and carries out what is over, without that being activity:
/// what refuses every demand from now on, if its limit neither halts nor pauses.
pub(crate) fn times(record: &Record, now: Timestamp) -> Option<EnforcementViolation> {
    let asked = Asked::at(now, now.nanos_since(record.core().epoch));
    let (mut found, nothing) = (Found::default(), Demand::none());
    let looked = Look::of(record, &record.plan(), &nothing, &asked, None).times(&mut found);
    let (Err(Stop), Some(blocked)) = (looked, &mut found.blocked) else { return None };
    carry_out(record, blocked, Some(now));
    blocked.act.is_none().then_some(blocked.violation)
}

impl Look<'_> {
    /// Its own times as they are once the pause has ended in which it still is: active time stood still from its beginning
    /// on, and who has just been resumed is not idle.
    #[cold]
    pub(super) fn times_resumed(&self, found: &mut Found) -> Looked {
        let (record, now) = (self.record, self.asked.now);
        if let Some(wall) = &self.plan.wall {
            self.time(found, ViolationType::WallTimeLimit, wall, now.nanos_since(record.started), 1_000_000)?;
        }
        if let Some(active) = &self.plan.active {
            let since = record.extra().and_then(Extra::paused_since).unwrap_or(now);
            self.time(found, ViolationType::WallTimeLimit, active, record.active_ns(since.min(now)), 1_000_000)?;
        }
        Ok(())
    }

    /// Its own times, in their order.
    #[inline(always)]
    pub(super) fn times(&self, found: &mut Found) -> Looked {
        let record = self.record;
        if let Some(wall) = &self.plan.wall {
            let elapsed = self.asked.now.nanos_since(record.started);
            self.time(found, ViolationType::WallTimeLimit, wall, elapsed, 1_000_000)?;
        }
        if let Some(active) = &self.plan.active {
            let elapsed = record.active_ns(self.asked.now);
            self.time(found, ViolationType::WallTimeLimit, active, elapsed, 1_000_000)?;
        }
        if let Some(idle) = &self.plan.idle {
            self.idle(found, idle)?;
        }
        Ok(())
    }
}

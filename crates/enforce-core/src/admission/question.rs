//! Questions: what a demand would be told. They change nothing.

use super::{Asked, Found, Look, Looked, Stop, asks_budget, fitted, needs_time, time, usual};
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::EnforcementResult;
use crate::record::Record;
use crate::resource::Demand;

/// Whether `demand` would be admitted.
#[inline(always)]
pub(crate) fn check(record: &Record, demand: &Demand, mut now: Option<Timestamp>) -> EnforcementResult {
    if usual::lets_through(record, demand, &mut now) {
        EnforcementResult::Allowed
    } else {
        check_whole(record, demand, now)
    }
}

/// Looks at everything.
#[inline(never)]
fn check_whole(record: &Record, demand: &Demand, now: Option<Timestamp>) -> EnforcementResult {
    if demand.up_to {
        return fitted::check(record, demand, now);
    }
    let asked = Asked::question(record, demand, now);
    let mut found = Found::default();
    let mut looked = look_once(record, demand, &asked, false, &mut found);
    if looked.is_err()
        && found.is_paused()
        && let Some(now) = record.time_of_pauses(asked.minted.then_some(asked.now))
        && record.goes_on_at().is_some_and(|until| until <= now)
    {
        // A demand would let it go on; a question changes nothing, and looks past the pauses.
        found = Found::default();
        looked = look_once(record, demand, &Asked::question(record, demand, Some(now)), true, &mut found);
    }
    match (looked, found.blocked, found.noticed.warning) {
        (Err(Stop), Some(blocked), _) => EnforcementResult::Blocked(blocked.violation),
        (_, _, Some(warning)) => EnforcementResult::Warning(warning),
        (_, _, None) => EnforcementResult::Allowed,
    }
}

/// Looks at everything once; `past_pauses` as if those that it is in had ended.
#[inline]
fn look_once(record: &Record, demand: &Demand, asked: &Asked, past_pauses: bool, found: &mut Found) -> Looked {
    let plan = record.plan();
    let look = Look { past_pauses, ..Look::of(record, &plan, demand, asked, None) };
    match demand.fingerprint {
        Some(_) if plan.repetition.is_some() => {
            record.repetition.look(|memory| Look { memory: Some(memory), ..look }.all(found))
        }
        _ => look.all(found),
    }
}

impl Asked {
    /// What a question needs to know.
    fn question(record: &Record, demand: &Demand, now: Option<Timestamp>) -> Self {
        let needed = needs_time(record, demand);
        let minted = needed || now.is_some();
        let now = time(record, now, needed);
        // The periods are only looked for: a question does not begin any.
        let pays = record.has_budgets() && asks_budget(record);
        let periods = if pays { Periods::current(record) } else { Periods::NONE };
        Self { now_ns: now.nanos_since(record.core().epoch), now, minted, periods, held: None }
    }
}

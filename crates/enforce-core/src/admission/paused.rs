//! Demands that meet a pause which ends by itself.

use super::{Asked, Found, Granted, Stop, Way, judge};
use crate::record::Record;
use crate::resource::Demand;

/// Ends the pauses that keep a demand out and that end by themselves by now, and judges it as if it had not met them.
#[cold]
#[inline(never)]
pub(super) fn judge_anew(
    record: &Record,
    demand: &Demand,
    asked: &mut Asked,
    way: Way,
    found: &mut Found,
) -> Result<Granted, Stop> {
    // Each round has met a pause that had begun and was due.
    while let Some(now) = record.time_of_pauses(asked.minted.then_some(asked.now)) {
        let due = record.roll(now);
        *asked = Asked { held: way.held, ..Asked::of(record, demand, Some(now)) };
        if !due {
            break;
        }
        *found = Found { undone: found.undone, ..Found::default() };
        let admitted = judge(record, demand, asked, way, found);
        if admitted.is_ok() || !found.is_paused() {
            return admitted;
        }
    }
    Err(Stop)
}

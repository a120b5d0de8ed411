//! Demands that meet a pause which ends by itself.

use super::{Asked, Found, Way};
use crate::record::Record;
use crate::resource::Demand;

/// Ends the pauses that keep a demand out and that end by themselves by now. Whether it is to be judged anew, as if it had
/// not met them: of each of them it has met, somebody has said what becomes of it, so who judges anew goes on or meets
/// another.
#[cold]
#[inline(never)]
pub(super) fn go_on(record: &Record, demand: &Demand, asked: &mut Asked, way: Way, found: &mut Found) -> bool {
    let Some(now) = record.time_of_pauses(asked.minted.then_some(asked.now)) else { return false };
    let due = record.roll(now);
    *asked = Asked { held: way.held, ..Asked::of(record, demand, Some(now)) };
    if due {
        *found = Found { undone: found.undone, ..Found::default() };
    }
    due
}

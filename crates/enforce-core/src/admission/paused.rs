//! Demands that meet a pause which ends by itself.

use super::{Asked, Found, Way};
use crate::record::Record;
use crate::resource::Demand;

/// Ends the pauses that keep a demand out and that end by themselves by now. Whether it is to be judged anew, as if it had
/// not met them: then what it has met has ended, by this call or by somebody else's, so it goes on or meets another.
#[cold]
#[inline(never)]
pub(super) fn go_on(record: &Record, demand: &Demand, asked: &mut Asked, way: Way, found: &mut Found) -> bool {
    let Some(now) = record.time_of_pauses(asked.minted.then_some(asked.now)) else { return false };
    // Whoever was faster by the time of that look has opened everything.
    let due = record.roll(now) || record.is_open();
    *asked = Asked { held: way.held, ..Asked::of(record, demand, Some(now)) };
    if due {
        *found = Found { undone: found.undone, ..Found::default() };
    }
    due
}

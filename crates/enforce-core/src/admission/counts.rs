//! Counting what has come through, where the tallies do not tell.

use crate::books::{self, Used};
use crate::kernel::tally::{METERED, Word};
use crate::record::Record;
use crate::resource::Demand;

/// Counts steps that have begun where they are counted apart from the tally.
#[cold]
pub(super) fn count_begun(record: &Record, steps: u64) {
    if record.hot.steps.add(steps).late {
        let _acted = books::carry_up(record, &Used { steps, ..Used::default() }, None);
    }
}

#[cold]
fn count_discovered(record: &Record, discovered: u64) {
    if record.hot.discovered.add(discovered).late {
        let _acted = books::carry_up(record, &Used { discovered, ..Used::default() }, None);
    }
}

/// Counts what has come through: what has begun, where the tallies do not tell, and the hold, if none of them does.
#[inline(always)]
pub(super) fn count(record: &Record, demand: &Demand, after: Option<Word>, bare: bool) {
    if demand.discovered_steps > 0 {
        count_discovered(record, demand.discovered_steps);
    }
    if after.is_some_and(|after| after.flags() & METERED != 0) && demand.steps > 0 {
        count_begun(record, demand.steps);
    }
    if bare {
        record.hot.bare_holds.enter();
    }
}

/// Counts what has begun on every pool that it was taken from.
#[inline(never)]
pub(super) fn count_above(record: &Record, demand: &Demand) {
    for pool in record.pools() {
        if demand.steps > 0 {
            count_begun(pool, demand.steps);
        }
        if demand.discovered_steps > 0 {
            count_discovered(pool, demand.discovered_steps);
        }
    }
}

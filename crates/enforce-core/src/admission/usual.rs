//! The usual way: everything is far from its limit, and nothing unusual is asked.
//!
//! It decides nothing by itself. What it admits, the whole way would admit without a word; whatever else it meets, the
//! whole way looks at.

use super::count;
use crate::books;
use crate::clock::Timestamp;
use crate::kernel::own::{Half, Own};
use crate::plan::TAKEN;
use crate::record::Record;
use crate::resource::Demand;

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Usual {
    /// Admitted: nothing is near, nothing is observed, and no window or rate was met.
    Taken {
        /// Counted among the holds that show in no tally.
        bare: bool,
    },
    /// Nothing was taken, since an amount is near its limit or past it, or a flag is set. Nothing else is met.
    Near,
    /// Nothing was taken: look at everything.
    Not,
}

/// Takes `demand` if that is usual. The time that was read for it is left in `now`.
#[inline(never)]
pub(super) fn take(record: &Record, demand: &Demand, now: &mut Option<Timestamp>) -> Usual {
    let (far, core) = (&record.registered_plan().far, record.core());
    if !record.is_alone() || !far.is_ever || demand.asks_allowances() {
        return Usual::Not;
    }
    // A step without a fingerprint breaks a run, if there is one.
    if far.remembers && (demand.fingerprint.is_some() || !record.repetition.is_empty()) || core.rates.limit(demand) {
        return Usual::Not;
    }
    let moment = match *now {
        Some(now) => now,
        None if far.needs_time => *now.insert(core.clock.now()),
        None => core.epoch,
    };
    let now_ns = moment.nanos_since(core.epoch);
    if moment.nanos_since(record.started) > far.running_ns {
        return Usual::Not;
    }
    let hot = &record.hot;
    if far.touches {
        let seen = hot.activity.see();
        if seen.reaped() || seen.idle_at(now_ns) > far.idle_ns {
            return Usual::Not;
        }
    }
    let tallies = TAKEN.map(|resource| hot.tally(resource));
    let amounts = TAKEN.map(|resource| demand.amount(resource));
    let Some(own) = Own::look(tallies, amounts, &far.rooms) else { return Usual::Near };
    match own.take(far.touches.then_some(&hot.activity), now_ns) {
        Ok(after) => {
            let bare = far.touches && demand.leaves_no_trace();
            count(record, demand, Some(after), bare);
            Usual::Taken { bare }
        }
        Err(half) => lost(record, demand, half),
    }
}

/// Another was faster than the look: what was taken is given back.
#[cold]
#[inline(never)]
fn lost(record: &Record, demand: &Demand, half: Half) -> Usual {
    let tallies = TAKEN.map(|resource| record.hot.tally(resource));
    half.undo(tallies, TAKEN.map(|resource| demand.amount(resource)), |number, undone| {
        if let Some(resource) = TAKEN.get(number) {
            books::follow(record, *resource, demand.amount(*resource), 0, undone);
        }
    });
    record.core().flush();
    Usual::Not
}

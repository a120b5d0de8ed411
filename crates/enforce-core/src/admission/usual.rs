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
    /// Nothing was taken: pools, budgets, rates or the memory of repeated steps are met, too.
    Wide,
    /// Nothing was taken: look at everything.
    Not,
}

/// Takes `demand` if that is usual. The time that was read for it is left in `now`.
#[inline(never)]
pub(super) fn take(record: &Record, demand: &Demand, now: &mut Option<Timestamp>) -> Usual {
    let far = &record.registered_plan().far;
    if !record.is_alone() || record.core().rates.limit(demand) || remembers(record, demand) {
        return if record.is_plain() { Usual::Wide } else { Usual::Not };
    }
    let Some(now_ns) = quiet(record, demand, now, far.needs_time) else { return Usual::Not };
    let Some(own) = look(record, demand) else { return Usual::Near };
    match own.take(far.touches.then_some(&record.hot.activity), now_ns) {
        Ok(after) => {
            let bare = far.touches && demand.leaves_no_trace();
            count(record, demand, Some(after), bare);
            Usual::Taken { bare }
        }
        Err(half) => lost(record, demand, half),
    }
}

/// Whether `demand` would be admitted without a word; if not, look at everything. The time that was read for it is left in
/// `now`.
#[inline(never)]
pub(super) fn lets_through(record: &Record, demand: &Demand, now: &mut Option<Timestamp>) -> bool {
    let far = &record.registered_plan().far;
    if !record.is_alone() || demand.up_to || record.core().rates.limit(demand) || remembers(record, demand) {
        return false;
    }
    quiet(record, demand, now, far.needs_time).is_some() && look(record, demand).is_some()
}

/// Whether the memory of repeated steps has to hear of `demand`: a step without a fingerprint breaks a run, if there is one.
#[inline(always)]
pub(super) fn remembers(record: &Record, demand: &Demand) -> bool {
    let breaks = || demand.steps > 0 && !record.repetition.is_empty();
    record.registered_plan().far.remembers && (demand.fingerprint.is_some() || breaks())
}

/// Whether nothing is met but amounts, rates and the memory, and no limit of time is near: the nanoseconds since the
/// enforcer's epoch. The time that was read for it is left in `now`.
#[inline(always)]
pub(super) fn quiet(record: &Record, demand: &Demand, now: &mut Option<Timestamp>, needs_time: bool) -> Option<u64> {
    let (far, core) = (&record.registered_plan().far, record.core());
    if !far.is_ever || demand.asks_allowances() {
        return None;
    }
    let moment = match *now {
        Some(now) => now,
        None if needs_time => *now.insert(core.clock.now()),
        None => core.epoch,
    };
    let now_ns = moment.nanos_since(core.epoch);
    if moment.nanos_since(record.started) > far.running_ns {
        return None;
    }
    if far.touches {
        let seen = record.hot.activity.see();
        if seen.reaped() || seen.idle_at(now_ns) > far.idle_ns {
            return None;
        }
    }
    Some(now_ns)
}

/// Another was faster than the look: what was taken is given back.
#[cold]
#[inline(never)]
fn lost(record: &Record, demand: &Demand, half: Half) -> Usual {
    undo(record, demand, half, || ());
    record.core().flush();
    Usual::Not
}

/// Gives back what was taken of `record`; `others` what was taken in between. What looked is not kept for this.
#[cold]
#[inline(never)]
pub(super) fn undo(record: &Record, demand: &Demand, half: Half, others: impl FnOnce()) {
    let (tallies, amounts) =
        (TAKEN.map(|resource| record.hot.tally(resource)), TAKEN.map(|resource| demand.amount(resource)));
    Own::again(tallies, amounts).undo(half, others, |number, undone| {
        if let Some(resource) = TAKEN.get(number) {
            books::follow(record, *resource, demand.amount(*resource), 0, undone);
        }
    });
}

/// Looks whether all of what `record` counts of `demand` is far.
#[inline(always)]
pub(super) fn look<'a>(record: &'a Record, demand: &Demand) -> Option<Own<'a>> {
    let amounts = TAKEN.map(|resource| demand.amount(resource));
    Own::look(TAKEN.map(|resource| record.hot.tally(resource)), amounts, &record.registered_plan().far.rooms)
}

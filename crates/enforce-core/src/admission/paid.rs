//! The usual way of who pays into budgets of the tenant or of the process: all of them are far from their limits, too.
//!
//! As [`usual`](super::usual), it decides nothing by itself.

use arrayvec::ArrayVec;

use super::usual::{follow, quiet};
use super::{Granted, budgets, count};
use crate::budget::{Payer, Periods, Terms, warn_room};
use crate::clock::Timestamp;
use crate::kernel::own::{Half, Own, Room, Shared};
use crate::kernel::window::Window;
use crate::plan::TAKEN;
use crate::record::Record;
use crate::resource::{Demand, Resource};

/// The most budgets of which a demand takes something on this way.
const MOST: usize = 8;

/// Takes `demand` if that is usual. The time that was read for it is left in `now`.
#[inline(never)]
pub(super) fn take(record: &Record, demand: &Demand, now: &mut Option<Timestamp>) -> Option<Granted> {
    let (far, hot) = (&record.registered_plan().far, &record.hot);
    // Whoever wants to hear of refusals hears that one of a shared scope is over.
    if record.extra().is_some() || record.core().telling.is_some() {
        return None;
    }
    let now_ns = quiet(record, demand, now, far.needs_time || record.budgets_need_time())?;
    let moment = now.unwrap_or(record.core().epoch);
    let periods = Periods::enter(record, moment);
    let (tallies, amounts) = (TAKEN.map(|resource| hot.tally(resource)), TAKEN.map(|resource| demand.amount(resource)));
    let own = Own::look(tallies, amounts, &far.rooms)?;
    let (mut shared, mut begins) = (ArrayVec::<Shared<'_>, MOST>::new(), false);
    for payer in record.payers(periods) {
        for budget in payer.windows() {
            let amount = demand.amount(budget.0.resource);
            let seen = look(payer, budget, amount, moment)?;
            if amount > 0 {
                shared.try_push(seen).ok()?;
                begins |= budget.0.resource.is_begun();
            }
        }
    }
    let bare = far.touches && demand.leaves_no_trace();
    match own.take_with(&shared, far.touches.then_some(&hot.activity), now_ns) {
        Ok(after) => {
            count(record, demand, Some(after), bare);
            if begins {
                budgets::count(record, demand, periods);
            }
            Some(Granted { periods, bare })
        }
        Err(half) => lost(record, demand, periods, half),
    }
}

/// A budget that is far from its limit, in a period that goes on, and that nobody waits for.
#[inline(always)]
fn look<'a>(
    payer: Payer<'a>,
    (terms, window): (&Terms, &'a Window),
    amount: u64,
    now: Timestamp,
) -> Option<Shared<'a>> {
    if window.has_ended(now.as_nanos()) || payer.line.wants(terms.resource.bit()) {
        return None;
    }
    Shared::look(&window.tally, amount, Room::of(warn_room(window)))
}

/// Another was faster than the look: what was taken is given back.
#[cold]
#[inline(never)]
fn lost(record: &Record, demand: &Demand, periods: Periods, half: Half) -> Option<Granted> {
    let [own @ .., steps] = TAKEN.map(|resource| (resource, record.hot.tally(resource), demand.amount(resource)));
    let mut all = ArrayVec::<_, { MOST + TAKEN.len() }>::new();
    let mut whose = ArrayVec::<Result<Resource, Payer<'_>>, { MOST + TAKEN.len() }>::new();
    let mut add = |of, tally, amount| {
        // As many as were taken, so there is room for each.
        let _room = (all.try_push((tally, amount)), whose.try_push(of));
    };
    own.into_iter().for_each(|(resource, tally, amount)| add(Ok(resource), tally, amount));
    for payer in record.payers(periods) {
        for (terms, window) in payer.windows().filter(|(terms, _)| demand.amount(terms.resource) > 0) {
            add(Err(payer), &window.tally, demand.amount(terms.resource));
        }
    }
    add(Ok(steps.0), steps.1, steps.2);
    half.undo(&all, |number, undone| match whose.get(number) {
        Some(Ok(resource)) => follow(record, demand, Some(*resource), undone),
        Some(Err(payer)) => record.core().wakes.put(payer.line.first()),
        None => {}
    });
    record.core().flush();
    None
}

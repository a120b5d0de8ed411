//! The usual way: everything is far from its limit, and nothing unusual is asked.
//!
//! It decides nothing by itself. What it admits, the whole way would admit without a word; whatever else it meets, the
//! whole way looks at.

use arrayvec::ArrayVec;

use super::{Asked, Look, count};
use crate::clock::Timestamp;
use crate::kernel::bundle::{Bundle, PlainLeg};
use crate::kernel::tally::{MAX_AMOUNT, Word};
use crate::plan::{Plan, TallyLimit, TimeLimit};
use crate::record::Record;
use crate::resource::{Demand, Resource};

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Usual {
    /// Admitted: nothing is near, nothing is observed, and no window or rate was met.
    Taken {
        /// Counted among the holds that show in no tally.
        bare: bool,
    },
    /// Nothing was taken: look at everything.
    Not,
}

/// Takes `demand` if that is usual. The time that was read for it is left in `now`.
#[inline(never)]
pub(super) fn take<'a>(record: &'a Record, demand: &Demand, now: &mut Option<Timestamp>) -> Usual {
    if !record.is_alone() || demand.asks_allowances() {
        return Usual::Not;
    }
    let (plan, core) = (record.registered_plan(), record.core());
    let remembered = plan.repetition.is_none() || (demand.fingerprint.is_none() && record.repetition.is_empty());
    if !plan.plain || !remembered || core.rates.limit(demand) {
        return Usual::Not;
    }
    let moment = match *now {
        Some(now) => now,
        None if plan.needs_time() => *now.insert(core.clock.now()),
        None => core.epoch,
    };
    let now_ns = moment.nanos_since(core.epoch);
    if !in_time(record, plan, moment, now_ns) || !is_far(record, plan, demand) {
        return Usual::Not;
    }
    let leg = |resource| PlainLeg { tally: record.hot.tally(resource), amount: demand.amount(resource) };
    let mut legs = ArrayVec::<PlainLeg<'a>, { Resource::ALL.len() }>::new();
    // In the order of `OWN_LEGS`; one after another, as they are looked at.
    let mut fit = true;
    let mut push = |leg: PlainLeg<'a>| fit &= leg.amount == 0 || legs.try_push(leg).is_ok();
    push(leg(Resource::Tokens));
    push(leg(Resource::Memory));
    push(leg(Resource::Cost));
    push(leg(Resource::DiscoveredSteps));
    if !fit {
        return Usual::Not;
    }
    let steps = leg(Resource::Steps);
    let bundle = Bundle {
        legs: &legs,
        rates: &[],
        last: (steps.amount > 0 || legs.is_empty()).then_some(steps),
        activity: plan.idle.is_some().then_some(&record.hot.activity),
        now_ns,
    };
    let taken = bundle.take(&mut [], |undone| {
        Look::of(record, record.registered_plan(), demand, &Asked::at(moment, now_ns), None).undone(undone);
    });
    let Ok(after) = taken else {
        core.flush();
        return Usual::Not;
    };
    let bare = plan.idle.is_some() && demand.leaves_no_trace();
    count(record, demand, after, bare);
    Usual::Taken { bare }
}

/// Whether no deadline has come or is near.
#[inline]
fn in_time(record: &Record, plan: &Plan, now: Timestamp, now_ns: u64) -> bool {
    let quiet = |limit: &TimeLimit, ns: u64| ns < limit.warn_ns && ns < limit.block_ns;
    if let Some(wall) = &plan.wall
        && !quiet(wall, now.nanos_since(record.started).min(u64::MAX - 1))
    {
        return false;
    }
    if let Some(active) = &plan.active
        && !quiet(active, record.active_ns(now).min(u64::MAX - 1))
    {
        return false;
    }
    let Some(idle) = &plan.idle else { return true };
    let seen = record.hot.activity.see();
    !seen.reaped() && quiet(idle, seen.idle_at(now_ns))
}

/// Whether all amounts are far from their limits, and no flag is set.
#[inline]
fn is_far(record: &Record, plan: &Plan, demand: &Demand) -> bool {
    let words = Resource::ALL.map(|resource| record.hot.tally(resource).word());
    let amounts = Resource::ALL.map(|resource| demand.amount(resource));
    if Word::any_barred(words) || amounts.iter().fold(0, |all, amount| all | amount) > MAX_AMOUNT {
        return false;
    }
    let limits = Resource::ALL.map(|resource| plan.tally(resource).far_room);
    let far = words.iter().zip(amounts).zip(limits).all(|((word, amount), room)| word.leaves_more(amount, room));
    let threshold = |threshold: &TallyLimit| {
        let used = record.hot.tally(Resource::Cost).word().used(plan.tally(Resource::Cost).limit);
        // Committed is no more than used.
        threshold.is_far(used.saturating_add(demand.cost))
    };
    far && plan.cost_threshold.as_ref().is_none_or(threshold)
}

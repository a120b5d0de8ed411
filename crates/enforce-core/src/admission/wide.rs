//! The usual way of who meets more than amounts of its own: budgets of the tenant or of the process, rates, the memory of
//! repeated steps. All of them let it through, and none is near.
//!
//! As [`usual`](super::usual), it decides nothing by itself.

use arrayvec::ArrayVec;

use super::usual::{quiet, remembers, undo};
use super::{Granted, budgets, count};
use crate::budget::{Payer, Periods, Terms, warn_room};
use crate::clock::Timestamp;
use crate::kernel::gcra::{Aim, Paced};
use crate::kernel::own::{Own, Room, Shared};
use crate::kernel::repetition::Repetition;
use crate::kernel::window::Window;
use crate::limits::RateUnit;
use crate::paces::Paces;
use crate::plan::TAKEN;
use crate::rates::{self, Keys, RateCell};
use crate::record::Record;
use crate::resource::Demand;

/// The most budgets, and the most rates, of which a demand takes something on this way.
const MOST: usize = 8;

/// Takes `demand` if that is usual. The time that was read for it is left in `now`, and what it took of rates of tokens in
/// `paces`.
#[inline(never)]
pub(super) fn take(
    record: &Record,
    demand: &Demand,
    now: &mut Option<Timestamp>,
    paces: &mut Option<Paces>,
) -> Option<Granted> {
    let rated = record.core().rates.limit(demand);
    let needs_time = record.registered_plan().far.needs_time || rated || record.budgets_need_time();
    let now_ns = quiet(record, demand, now, needs_time)?;
    let asked = Asked { record, demand, moment: now.unwrap_or(record.core().epoch), now_ns };
    if !remembers(record, demand) {
        return asked.rated(rated, paces);
    }
    let times = record.registered_plan().repetition.map_or(u64::MAX, |repetition| repetition.times);
    let repeats =
        |memory: &Repetition| demand.fingerprint.is_some_and(|print| memory.would_repeat(print, times).is_some());
    let admit = |memory: &Repetition| if repeats(memory) { None } else { asked.rated(rated, paces) }.ok_or(());
    record.repetition.within(demand.fingerprint, admit).ok()
}

/// What is asked of whom, and when.
#[derive(Clone, Copy)]
struct Asked<'a> {
    record: &'a Record,
    demand: &'a Demand,
    moment: Timestamp,
    now_ns: u64,
}

impl Asked<'_> {
    /// With all rates that the demand meets.
    #[inline(always)]
    fn rated(self, rated: bool, paces: &mut Option<Paces>) -> Option<Granted> {
        if !rated {
            return self.all(&[], &mut ArrayVec::new());
        }
        let Self { record, demand, now_ns, .. } = self;
        let (mut cells, mut rates) = (ArrayVec::<_, MOST>::new(), ArrayVec::<Rated<'_>, MOST>::new());
        let version = record.core().rates.kept(&record.tenant, Keys::of(demand), &mut cells)?;
        for cell in &cells {
            let amount = rates::amount(demand, cell.unit);
            let aim = if cell.line.is_empty() { cell.tat.aim(&cell.rate, now_ns, amount) } else { None }?;
            rates.try_push(Rated { cell, amount, aim }).ok()?;
        }
        let mut paced = ArrayVec::new();
        let granted = self.all(&rates, &mut paced)?;
        let mut of_tokens = rates
            .iter()
            .zip(&paced)
            .filter(|(rated, _)| rated.cell.unit != RateUnit::Requests)
            .map(|(_, paced)| paced)
            .peekable();
        if of_tokens.peek().is_some() {
            *paces = Some(Paces::with(demand, now_ns, version, of_tokens));
        }
        Some(granted)
    }

    /// Takes everything, and leaves what was taken of each rate in `paced`.
    #[inline(always)]
    fn all(self, rates: &[Rated<'_>], paced: &mut Taken) -> Option<Granted> {
        let Self { record, demand, moment, now_ns } = self;
        let (far, hot) = (&record.registered_plan().far, &record.hot);
        let tallies = TAKEN.map(|resource| hot.tally(resource));
        let own = Own::look(tallies, TAKEN.map(|resource| demand.amount(resource)), &far.rooms)?;
        let (mut shared, mut begins) = (ArrayVec::<(Shared<'_>, Payer<'_>), MOST>::new(), false);
        let periods = if record.has_budgets() { Periods::enter(record, moment) } else { Periods::NONE };
        if !periods.is_none() {
            for payer in record.payers(periods) {
                for budget in payer.windows() {
                    let amount = demand.amount(budget.0.resource);
                    let seen = look(payer, budget, amount, moment)?;
                    if amount > 0 {
                        shared.try_push((seen, payer)).ok()?;
                        begins |= budget.0.resource.is_begun();
                    }
                }
            }
        }
        let bare = far.touches && demand.leaves_no_trace();
        let others = || take_others(record, &shared, rates, now_ns, paced);
        match own.take_around(others, far.touches.then_some(&hot.activity), now_ns) {
            Ok(after) => {
                count(record, demand, Some(after), bare);
                if begins {
                    budgets::count(record, demand, periods);
                }
                Some(Granted { periods, bare })
            }
            Err(half) => {
                undo(record, demand, half, || give_back(record, &shared, rates, paced));
                None
            }
        }
    }
}

/// A rate that lets the demand through.
struct Rated<'a> {
    cell: &'a RateCell,
    amount: u64,
    aim: Aim,
}

/// What was taken of each rate.
type Taken = ArrayVec<Paced, MOST>;

/// Takes what was seen to fit; false, and nothing is taken, if something does not any more.
#[inline(always)]
fn take_others(
    record: &Record,
    shared: &[(Shared<'_>, Payer<'_>)],
    rates: &[Rated<'_>],
    now_ns: u64,
    paced: &mut Taken,
) -> bool {
    for (number, (budget, _)) in shared.iter().enumerate() {
        if !budget.take() {
            give_back(record, shared.get(..number).unwrap_or(&[]), &[], paced);
            return false;
        }
    }
    for Rated { cell, amount, aim } in rates {
        let taken = cell.tat.take_aimed(&cell.rate, now_ns, *amount, *aim);
        if taken.is_none_or(|taken| paced.try_push(taken).is_err()) {
            give_back(record, shared, rates, paced);
            return false;
        }
    }
    true
}

/// Gives back what was taken of these budgets and, as far as `paced` tells, of these rates, in the opposite order.
#[cold]
#[inline(never)]
fn give_back(record: &Record, shared: &[(Shared<'_>, Payer<'_>)], rates: &[Rated<'_>], paced: &Taken) {
    let wakes = &record.core().wakes;
    for (Rated { cell, .. }, taken) in rates.iter().zip(paced).rev() {
        wakes.put(cell.tat.undo(*taken, cell.line.queue()));
    }
    for (budget, payer) in shared.iter().rev() {
        if budget.give_back().concerns_others() {
            wakes.put(payer.line.first());
        }
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

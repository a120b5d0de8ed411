//! The usual way of who meets more than amounts of its own: those of the pools above it, budgets of the tenant or of the
//! process, rates, the memory of repeated steps. All of them let it through, and none is near.
//!
//! As [`usual`](super::usual), it decides nothing by itself.

use arrayvec::ArrayVec;

use super::usual::{look, quiet, remembers, undo};
use super::{Found, Granted, asks_budget, budgets, count, count_above};
use crate::budget::{Payer, Periods, Terms, warn_room};
use crate::clock::Timestamp;
use crate::family::MAX_TREE_DEPTH;
use crate::kernel::gcra::{Aim, Paced};
use crate::kernel::own::{Half, Own, Room, Shared};
use crate::kernel::queue::Queue;
use crate::kernel::repetition::Repetition;
use crate::kernel::window::Window;
use crate::limits::RateUnit;
use crate::paces::Paces;
use crate::rates::{self, Keys, RateCell};
use crate::record::Record;
use crate::resource::Demand;

/// The most budgets, and the most rates, of which a demand takes something on this way.
const MOST: usize = 8;

/// Takes `demand` if that is usual. The time that was read for it is left in `now`; what it took of rates of tokens, and whether
/// something was undone, is put down in `found`.
#[inline(never)]
pub(super) fn take(
    record: &Record,
    demand: &Demand,
    now: &mut Option<Timestamp>,
    found: &mut Found,
) -> Option<Granted> {
    let rated = record.core().rates.limit(demand);
    let needs_time = record.registered_plan().far.needs_time || rated || record.budgets_need_time();
    let now_ns = quiet(record, demand, now, needs_time)?;
    let taking = Taking { record, demand, moment: now.unwrap_or(record.core().epoch), now_ns };
    if !remembers(record, demand) {
        return taking.rated(rated, found);
    }
    let times = record.registered_plan().repetition.map_or(u64::MAX, |repetition| repetition.times);
    let repeats =
        |memory: &Repetition| demand.fingerprint.is_some_and(|print| memory.would_repeat(print, times).is_some());
    let admit = |memory: &Repetition| if repeats(memory) { None } else { taking.rated(rated, found) }.ok_or(());
    record.repetition.within(demand.fingerprint, admit).ok()
}

/// What is asked of whom, and when.
#[derive(Clone, Copy)]
struct Taking<'a> {
    record: &'a Record,
    demand: &'a Demand,
    moment: Timestamp,
    now_ns: u64,
}

impl Taking<'_> {
    /// With all rates that the demand meets.
    #[inline(always)]
    fn rated(self, rated: bool, found: &mut Found) -> Option<Granted> {
        if !rated {
            return self.all(&[], &mut ArrayVec::new(), &mut found.undone);
        }
        let Self { record, demand, now_ns, .. } = self;
        let (mut cells, mut rates) = (ArrayVec::<_, MOST>::new(), ArrayVec::<Aimed<'_>, MOST>::new());
        let version = record.core().rates.kept(&record.tenant, Keys::of(demand), &mut cells)?;
        for cell in &cells {
            let amount = rates::amount(demand, cell.unit);
            let aim = if cell.line.is_empty() { cell.tat.aim(&cell.rate, now_ns, amount) } else { None }?;
            rates.try_push(Aimed { cell, amount, aim }).ok()?;
        }
        let mut paced = ArrayVec::new();
        let granted = self.all(&rates, &mut paced, &mut found.undone)?;
        let mut of_tokens = rates
            .iter()
            .zip(&paced)
            .filter(|(aimed, _)| aimed.cell.unit != RateUnit::Requests)
            .map(|(_, paced)| paced)
            .peekable();
        if of_tokens.peek().is_some() {
            found.paces = Some(Paces::with(demand, now_ns, version, of_tokens));
        }
        Some(granted)
    }

    /// Takes everything, and leaves what was taken of each rate in `paced`.
    #[inline(always)]
    fn all(self, rates: &[Aimed<'_>], paced: &mut Taken, undone: &mut bool) -> Option<Granted> {
        let Self { record, demand, moment, now_ns } = self;
        let touches = record.registered_plan().far.touches;
        let own = look(record, demand)?;
        let mut pools = ArrayVec::<(&Record, Own<'_>), MAX_TREE_DEPTH>::new();
        for pool in record.pools() {
            if !pool.is_as_registered() {
                return None;
            }
            pools.try_push((pool, look(pool, demand)?)).ok()?;
        }
        let (mut shared, mut begins) = (ArrayVec::<(Shared<'_>, &Queue), MOST>::new(), false);
        let pays = record.has_budgets() && asks_budget(record);
        let periods = if pays { Periods::enter(record, moment) } else { Periods::NONE };
        if !periods.is_none() {
            let looked: Result<(), ()> = record.each_payer(periods, |payer| {
                for budget in payer.windows() {
                    let amount = demand.amount(budget.0.resource);
                    let seen = look_at(payer, budget, amount, moment).ok_or(())?;
                    if amount > 0 {
                        shared.try_push((seen, payer.line)).map_err(drop)?;
                        begins |= budget.0.resource.is_begun();
                    }
                }
                Ok(())
            });
            looked.ok()?;
        }
        let bare = touches && demand.leaves_no_trace();
        let others = Others { record, demand, pools: &pools, shared: &shared, rates };
        let taken = own.begin().and_then(|begun| {
            if others.take(now_ns, paced) {
                begun.end(touches.then_some(&record.hot.activity), now_ns)
            } else {
                Err(begun.fail())
            }
        });
        match taken {
            Ok(after) => {
                count(record, demand, Some(after), bare);
                if !pools.is_empty() {
                    count_above(record, demand);
                }
                if begins {
                    budgets::count(record, demand, periods);
                }
                Some(Granted { periods, bare })
            }
            Err(half) => {
                undo(record, demand, half, || others.give_back(paced));
                // Who is to be woken by that is woken by who holds no lock.
                *undone = true;
                None
            }
        }
    }
}

/// A rate that lets the demand through.
struct Aimed<'a> {
    cell: &'a RateCell,
    amount: u64,
    aim: Aim,
}

/// What was taken of each rate.
type Taken = ArrayVec<Paced, MOST>;

/// What is taken of others than the execution, all of which was seen to fit; in the order in which it is taken.
struct Others<'a> {
    record: &'a Record,
    demand: &'a Demand,
    pools: &'a [(&'a Record, Own<'a>)],
    /// Each with the line of those who wait for it.
    shared: &'a [(Shared<'a>, &'a Queue)],
    rates: &'a [Aimed<'a>],
}

impl Others<'_> {
    /// Takes all of it, and puts what was taken of rates into `paced`; false, and nothing is taken, if something does not fit
    /// any more.
    #[inline(always)]
    fn take(&self, now_ns: u64, paced: &mut Taken) -> bool {
        for (number, (pool, own)) in self.pools.iter().enumerate() {
            if let Err(half) = own.take(None, now_ns) {
                undo(pool, self.demand, half, || ());
                return self.fail(number, 0, paced);
            }
        }
        for (number, (budget, _)) in self.shared.iter().enumerate() {
            if !budget.take() {
                return self.fail(self.pools.len(), number, paced);
            }
        }
        for Aimed { cell, amount, aim } in self.rates {
            let taken = cell.tat.take_aimed(&cell.rate, now_ns, *amount, *aim);
            if taken.is_none_or(|taken| paced.try_push(taken).is_err()) {
                return self.fail(self.pools.len(), self.shared.len(), paced);
            }
        }
        true
    }

    /// Gives back what was taken of so many pools and budgets, and of rates as far as `paced` tells.
    #[cold]
    #[inline(never)]
    fn fail(&self, pools: usize, shared: usize, paced: &Taken) -> bool {
        let (pools, shared) = (self.pools.get(..pools).unwrap_or(&[]), self.shared.get(..shared).unwrap_or(&[]));
        Others { pools, shared, ..*self }.give_back(paced);
        false
    }

    /// Gives everything back, in the opposite order.
    #[cold]
    #[inline(never)]
    fn give_back(&self, paced: &Taken) {
        let wakes = &self.record.core().wakes;
        for (Aimed { cell, .. }, taken) in self.rates.iter().zip(paced).rev() {
            wakes.put(cell.tat.undo(*taken, cell.line.queue()));
        }
        for (budget, line) in self.shared.iter().rev() {
            if budget.give_back().concerns_others() {
                wakes.put(line.first());
            }
        }
        self.pools.iter().rev().for_each(|(pool, _)| undo(pool, self.demand, Half::ALL, || ()));
    }
}

/// A budget that is far from its limit, in a period that goes on, and that nobody waits for.
#[inline(always)]
fn look_at<'a>(
    payer: Payer<'a>,
    (terms, window): (&Terms, &'a Window),
    amount: u64,
    now: Timestamp,
) -> Option<Shared<'a>> {
    if window.has_ended(now.as_nanos()) || payer.line.wants(terms.resource.bit()) {
        return None;
    }
    // The word first: what it is compared with is then no older than it.
    let seen = window.tally.word();
    Shared::look(&window.tally, seen, amount, Room::of(warn_room(window)))
}

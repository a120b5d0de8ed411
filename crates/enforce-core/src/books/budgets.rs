//! What tenant and process pay: into the periods in which it was taken, however late.

use super::{Books, Noted, Used};
use crate::admission::asks_budget;
use crate::budget::{Periods, Terms};
use crate::clock::Timestamp;
use crate::decision::Cause;
use crate::kernel::window::Window;
use crate::record::Record;
use crate::resource::{Amounts, Resource};

/// Gives `back` back and takes `spent`, whatever remains, in the budgets of those periods. Whether somebody is to be woken,
/// by who holds no lock.
#[cold]
pub(super) fn shift(record: &Record, periods: Periods, back: &Amounts, spent: &Amounts) -> bool {
    let mut others = false;
    for payer in record.payers(periods) {
        for (terms, window) in payer.windows() {
            let (back, spent) = (back.get(terms.resource), spent.get(terms.resource));
            if back != spent && window.tally.settle(back, spent).concerns_others() {
                record.core().wakes.put(payer.line.first());
                others = true;
            }
        }
    }
    others
}

/// Writes what was used in the budgets of the tenant and of the process; the time, if it was looked at by now.
#[inline(never)]
pub(super) fn pay(books: &Books<'_>, used: &Used) -> (Noted, Option<Timestamp>) {
    let (record, mut now) = (books.record, books.now);
    // What its slice has set aside has been taken from them as a whole, and is paid when that ends.
    if books.periods.is_none() && !asks_budget(record) {
        return (Noted::NOTHING, now);
    }
    let (mut cut, mut others) = (None, false);
    for payer in record.payers(books.periods) {
        let mut write = |(terms, window): (&Terms, &Window), reserved: u64| {
            let actual = used.amount(terms.resource);
            // What was used is taken before it is committed, so that committed never runs ahead of used (S1).
            let recorded = (reserved != actual).then(|| window.tally.settle(reserved, actual));
            if recorded.is_some_and(|recorded| recorded.concerns_others()) {
                record.core().wakes.put(payer.line.first());
                others = true;
            }
            let cut_short = recorded.is_some_and(|recorded| recorded.cut);
            if actual > 0 && window.committed.add(actual).cut || cut_short {
                let violation_type = record.plan().tally(terms.resource).kind;
                cut.get_or_insert(Cause { violation_type, scope: payer.scope });
            }
        };
        payer.windows().for_each(|budget| write(budget, books.reserved(budget.0.resource)));
        // Of a budget that is new since nothing was reserved: what was used is recorded, as debt if need be (L1).
        let read = || *now.get_or_insert_with(|| record.core().clock.now());
        payer.windows_since(read).for_each(|budget| write(budget, 0));
    }
    (Noted::others(others).and(Noted::cut_by(cut)), now)
}

impl Books<'_> {
    const fn reserved(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Steps => self.steps,
            Resource::Tokens => self.tokens,
            Resource::Memory => self.memory,
            Resource::Cost => self.cost,
            Resource::DiscoveredSteps => self.discovered,
        }
    }
}

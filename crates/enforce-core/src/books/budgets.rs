//! What tenant and process pay: into the periods in which it was taken, however late.

use std::convert::Infallible;

use super::{Books, Noted, Used};
use crate::admission::asks_budget;
use crate::budget::{Payer, Periods, Terms};
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
    let record = books.record;
    // What its slice has set aside has been taken from them as a whole, and is paid when that ends.
    if books.periods.is_none() && !asks_budget(record) {
        return (Noted::NOTHING, books.now);
    }
    let mut bill = Bill { record, used, now: books.now, cut: None, others: false };
    let paid: Result<(), Infallible> = record.each_payer(books.periods, |payer| {
        for (terms, window) in payer.windows() {
            bill.write(payer, terms, window, books.reserved(terms.resource));
        }
        if !payer.is_current() {
            bill.write_since(payer);
        }
        Ok(())
    });
    let Ok(()) = paid;
    (Noted::others(bill.others).and(Noted::cut_by(bill.cut)), bill.now)
}

/// What is paid, and what has come of it by now.
struct Bill<'a> {
    record: &'a Record,
    used: &'a Used,
    /// The time, if it was looked at.
    now: Option<Timestamp>,
    /// The first sum that had to be cut at the bound.
    cut: Option<Cause>,
    /// There may be somebody to wake.
    others: bool,
}

impl Bill<'_> {
    /// Writes it into one budget, of which so much was set aside.
    #[inline(always)]
    fn write(&mut self, payer: Payer<'_>, terms: &Terms, window: &Window, reserved: u64) {
        let actual = self.used.amount(terms.resource);
        // What was used is taken before it is committed, so that committed never runs ahead of used (S1).
        let mut cut = false;
        if reserved != actual {
            let recorded = window.tally.settle(reserved, actual);
            cut = recorded.cut;
            if recorded.concerns_others() {
                self.record.core().wakes.put(payer.line.first());
                self.others = true;
            }
        }
        if actual > 0 {
            cut |= window.committed.add(actual).cut;
        }
        if cut {
            self.note_cut(payer, terms);
        }
    }

    #[cold]
    fn note_cut(&mut self, payer: Payer<'_>, terms: &Terms) {
        let violation_type = self.record.plan().tally(terms.resource).kind;
        self.cut.get_or_insert(Cause { violation_type, scope: payer.scope });
    }

    /// Writes it into the budgets that are new since: nothing was set aside there, so what was used is recorded, as debt if
    /// need be (L1).
    #[cold]
    #[inline(never)]
    fn write_since(&mut self, payer: Payer<'_>) {
        let clock = &self.record.core().clock;
        let mut now = self.now;
        for (terms, window) in payer.windows_since(|| *now.get_or_insert_with(|| clock.now())) {
            self.write(payer, terms, window, 0);
        }
        self.now = now;
    }
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

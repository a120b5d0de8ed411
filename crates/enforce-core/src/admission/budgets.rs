//! Budgets of the tenant and of the process, as one demand meets them.

use std::convert::Infallible;
use std::time::Duration;

use arrayvec::ArrayVec;

use super::take::OWN_LEGS;
use super::{Asked, Found, Look, Looked, Obstacle, countable, when_freed};
use crate::budget::{self, MAX_BUDGETS, Payer, Periods, Terms};
use crate::clock::Timestamp;
use crate::decision::{EnforcementViolation, EnforcementWarning, Retry, ScopeKind};
use crate::kernel::bundle::{Leg, Lost};
use crate::kernel::queue::Queue;
use crate::kernel::tally::{WAITERS, Word};
use crate::kernel::window::{NEVER_ENDS, Window};
use crate::limits::Action;
use crate::plan::TallyLimit;
use crate::record::Record;
use crate::resource::Demand;
use crate::told::Near;

/// The most budgets that one demand meets.
pub(super) const MAX_MET: usize = 2 * MAX_BUDGETS;

/// A budget that a demand meets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met<'a> {
    payer: Payer<'a>,
    terms: &'a Terms,
    window: &'a Window,
    /// The window is that of a hold which is extended, whatever the time is by now.
    held: bool,
}

impl<'a> Met<'a> {
    /// Those who wait for it.
    pub(super) const fn line(&self) -> &'a Queue {
        self.payer.line
    }

    /// Where a demand that it refuses would wait.
    fn obstacle(&self) -> Obstacle {
        if self.payer.scope == ScopeKind::Process { Obstacle::Process } else { Obstacle::Tenant }
    }

    /// The window that tells what limits it; nothing once it is no budget any more: what a hold takes of it is only counted.
    #[inline]
    fn limit(&self) -> Option<&'a Window> {
        if self.held { self.payer.now_of(self.terms) } else { Some(self.window) }
    }

    /// A period that has not begun is a full one.
    fn is_fresh(&self, asked: &Asked) -> bool {
        !self.held && self.window.has_ended(asked.now.as_nanos())
    }

    /// The limit, the word that counts from it, and what is committed.
    fn read(&self, limit: &Window, asked: &Asked) -> (TallyLimit, Word, u64) {
        if self.is_fresh(asked) {
            let (limit, _) = self.terms.read(limit);
            return (limit, Word::full(limit.limit), 0);
        }
        let committed = self.window.committed.read();
        let (own, word) = self.terms.read(self.window);
        // The limit of a period that is over is what it was at its end; what a refusal does is as it is now.
        let limit = if self.held { TallyLimit { limit: own.limit, ..self.terms.read(limit).0 } } else { own };
        (limit, word, committed)
    }

    /// Whether waiting helps: until holds give back, or else until the next period, if the demand fits a whole one.
    fn retry(&self, limit: &TallyLimit, demand: u64, committed: u64, asked: &Asked) -> Retry {
        let retry = when_freed(committed, demand, limit.limit);
        // A limit that is about to halt or to pause is not waited for, unless the pause ends with the period.
        let acts = committed >= limit.limit && stops(limit);
        let ends = self.window.ends();
        if retry != Retry::Never || demand > limit.limit || acts || self.held || ends == NEVER_ENDS {
            return retry;
        }
        Retry::After(Duration::from_nanos(ends.saturating_sub(asked.now.as_nanos())))
    }
}

/// Whether what it does when it is exhausted lasts longer than its period.
const fn stops(limit: &TallyLimit) -> bool {
    match limit.action {
        Action::Halt => true,
        Action::Pause => !limit.next_period_approves,
        Action::Refuse | Action::Observe => false,
    }
}

/// The later of two; *never* is the latest.
fn later(one: Retry, other: Retry) -> Retry {
    match (one, other) {
        (Retry::Never, _) | (_, Retry::Never) => Retry::Never,
        (Retry::After(one), Retry::After(other)) => Retry::After(one.max(other)),
        (Retry::After(_), _) => one,
        _ => other,
    }
}

impl<'a> Look<'a> {
    /// Runs `act` on the budgets that it meets, in the order that never changes, until it fails. A loop rather than an
    /// iterator: one that can do both, reserve and extend, is large, and copying it costs more than the exchanges.
    #[inline(always)]
    fn each_budget<E>(&self, mut act: impl FnMut(Met<'a>) -> Result<(), E>) -> Result<(), E> {
        for payer in self.record.payers(self.asked.periods) {
            if let Some(held) = self.asked.held {
                for met in extended(payer, held) {
                    act(met)?;
                }
                continue;
            }
            for (terms, window) in payer.windows() {
                act(Met { payer, terms, window, held: false })?;
            }
        }
        Ok(())
    }

    #[inline(never)]
    pub(super) fn budgets(&self, found: &mut Found) -> Looked {
        self.each_budget(|met| self.budget(found, &met).inspect_err(|_| found.at(met.obstacle())))
    }

    /// Whether others wait for what it asks of that budget. A window bears their mark only if they have seen it, so the line
    /// itself is looked at.
    #[inline]
    fn is_behind(&self, met: &Met<'a>, asked: u64) -> bool {
        let over = met.held && met.window.has_ended(self.asked.now.as_nanos());
        asked > 0 && !over && met.line().wants(met.terms.resource.bit()) && self.first != Some(met.obstacle())
    }

    #[inline]
    fn budget(&self, found: &mut Found, met: &Met<'a>) -> Looked {
        let Some(limit) = met.limit() else { return Ok(()) };
        let asked = self.demand.amount(met.terms.resource);
        let word = if met.is_fresh(self.asked) { Word::full(limit.read().0) } else { met.window.tally.word() };
        // Neither term exceeds 2^56.
        if !self.is_behind(met, asked)
            && word.fits(asked).is_ok()
            && word.remaining() - asked as i64 > budget::warn_room(limit)
        {
            return Ok(());
        }
        self.near_budget(found, met, limit, asked)
    }

    /// At the limit or near it: limit and word are looked at once more, together.
    #[cold]
    fn near_budget(&self, found: &mut Found, met: &Met<'a>, limit: &Window, asked: u64) -> Looked {
        let (limit, word, committed) = met.read(limit, self.asked);
        if word.has_waiters() {
            // Left behind by those who had seen it, where nobody waits for it any more.
            if met.window.has_ended(self.asked.now.as_nanos()) {
                met.window.tally.unmark(WAITERS);
            } else {
                met.line().unmark_unless_wanted(met.terms.resource.bit(), || met.window.tally.unmark(WAITERS));
            }
        }
        let used = word.used(limit.limit);
        let fits = word.fits_first(asked).is_ok();
        if fits && limit.action != Action::Observe && self.is_behind(met, asked) {
            let violation = limit.violation(met.payer.scope, used, asked, Retry::WhenFreed);
            return Err(found.stop(EnforcementViolation { queued: true, ..violation }, None));
        }
        if fits || limit.tolerates(asked, used) {
            if word.remaining() - asked as i64 <= limit.warn_room {
                let current = used.saturating_add(asked);
                let warning = EnforcementWarning::of(met.payer.scope, limit.kind, current, limit.limit);
                found.near(Near { warning, level: 0, period: Some(met.terms.period(met.window)) });
            }
            return Ok(());
        }
        let action = countable(limit.action, used, asked);
        let own = met.retry(&limit, asked, committed, self.asked);
        let retry = if action == Action::Observe { own } else { self.latest_retry(own) };
        let refused =
            found.refuse(limit.violation(met.payer.scope, used, asked, retry), action, committed >= limit.limit);
        refused.inspect_err(|_| {
            if limit.next_period_approves && met.window.ends() != NEVER_ENDS {
                found.until(Timestamp::from_nanos(met.window.ends()));
            }
        })
    }

    /// The latest retry of all budgets that refuse, of which the first says `own`: waiting for one of them does not help if
    /// another still says no.
    fn latest_retry(&self, own: Retry) -> Retry {
        let mut latest = own;
        let looked: Result<(), Infallible> = self.each_budget(|met| {
            let Some(limit) = met.limit() else { return Ok(()) };
            let asked = self.demand.amount(met.terms.resource);
            let (limit, word, committed) = met.read(limit, self.asked);
            let used = word.used(limit.limit);
            let refuses = word.fits_first(asked).is_err()
                && !limit.tolerates(asked, used)
                && countable(limit.action, used, asked) != Action::Observe;
            if refuses {
                latest = later(latest, met.retry(&limit, asked, committed, self.asked));
            }
            Ok(())
        });
        let Ok(()) = looked;
        latest
    }

    /// Runs `act` on the legs that it takes from budgets, each with its budget.
    #[inline(always)]
    pub(super) fn each_budget_leg(&self, mut act: impl FnMut(Met<'a>, Leg<'a>)) {
        let looked: Result<(), Infallible> = self.each_budget(|met| {
            let amount = self.demand.amount(met.terms.resource);
            if amount > 0 {
                let observed = met.limit().is_none_or(budget::observes);
                let first = self.first == Some(met.obstacle());
                act(met, Leg { tally: &met.window.tally, amount, observed, first });
            }
            Ok(())
        });
        let Ok(()) = looked;
    }

    /// As [`Look::take`], with a leg for every budget.
    #[inline(never)]
    pub(super) fn take_paid(&self, found: &mut Found) -> Result<Option<Word>, Lost> {
        let mut legs = ArrayVec::<Leg<'_>, { OWN_LEGS.len() + MAX_MET }>::new();
        for resource in OWN_LEGS {
            let leg = self.leg(0, self.record, self.plan, resource);
            if leg.amount > 0 {
                legs.push(leg);
            }
        }
        self.each_budget_leg(|_, leg| legs.push(leg));
        if self.record.core().rates.limit(self.demand) {
            self.take_rated(&legs, found)
        } else {
            self.bundle(&legs, &[]).take(&mut [], |undone| self.undone(undone))
        }
    }

    /// What stood in the way of a take from a budget that had looked possible.
    pub(super) fn lost_budget(&self, met: &Met<'a>, word: Word) -> EnforcementViolation {
        let asked = self.demand.amount(met.terms.resource);
        let (limit, _, committed) = met.read(met.limit().unwrap_or(met.window), self.asked);
        let retry = met.retry(&limit, asked, committed, self.asked);
        limit.violation(met.payer.scope, word.used(limit.limit), asked, retry)
    }
}

/// What a demand that extends a hold meets: what it sets aside comes out of the periods in which the hold was taken, for
/// there it is settled; what begins, begins now.
#[cold]
fn extended<'a>(payer: Payer<'a>, held: Periods) -> ArrayVec<Met<'a>, MAX_BUDGETS> {
    let of = |payer: Payer<'a>, held| payer.windows().map(move |(terms, window)| Met { payer, terms, window, held });
    let begun = of(payer, false).filter(|met| met.terms.resource.is_begun());
    let quantities = of(payer.at(held), true).filter(|met| !met.terms.resource.is_begun());
    let mut met: ArrayVec<_, MAX_BUDGETS> = begun.chain(quantities).collect();
    // In the order of the resources; of each, the lists have the shorter period first.
    met.sort_by_key(|met| met.terms.resource as u8);
    met
}

/// Counts what has begun in the budgets that it was taken from.
#[inline(never)]
pub(super) fn count(record: &Record, demand: &Demand, periods: Periods) {
    for payer in record.payers(periods) {
        for (terms, window) in payer.windows().filter(|(terms, _)| terms.resource.is_begun()) {
            let _added = window.committed.add(demand.amount(terms.resource));
        }
    }
}

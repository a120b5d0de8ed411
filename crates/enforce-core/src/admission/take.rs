//! Taking: everything that was looked at, or nothing, and what stood in the way.

use std::time::Duration;

use arrayvec::ArrayVec;

use super::budgets::{self, MAX_MET};
use super::look::scope_of;
use super::{Found, Look, Obstacle, Stop, allowances, when_freed};
use crate::allowance::{self, AllowanceKey, Spent};
use crate::books;
use crate::decision::{EnforcementViolation, Retry, ScopeKind};
use crate::family::MAX_TREE_DEPTH;
use crate::kernel::bundle::{Bundle, Leg, Lost, RateLeg, Undone};
use crate::kernel::gcra::{Paced, TooFast};
use crate::kernel::tally::{Refusal, Word};
use crate::limits::Action;
use crate::paces::Paces;
use crate::plan::{Plan, TAKEN, TallyLimit};
use crate::rate_plan::MAX_RATES;
use crate::rates::{self, Keys, Met};
use crate::record::Record;
use crate::resource::Resource;

impl<'a> Look<'a> {
    #[inline]
    pub(super) fn met(&self) -> Result<Met<'a>, ScopeKind> {
        self.record.core().rates.met(&self.record.tenant, Keys::of(self.demand))
    }

    /// Takes what was looked at.
    #[inline]
    pub(super) fn take(&self, found: &mut Found) -> Result<Option<Word>, Lost> {
        if self.record.extra().is_some() || self.demand.asks_allowances() {
            return self.take_in_tree(found);
        }
        if !self.asked.periods.is_none() {
            return self.take_paid(found);
        }
        if self.demand.is_bare() {
            return self.bundle(&[], &[]).take(&mut [], |undone| self.undone(undone));
        }
        let mut legs = [self.leg(0, self.record, self.plan, Resource::Steps); OWN_LEGS.len()];
        let mut count = 0;
        let mut push = |leg: Leg<'a>| {
            if leg.amount > 0
                && let Some(place) = legs.get_mut(count)
            {
                *place = leg;
                count += 1;
            }
        };
        // In the order of `OWN_LEGS`; one after another, as they are looked at.
        push(self.leg(0, self.record, self.plan, Resource::Tokens));
        push(self.leg(0, self.record, self.plan, Resource::Memory));
        push(self.leg(0, self.record, self.plan, Resource::Cost));
        push(self.leg(0, self.record, self.plan, Resource::DiscoveredSteps));
        let legs = legs.get(..count).unwrap_or(&[]);
        if self.record.core().rates.limit(self.demand) {
            self.take_rated(legs, found)
        } else {
            self.bundle(legs, &[]).take(&mut [], |undone| self.undone(undone))
        }
    }

    /// With all rates that the demand meets.
    #[inline(never)]
    pub(super) fn take_rated(&self, legs: &[Leg<'_>], found: &mut Found) -> Result<Option<Word>, Lost> {
        let undone = |undone| self.undone(undone);
        let Some(met) = self.charged() else { return self.bundle(legs, &[]).take(&mut [], undone) };
        let rates = met.legs(self.demand);
        let mut paced: ArrayVec<Option<Paced>, MAX_RATES> = rates.iter().map(|_| None).collect();
        let after = match self.bundle(legs, &rates).take(&mut paced, undone) {
            // Another was faster than the look: a rate that only observes is then not charged, and stops nobody.
            Err(Lost::Rate(..)) if self.record.core().rate_action == Action::Observe => {
                found.undone = true;
                return self.bundle(legs, &[]).take(&mut [], undone);
            }
            outcome => outcome?,
        };
        found.paces = Paces::of(self.demand, self.asked.now_ns, &met, &paced);
        Ok(after)
    }

    /// As [`Look::take`], with a leg for every allowance and for everything that is taken from the pools above.
    #[cold]
    pub(super) fn take_in_tree(&self, found: &mut Found) -> Result<Option<Word>, Lost> {
        // Steps of a pool are counted when everything has come through, so here they are a quantity like others.
        let mut legs = ArrayVec::<Leg<'_>, { MAX_COUNTED + MAX_MET + 2 }>::new();
        self.each_leg(|level, record, resource| legs.push(self.leg(level, record, &record.plan(), resource)));
        self.each_budget_leg(|_, leg| legs.push(leg));
        legs.extend(self.allowance_legs());
        if self.record.core().rates.limit(self.demand) {
            self.take_rated(&legs, found)
        } else {
            self.bundle(&legs, &[]).take(&mut [], |undone| self.undone(undone))
        }
    }

    /// Follows an amount that was taken and given back, where it was counted further up or somebody waits for it.
    #[cold]
    pub(super) fn undone(&self, undone: Undone) {
        match undone {
            Undone::Rate(waiter) => self.record.core().wakes.put([waiter]),
            Undone::Leg(number, recorded) => match self.whose(number) {
                Whose::Counted(_, record, resource) => {
                    books::follow(record, resource, self.demand.amount(resource), 0, recorded);
                }
                Whose::Budget(met) => self.record.core().wakes.put(met.line().first()),
                // Nobody waits for them, and they belong to nobody's slice.
                Whose::Allowance(..) => {}
            },
        }
    }

    /// Runs `act` on what is taken before the budgets: at which level, whose, and of what. A visit rather than a list: one of
    /// all that there could be is large, and copying it costs more than the exchanges.
    #[inline(always)]
    fn each_leg(&self, mut act: impl FnMut(usize, &'a Record, Resource)) {
        let asks = |resource: &Resource| self.demand.amount(*resource) > 0;
        OWN_LEGS.into_iter().filter(asks).for_each(|resource| act(0, self.record, resource));
        for (level, pool) in (1..).zip(self.record.pools()) {
            POOL_LEGS.into_iter().filter(asks).for_each(|resource| act(level, pool, resource));
        }
    }

    /// The same as a list.
    pub(super) fn legs(&self) -> ArrayVec<(usize, &'a Record, Resource), MAX_COUNTED> {
        let mut legs = ArrayVec::new();
        self.each_leg(|level, record, resource| legs.push((level, record, resource)));
        legs
    }

    /// Whose amount the leg of that number takes, in the order of [`Look::take_in_tree`].
    pub(super) fn whose(&self, number: usize) -> Whose<'a> {
        let counted = self.legs();
        if let Some((level, record, resource)) = counted.get(number) {
            return Whose::Counted(scope_of(*level), record, *resource);
        }
        let mut budgets = ArrayVec::<_, MAX_MET>::new();
        self.each_budget_leg(|met, _| budgets.push(Whose::Budget(met)));
        let allowances = self.demand.allowances().map(|(key, units)| Whose::Allowance(key, units));
        let behind = number.saturating_sub(counted.len());
        // Behind everything else, own steps are taken.
        budgets.into_iter().chain(allowances).nth(behind).unwrap_or(Whose::Counted(
            ScopeKind::Execution,
            self.record,
            Resource::Steps,
        ))
    }

    /// What is taken of `resource` of the record at that level.
    #[inline]
    pub(super) fn leg(&self, level: usize, record: &'a Record, plan: &Plan, resource: Resource) -> Leg<'a> {
        Leg {
            tally: record.hot.tally(resource),
            amount: self.demand.amount(resource),
            observed: plan.tally(resource).action == Action::Observe,
            first: self.is_first_at(level),
        }
    }

    /// The rates that are charged, if any: those that only observe are charged for what they would have admitted.
    #[inline]
    pub(super) fn charged(&self) -> Option<Met<'a>> {
        let observes = self.record.core().rate_action == Action::Observe;
        self.met().ok().filter(|met| !observes || met.look(self.demand, self.asked.now_ns, None).is_ok())
    }

    #[inline(always)]
    pub(super) fn bundle<'b>(&'b self, legs: &'b [Leg<'b>], rates: &'b [RateLeg<'b>]) -> Bundle<'b> {
        let steps = self.leg(0, self.record, self.plan, Resource::Steps);
        let others = self.record.extra().is_some() || !self.asked.periods.is_none() || !rates.is_empty();
        Bundle {
            legs,
            rates,
            // Taken even when it is nothing: the exchange on an own word, behind all that others give, is what a halt cannot be
            // missed by (E1).
            last: (steps.amount > 0 || legs.is_empty() || others).then_some(steps),
            activity: self.plan.idle.as_ref().filter(|_| self.touches).map(|_| &self.record.hot.activity),
            now_ns: self.asked.now_ns,
        }
    }

    /// What stood in the way of a take that had looked possible: looked at again, or what was met.
    ///
    /// If it looks possible again by now, what stood in the way was another's hold, or a take about to be undone:
    /// refused, and nothing is acted upon (T3).
    #[cold]
    pub(super) fn lost(&self, lost: Lost, found: &mut Found) -> Stop {
        found.undone = true;
        // With the limits as they are by now.
        if let Err(stop) = (Look { plan: &self.record.plan(), ..*self }).all(found) {
            return stop;
        }
        let violation = match lost {
            Lost::Reaped => return self.reaped(found, self.record.hot.activity.see()),
            Lost::Leg(_, Refusal::Barred) => self.record.state_violation(self.minted()),
            Lost::Leg(number, Refusal::Short(word) | Refusal::Queued(word)) => self.lost_leg(number, word),
            Lost::Rate(number, too_fast) => self.lost_rate(number, too_fast),
        };
        let stop = found.stop(violation, None);
        found.at(Obstacle::Passing);
        stop
    }

    pub(super) fn lost_leg(&self, number: usize, word: Word) -> EnforcementViolation {
        let refused = |scope, limit: &TallyLimit, word: Word, asked, committed| {
            let (used, retry) = (word.used(limit.limit), when_freed(committed, asked, limit.limit));
            limit.violation(scope, used, asked, retry)
        };
        let of = |scope, record: &Record, resource| {
            let (asked, committed) = (self.demand.amount(resource), record.committed_of(resource));
            let (limit, read) = record.read(resource);
            // Whose limit was changed: the word that was met may count from another one.
            let word = if record.extra().is_some_and(|extra| extra.plans().is_some()) { read } else { word };
            refused(scope, &limit, word, asked, committed)
        };
        match self.whose(number) {
            Whose::Counted(scope, record, resource) => of(scope, record, resource),
            Whose::Budget(met) => self.lost_budget(&met, word),
            Whose::Allowance(key, asked) => {
                let spent = self.record.spent().and_then(|all| Spent::of(all, key));
                match self.record.core().allowances.limit(key).zip(spent) {
                    Some((limit, spent)) => {
                        let (own, word) = spent.read();
                        let limit = limit.moved(own, self.plan.source.policy.warning_threshold);
                        allowances::refused(key, &limit, word, asked, spent.committed.read())
                    }
                    None => allowance::unknown(key, asked),
                }
            }
        }
    }

    /// Rates count from when the enforcer was built: who asks before has to wait for that as well (Q1).
    #[cold]
    pub(super) fn early_too(&self, violation: EnforcementViolation) -> EnforcementViolation {
        let early = Duration::from_nanos(self.record.core().epoch.nanos_since(self.asked.now));
        match violation.retry {
            Retry::After(delay) => {
                EnforcementViolation { retry: Retry::After(delay.saturating_add(early)), ..violation }
            }
            _ => violation,
        }
    }

    pub(super) fn lost_rate(&self, number: usize, too_fast: TooFast) -> EnforcementViolation {
        let violation = match self.met() {
            Ok(met) => met.lost(self.demand, number, too_fast),
            Err(scope) => Some(rates::unknown(scope)),
        };
        let violation = violation.unwrap_or_else(|| rates::unknown(ScopeKind::Provider));
        match violation.retry {
            // It had looked possible, and does so again: the rate was changed in between.
            Retry::Never => EnforcementViolation { retry: Retry::WhenFreed, ..violation },
            _ => self.early_too(violation),
        }
    }
}

/// The most that is counted of one demand in a tree, but for its last leg.
pub(super) const MAX_COUNTED: usize = OWN_LEGS.len() + POOL_LEGS.len() * MAX_TREE_DEPTH;

/// Whose amount a leg takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Counted(ScopeKind, &'a Record, Resource),
    Budget(budgets::Met<'a>),
    Allowance(AllowanceKey, u64),
}

/// What of a pool is taken: as its own quantities, and its steps behind them.
pub(super) const POOL_LEGS: [Resource; 5] = TAKEN;

/// The order in which an execution's own quantities are taken; steps follow behind everything else.
pub(super) const OWN_LEGS: [Resource; 4] =
    [Resource::Tokens, Resource::Memory, Resource::Cost, Resource::DiscoveredSteps];

//! Writing down what was used: in the execution's own words, in those of every scope whose budget it shares, and, where
//! a count has been carried further up before, there.

mod budgets;
mod carry;

pub(crate) use self::carry::{Exhausted, carry_up, commit, follow, shift};
use self::carry::{act, from_above};

use crate::admission::cost_threshold_violation;
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, ScopeKind};
use crate::hold::Settlement;
use crate::kernel::tally::{MAX_AMOUNT, METERED, Recorded};
use crate::limits::Action;
use crate::plan::Plan;
use crate::record::{Committed, Record};
use crate::resource::{Actual, Amounts, Resource};

/// What is to be written down.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) steps: u64,
    pub(crate) discovered: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: u64,
}

impl Used {
    #[inline]
    pub(crate) const fn of(actual: &Actual) -> Self {
        Self {
            steps: actual.steps,
            discovered: actual.discovered_steps,
            input: actual.input_tokens,
            output: actual.output_tokens,
            cost: actual.cost,
        }
    }

    #[inline]
    pub(crate) const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What of it a budget of `resource` counts.
    pub(crate) const fn amount(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Steps => self.steps,
            Resource::Tokens => self.total(),
            Resource::Cost => self.cost,
            Resource::DiscoveredSteps => self.discovered,
            // A gauge: what was held comes back.
            Resource::Memory => 0,
        }
    }

    /// What of it is above `other`.
    pub(crate) const fn above(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            cost: self.cost.saturating_sub(other.cost),
            ..*self
        }
    }

    pub(crate) const fn plus(&self, other: &Self) -> Self {
        Self {
            steps: self.steps.saturating_add(other.steps),
            discovered: self.discovered.saturating_add(other.discovered),
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cost: self.cost.saturating_add(other.cost),
        }
    }
}

impl From<Committed> for Used {
    fn from(committed: Committed) -> Self {
        let Committed { steps, input_tokens, output_tokens, cost, discovered } = committed;
        Self { steps, discovered, input: input_tokens, output: output_tokens, cost }
    }
}

/// Gives back what a hold had set aside, on `record` and on every pool that it shares.
///
/// Apart and by amounts, so that a hold without any is never in memory.
pub(crate) fn give_back(record: &Record, tokens: u64, memory: u64, cost: u64, periods: Periods) {
    let mut others = false;
    for (resource, amount) in [(Resource::Tokens, tokens), (Resource::Memory, memory), (Resource::Cost, cost)] {
        if amount > 0 {
            others |= settle(record, resource, amount, 0).concerns_others();
            for pool in record.pools() {
                others |= settle(pool, resource, amount, 0).concerns_others();
            }
        }
    }
    if !periods.is_none() {
        let back = |resource| match resource {
            Resource::Tokens => tokens,
            Resource::Memory => memory,
            Resource::Cost => cost,
            Resource::Steps | Resource::DiscoveredSteps => 0,
        };
        others |= budgets::shift(record, periods, &Amounts::of(back), &Amounts::default());
    }
    if others {
        record.core().flush();
    }
}

/// Leaves the holds that show in no tally. Apart, because every hold that is dropped comes by.
#[inline(never)]
pub(crate) fn leave(record: &Record) {
    record.hot.bare_holds.give(1);
}

/// The places in which one record is written, and what had been set aside there.
pub(crate) struct Books<'a> {
    pub(crate) record: &'a Record,
    pub(crate) steps: u64,
    pub(crate) discovered: u64,
    pub(crate) tokens: u64,
    pub(crate) memory: u64,
    pub(crate) cost: u64,
    pub(crate) periods: Periods,
    pub(crate) bare: bool,
    /// When, where somebody has looked at the clock.
    pub(crate) now: Option<Timestamp>,
    /// What a count that has been carried up before has to be followed by, if there is any.
    pub(crate) late: Option<Used>,
    /// A sum that had to be cut at the bound.
    pub(crate) cut: Option<Cause>,
    /// Something was written that others have to know of: there may be somebody to wake.
    pub(crate) others: bool,
}

impl<'a> Books<'a> {
    #[inline]
    pub(crate) fn of(record: &'a Record, now: Option<Timestamp>) -> Self {
        Self {
            record,
            steps: 0,
            discovered: 0,
            tokens: 0,
            memory: 0,
            cost: 0,
            periods: Periods::NONE,
            bare: false,
            now,
            late: None,
            cut: None,
            others: false,
        }
    }

    pub(crate) fn settle(mut self, used: &Used) -> Settlement {
        let record = self.record;
        if let Some(now) = self.now.filter(|_| record.of_plan(|plan| plan.idle.is_some())) {
            // Before anything is given back: whoever sees the hold gone sees the touch (I1).
            record.hot.activity.touch(now.nanos_since(record.core().epoch));
        }
        let cost = self.write_here(used, true);
        if self.bare {
            record.hot.bare_holds.give(1);
        }
        // Before it acts itself: who halts it is not late.
        let state = record.state();
        let settlement = Settlement {
            late: self.late.is_some() || state.is_finished() || state.is_halted(),
            overrun_tokens: used.total().saturating_sub(self.tokens),
            overrun_nano_usd: used.cost.saturating_sub(self.cost),
            exhausted: None,
        };
        // The usual end: nothing has to be copied, because nothing happened.
        if self.late.is_none() && !self.exhausts(cost) && !self.others && record.extra().is_none() {
            return settlement;
        }
        Settlement { exhausted: self.follow_up(used, cost), ..settlement }
    }

    /// What a settle leads to: it is carried up where it came late, acts on what it exhausted, and climbs.
    #[cold]
    fn follow_up(&self, used: &Used, cost: Option<u64>) -> Option<EnforcementViolation> {
        let carried = self.late.as_ref().and_then(|late| carry_up(self.record, late, self.now));
        let own = if self.exhausts(cost) { self.exhausted(cost) } else { None };
        let first = match self.record.extra() {
            None => own,
            Some(_) => own.or(self.climb(used)).or(carried),
        };
        self.record.core().flush();
        first
    }

    /// Writes the same on every pool that the record shares; the first limit that is exhausted by it there or above.
    #[cold]
    fn climb(&self, used: &Used) -> Option<EnforcementViolation> {
        let mut first = None;
        for pool in self.record.pools() {
            let mut books = Books {
                record: pool,
                periods: Periods::NONE,
                bare: false,
                late: None,
                cut: None,
                others: false,
                ..*self
            };
            let cost = books.write(used, false);
            let carried = books.late.as_ref().and_then(|late| carry_up(pool, late, self.now));
            let here = if books.exhausts(cost) { books.exhausted(cost) } else { None };
            first = first.or(here.map(from_above)).or(carried);
        }
        first
    }

    /// [`Books::write_here`] where it need not be fast.
    #[inline(never)]
    fn write(&mut self, used: &Used, pays: bool) -> Option<u64> {
        self.write_here(used, pays)
    }

    /// Writes what was used; in the budgets of tenant and process, too, if it `pays`. The committed cost after it.
    #[inline(always)]
    fn write_here(&mut self, used: &Used, pays: bool) -> Option<u64> {
        self.begun(used);
        // What was used is taken from the tally before it is committed, so that committed never runs ahead of used.
        self.tally(Resource::Cost, self.cost, used.cost);
        if pays {
            self.pay(used);
        }
        self.tally(Resource::Tokens, self.tokens, used.total());
        let cost = self.cost(used.cost);
        self.tokens(used.input, used.output);
        self.tally(Resource::Memory, self.memory, 0);
        cost
    }

    #[inline(always)]
    fn begun(&mut self, used: &Used) {
        if self.steps | self.discovered | used.steps | used.discovered != 0 {
            self.begin(used);
        }
    }

    #[inline(never)]
    fn begin(&mut self, used: &Used) {
        if self.steps | used.steps != 0 {
            let recorded = settle(self.record, Resource::Steps, self.steps, used.steps);
            self.others |= recorded.concerns_others();
            let metered = recorded.after.flags() & METERED != 0;
            let late = if metered { self.record.hot.steps.add(used.steps).late } else { recorded.late };
            if late && used.steps > 0 {
                self.late.get_or_insert_default().steps = used.steps;
            }
            // The word of a tally reaches further than what is counted; limit and word are of one version.
            let (limit, word) = self.record.read(Resource::Steps);
            self.note(Resource::Steps, recorded.cut || word.is_past_bound(limit.limit));
        }
        if self.discovered | used.discovered != 0 {
            self.tally(Resource::DiscoveredSteps, self.discovered, used.discovered);
            let added = self.record.hot.discovered.add(used.discovered);
            if added.late && used.discovered > 0 {
                self.late.get_or_insert_default().discovered = used.discovered;
            }
            self.note(Resource::DiscoveredSteps, added.cut);
        }
    }

    #[inline(always)]
    fn tally(&mut self, resource: Resource, reserved: u64, actual: u64) {
        // Nothing to write where everything that was set aside was used.
        if reserved != actual {
            let recorded = self.record.hot.tally(resource).settle(reserved, actual);
            if recorded.cut | recorded.concerns_others() {
                self.note_recorded(resource, reserved, actual, recorded);
            }
        }
    }

    /// A change of a tally that others have to know of, or that was cut.
    #[cold]
    fn note_recorded(&mut self, resource: Resource, reserved: u64, actual: u64, recorded: Recorded) {
        if recorded.concerns_others() {
            self.others = true;
            follow(self.record, resource, reserved, actual, recorded);
        }
        self.note(resource, recorded.cut);
    }

    /// The committed cost after it.
    #[inline]
    fn cost(&mut self, actual: u64) -> Option<u64> {
        if actual == 0 {
            return None;
        }
        let added = self.record.hot.cost.add(actual);
        if added.late | added.cut {
            self.note_added(Resource::Cost, added.cut, added.late.then_some(Used { cost: actual, ..Used::default() }));
        }
        Some(added.total)
    }

    #[inline(always)]
    fn tokens(&mut self, input: u64, output: u64) {
        let hot = &self.record.hot;
        if input > 0 {
            let added = hot.input_tokens.add(input);
            let cut = added.cut || added.total.saturating_add(hot.output_tokens.read()) > MAX_AMOUNT;
            if added.late | cut {
                self.note_added(Resource::Tokens, cut, added.late.then_some(Used { input, ..Used::default() }));
            }
        }
        if output > 0 {
            let added = hot.output_tokens.add(output);
            let cut = added.cut || added.total.saturating_add(hot.input_tokens.read()) > MAX_AMOUNT;
            if added.late | cut {
                self.note_added(Resource::Tokens, cut, added.late.then_some(Used { output, ..Used::default() }));
            }
        }
    }

    /// An addition that came late, or was cut.
    #[cold]
    fn note_added(&mut self, resource: Resource, cut: bool, late: Option<Used>) {
        if let Some(late) = late {
            self.late = Some(self.late.unwrap_or_default().plus(&late));
        }
        self.note(resource, cut);
    }

    #[inline]
    fn note(&mut self, resource: Resource, cut: bool) {
        self.note_of(ScopeKind::Execution, resource, cut);
    }

    #[inline]
    fn note_of(&mut self, scope: ScopeKind, resource: Resource, cut: bool) {
        if cut {
            let violation_type = self.record.plan().tally(resource).kind;
            self.cut.get_or_insert(Cause { violation_type, scope });
        }
    }

    /// Whether this record has exhausted something at once.
    #[inline]
    fn exhausts(&self, cost: Option<u64>) -> bool {
        let reached = |plan: &Plan| {
            plan.cost_threshold.as_ref().is_some_and(|threshold| cost.is_some_and(|cost| cost >= threshold.limit))
        };
        self.cut.is_some() || self.record.of_plan(reached)
    }

    /// What this record has exhausted at once, and what happens by it.
    fn verdict(&self, cost: Option<u64>) -> Option<(EnforcementViolation, Action)> {
        if let Some(Cause { violation_type, scope }) = self.cut {
            let cut = EnforcementViolation::new(violation_type, MAX_AMOUNT, MAX_AMOUNT);
            return Some((EnforcementViolation { scope, ..cut }, Action::Halt));
        }
        let of = |plan: &Plan| plan.cost_threshold.as_ref().map(|threshold| (threshold.limit, threshold.action));
        let (cost, (limit, action)) = (cost?, self.record.of_plan(of)?);
        Some((cost_threshold_violation(cost, limit), action))
    }

    /// Carries out what this record has exhausted at once.
    #[cold]
    fn exhausted(&self, cost: Option<u64>) -> Option<EnforcementViolation> {
        let (violation, action) = self.verdict(cost)?;
        act(self.record, violation, action, self.now)
    }
}

/// Gives `back` back and records `spent`, on the tally of one record, and where that tally has been counted further up.
/// Puts whoever waits for it where the caller finds them when it holds no lock.
#[inline]
fn settle(record: &Record, resource: Resource, back: u64, spent: u64) -> Recorded {
    let recorded = record.hot.tally(resource).settle(back, spent);
    if recorded.concerns_others() {
        follow(record, resource, back, spent, recorded);
    }
    recorded
}

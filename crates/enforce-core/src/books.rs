//! Writing down what was used: in the execution's own words, in those of every scope whose budget it shares, and, where
//! a count has been carried further up before, there.

mod budgets;
mod carry;
mod noted;

use self::budgets::pay;
use self::carry::from_above;
pub(crate) use self::carry::{Exhausted, carry_up, commit, follow, shift};
use self::noted::{Noted, Written};

use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::decision::{Cause, EnforcementViolation, ScopeKind};
use crate::hold::Settlement;
use crate::kernel::meter::{Added, Meter};
use crate::kernel::tally::{MAX_AMOUNT, METERED, Recorded};
use crate::record::{Committed, Hot, Record};
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
    record.hot.bare_holds.leave();
}

/// The places in which one record is written, and what had been set aside there.
///
/// A value that is copied to whoever writes down something unusual, so that the usual record is never in memory.
#[derive(Debug, Clone, Copy)]
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
}

impl<'a> Books<'a> {
    #[inline]
    pub(crate) const fn of(record: &'a Record, now: Option<Timestamp>) -> Self {
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
        }
    }

    #[inline(never)]
    pub(crate) fn settle(self, used: &Used) -> Settlement {
        self.settle_here(used)
    }

    /// Always inlined: in [`settle_quantities`] most of it is known to be nothing.
    #[inline(always)]
    fn settle_here(self, used: &Used) -> Settlement {
        let record = self.record;
        if let Some(now) = self.now
            && record.of_plan(|plan| plan.idle.is_some())
        {
            // Before anything is given back: whoever sees the hold gone sees the touch (I1).
            record.hot.activity.touch(now.nanos_since(record.core().epoch));
        }
        let written = match self.write_from::<true>(used, true, Written::nothing(self.now)) {
            Ok(written) => written,
            Err(before) => return self.settle_rest(&{ *used }, before),
        };
        if self.bare {
            record.hot.bare_holds.leave();
        }
        let settlement = self.settlement(used, written.noted);
        // The usual end: nothing has to be copied, because nothing happened.
        if !written.reaches_threshold(record) && record.extra().is_none() {
            return settlement;
        }
        Settlement { exhausted: follow_up(&{ self }, &{ *used }, &{ written }), ..settlement }
    }

    /// What is not written yet, and what it leads to.
    #[cold]
    #[inline(never)]
    fn settle_rest(self, used: &Used, before: Written) -> Settlement {
        let written = self.write_rest(used, true, before);
        if self.bare {
            self.record.hot.bare_holds.leave();
        }
        let settlement = self.settlement(used, written.noted);
        Settlement { exhausted: follow_up(&self, used, &written), ..settlement }
    }

    /// What there is to say before it acts itself: who halts it is not late.
    #[inline(always)]
    fn settlement(self, used: &Used, noted: Noted) -> Settlement {
        let state = self.record.state();
        Settlement {
            late: noted.is_late() || state.is_finished() || state.is_halted(),
            overrun_tokens: used.total().saturating_sub(self.tokens),
            overrun_nano_usd: used.cost.saturating_sub(self.cost),
            exhausted: None,
        }
    }

    /// Writes the same on every pool that the record shares; the first limit that is exhausted by it there or above.
    #[cold]
    fn climb(&self, used: &Used) -> Option<EnforcementViolation> {
        let mut first = None;
        for pool in self.record.pools() {
            let books = Books { record: pool, periods: Periods::NONE, bare: false, ..*self };
            let brief = books.write_from::<true>(used, false, Written::nothing(self.now));
            let noted = brief.is_err();
            let written = brief.unwrap_or_else(|before| books.write_rest(used, false, before));
            pool.call_settled();
            if !noted && !written.reaches_threshold(pool) {
                // Nothing that was written there concerns anybody else, as is usual.
                continue;
            }
            let late = written.noted.late(used);
            let carried = late.as_ref().and_then(|late| carry_up(pool, late, self.now));
            first = first.or(written.exhausted(pool).map(from_above)).or(carried);
        }
        first
    }

    /// Writes what was used; in the budgets of tenant and process, too, if it `pays`.
    fn write(self, used: &Used, pays: bool) -> Written {
        let written = self.write_rest(used, pays, Written::nothing(self.now));
        self.record.call_settled();
        written
    }

    /// What is not written yet.
    #[cold]
    #[inline(never)]
    fn write_rest(self, used: &Used, pays: bool, before: Written) -> Written {
        let (Ok(written) | Err(written)) = self.write_from::<false>(used, pays, before);
        written
    }

    /// Writes all parts that are not written yet, in their order. In `BRIEF` as far as there is nothing to be noted: then
    /// nothing that was noted is kept, let alone put together.
    ///
    /// What was used is taken from a tally before it is committed, so that committed never runs ahead of used (S1).
    #[inline(always)]
    fn write_from<const BRIEF: bool>(self, used: &Used, pays: bool, before: Written) -> Result<Written, Written> {
        let (record, mut it) = (self.record, before);
        if it.lacks(1) && self.steps | self.discovered | used.steps | used.discovered != 0 {
            it = it.with::<BRIEF>(1, begin(&{ self }, &{ *used }))?;
        }
        if it.lacks(2) {
            it = it.with::<BRIEF>(2, tally(record, Resource::Cost, self.cost, used.cost))?;
        }
        if it.lacks(3) && pays && record.has_budgets() {
            let (noted, now) = pay(&{ self }, &{ *used });
            it = it.at(now).with::<BRIEF>(3, noted)?;
        }
        if it.lacks(4) {
            it = it.with::<BRIEF>(4, tally(record, Resource::Tokens, self.tokens, used.total()))?;
        }
        if it.lacks(5) {
            let (noted, cost) = add_cost(record, used.cost);
            it = it.costing(cost).with::<BRIEF>(5, noted)?;
        }
        if it.lacks(6) {
            it = it.with::<BRIEF>(6, add_tokens(record, used.input, used.output))?;
        }
        if it.lacks(7) {
            it = it.with::<BRIEF>(7, tally(record, Resource::Memory, self.memory, 0))?;
        }
        Ok(it)
    }
}

/// Records what was used in place of the quantities of a hold that took nothing of a budget and shows in a tally. Apart and
/// by amounts, as [`give_back`].
#[inline(never)]
pub(crate) fn settle_quantities(
    record: &Record,
    tokens: u64,
    memory: u64,
    cost: u64,
    actual: &Actual,
    now: Option<Timestamp>,
) -> Settlement {
    Books { tokens, memory, cost, ..Books::of(record, now) }.settle_here(&Used::of(actual))
}

/// What has begun.
#[inline(never)]
fn begin(books: &Books<'_>, used: &Used) -> Noted {
    let (record, mut noted) = (books.record, Noted::NOTHING);
    if books.steps | used.steps != 0 {
        let recorded = settle(record, Resource::Steps, books.steps, used.steps);
        let metered = recorded.after.flags() & METERED != 0;
        let late = if metered { record.hot.steps.add(used.steps).late } else { recorded.is_late() };
        // The word of a tally reaches further than what is counted; limit and word are of one version.
        let (limit, word) = record.read(Resource::Steps);
        noted = Noted::others(recorded.concerns_others())
            .and(Noted::late_of(Noted::STEPS, late && used.steps > 0))
            .and(cut_of(record, Resource::Steps, recorded.cut || word.is_past_bound(limit.limit)));
    }
    if books.discovered | used.discovered != 0 {
        let of_tally = tally(record, Resource::DiscoveredSteps, books.discovered, used.discovered);
        let added = record.hot.discovered.add(used.discovered);
        noted = noted
            .and(of_tally)
            .and(Noted::late_of(Noted::DISCOVERED, added.late && used.discovered > 0))
            .and(cut_of(record, Resource::DiscoveredSteps, added.cut));
    }
    noted
}

#[inline(always)]
fn tally(record: &Record, resource: Resource, reserved: u64, actual: u64) -> Noted {
    // Nothing to write where everything that was set aside was used.
    if reserved == actual {
        return Noted::NOTHING;
    }
    let recorded = record.hot.tally(resource).settle(reserved, actual);
    if recorded.cut | recorded.concerns_others() {
        note_recorded(record, resource, reserved, actual, recorded)
    } else {
        Noted::NOTHING
    }
}

/// A change of a tally that others have to know of, or that was cut.
#[cold]
fn note_recorded(record: &Record, resource: Resource, reserved: u64, actual: u64, recorded: Recorded) -> Noted {
    if recorded.concerns_others() {
        follow(record, resource, reserved, actual, recorded);
    }
    Noted::others(recorded.concerns_others()).and(cut_of(record, resource, recorded.cut))
}

/// Commits money; the committed cost after it.
#[inline(always)]
fn add_cost(record: &Record, cost: u64) -> (Noted, Option<u64>) {
    if cost == 0 {
        return (Noted::NOTHING, None);
    }
    let Added { total, late, cut } = record.hot.cost.add(cost);
    let noted = if late | cut { note_added(record, Resource::Cost, cut, Noted::COST, late) } else { Noted::NOTHING };
    (noted, Some(total))
}

/// Commits tokens.
#[inline(always)]
fn add_tokens(record: &Record, input: u64, output: u64) -> Noted {
    if input | output == 0 {
        return Noted::NOTHING;
    }
    let Hot { input_tokens, output_tokens, .. } = &record.hot;
    let add = |meter: &Meter, amount: u64| match amount {
        0 => Added { total: meter.read(), late: false, cut: false },
        _ => meter.add(amount),
    };
    let (of_input, of_output) = (add(input_tokens, input), add(output_tokens, output));
    let cut = of_input.cut | of_output.cut | (of_input.total.saturating_add(of_output.total) > MAX_AMOUNT);
    if cut | of_input.late | of_output.late {
        note_added(record, Resource::Tokens, cut, Noted::INPUT, of_input.late).and(note_added(
            record,
            Resource::Tokens,
            false,
            Noted::OUTPUT,
            of_output.late,
        ))
    } else {
        Noted::NOTHING
    }
}

/// An addition that came late, or was cut.
#[cold]
fn note_added(record: &Record, resource: Resource, cut: bool, which: u8, late: bool) -> Noted {
    Noted::late_of(which, late).and(cut_of(record, resource, cut))
}

fn cut_of(record: &Record, resource: Resource, cut: bool) -> Noted {
    let violation_type = record.plan().tally(resource).kind;
    Noted::cut_by(cut.then_some(Cause { violation_type, scope: ScopeKind::Execution }))
}

/// What a settle leads to: it is carried up where it came late, acts on what it exhausted, and climbs.
#[cold]
fn follow_up(books: &Books<'_>, used: &Used, written: &Written) -> Option<EnforcementViolation> {
    let record = books.record;
    let late = written.noted.late(used);
    let carried = late.as_ref().and_then(|late| carry_up(record, late, written.now));
    let own = written.exhausted(record);
    let first = match record.extra() {
        None => own,
        Some(_) => own.or(Books { now: written.now, ..*books }.climb(used)).or(carried),
    };
    record.call_settled();
    record.core().flush();
    first
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

//! What an open hold has to give back or to settle, and what becomes of it if nobody settles it.

use crate::books::{self, Books, Used};
use crate::budget::Periods;
use crate::clock::Timestamp;
use crate::hold::Settlement;
use crate::paces::Paces;
use crate::record::Record;
use crate::resource::{Actual, Demand};

/// What an open hold has to give back or to settle.
///
/// In the order in which it lies in memory: what is nothing in most holds stands together, without padding in between, so
/// that it is written once and where it is to be.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Kept {
    tokens: u64,
    /// How many of the tokens are input.
    input: u64,
    memory: u64,
    cost: u64,
    /// The periods of the budgets in which it was taken.
    pub(crate) periods: Periods,
    /// Counted among the holds that show in no tally.
    bare: bool,
    /// `None` once it has ended.
    on_drop: Option<OnDrop>,
    /// What it took of rates of tokens.
    paces: Option<Paces>,
}

/// What becomes of the tokens and the money of a hold that is dropped unsettled, in budgets and in rates. Memory always
/// goes back, and what has begun always stays begun.
///
/// What is charged is committed as a settle would commit it: exactly, on the whole chain, and a cost threshold that it
/// reaches acts. A caller who knows better settles: `settle(Actual::none())` gives everything back under each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDrop {
    /// They go back. The default.
    #[default]
    GiveBack,
    /// They are charged: for work that is paid for once it is asked for, whoever listens to the answer.
    ChargeAll,
    /// The input is charged and the output goes back: for a request that was sent and may not have been answered. Of the
    /// money goes with the input what is its share of the tokens, rounded half up; all of it where no tokens are named.
    ChargeInput,
}

impl Kept {
    /// Nothing set aside.
    #[inline]
    pub(crate) const fn nothing(periods: Periods, on_drop: OnDrop) -> Self {
        Self { tokens: 0, input: 0, memory: 0, cost: 0, periods, bare: false, on_drop: Some(on_drop), paces: None }
    }

    /// The quantities that `demand` asks.
    #[inline]
    pub(crate) const fn of(demand: &Demand, periods: Periods, bare: bool, paces: Option<Paces>) -> Self {
        Self {
            tokens: demand.total_tokens(),
            input: demand.input_tokens,
            memory: demand.memory_bytes,
            cost: demand.cost,
            periods,
            bare,
            on_drop: Some(demand.on_drop),
            paces,
        }
    }

    /// Ends it: what it was.
    #[inline]
    pub(crate) const fn close(&mut self) -> Self {
        let open = *self;
        self.on_drop = None;
        open
    }

    /// Changes what becomes of it if nobody settles it; what has ended stays so.
    #[inline]
    pub(crate) const fn set_on_drop(&mut self, on_drop: OnDrop) {
        if self.on_drop.is_some() {
            self.on_drop = Some(on_drop);
        }
    }

    /// Ends it unsettled, as its policy says, unless it has ended before; what has begun stays.
    #[inline(always)]
    pub(crate) fn release(self, record: &Record) {
        if self.on_drop == Some(OnDrop::GiveBack) && self.paces.is_none() {
            if self.tokens | self.memory | self.cost != 0 {
                books::give_back(record, self.tokens, self.memory, self.cost, self.periods);
            }
            if self.bare {
                books::leave(record);
            }
        } else if self.on_drop.is_some() {
            Ended { record, kept: self }.release();
        }
    }

    /// Records what was used in place of what was set aside.
    #[inline(always)]
    pub(crate) fn settle(self, record: &Record, actual: &Actual, now: Option<Timestamp>) -> Settlement {
        if self.paces.is_some() {
            return Ended { record, kept: self }.settle(&Used::of(actual), now);
        }
        let Self { tokens, memory, cost, periods, bare, .. } = self;
        if periods.is_none() && !bare {
            return books::settle_quantities(record, tokens, memory, cost, actual, now);
        }
        Books { tokens, memory, cost, periods, bare, ..Books::of(record, now) }.settle(&Used::of(actual))
    }

    /// Records what was used above what was `charged` when it was ended: of each amount the larger counts.
    pub(crate) fn settle_rest(
        self,
        record: &Record,
        actual: &Actual,
        charged: &Used,
        now: Option<Timestamp>,
    ) -> Settlement {
        let used = Used::of(actual);
        let now = match &self.paces {
            Some(paces) => paces.settle_rest(record, &used, charged, now),
            None => now,
        };
        let settled = Books { periods: self.periods, ..Books::of(record, now) }.settle(&used.above(charged));
        Settlement {
            late: true,
            overrun_tokens: used.total().saturating_sub(self.tokens),
            overrun_nano_usd: used.cost.saturating_sub(self.cost),
            ..settled
        }
    }

    /// Input and output tokens that are set aside.
    pub(crate) const fn tokens(&self) -> (u64, u64) {
        (self.input, self.tokens.saturating_sub(self.input))
    }

    /// Takes over the policy of `other`.
    pub(crate) const fn follow(&mut self, other: &Self) {
        self.on_drop = other.on_drop;
    }

    /// What its policy charges.
    pub(crate) fn charged(&self) -> Used {
        let (total, input) = (self.tokens, self.input);
        match self.on_drop {
            Some(OnDrop::GiveBack) | None => Used::default(),
            Some(OnDrop::ChargeAll) => {
                Used { input, output: total.saturating_sub(input), cost: self.cost, ..Used::default() }
            }
            Some(OnDrop::ChargeInput) => Used { input, cost: share(self.cost, input, total), ..Used::default() },
        }
    }

    /// Takes what was set aside in addition; the periods and the policy stay its own.
    pub(crate) fn join(&mut self, more: Self, record: &Record) {
        if self.bare && more.bare {
            // One hold, counted once.
            record.hot.bare_holds.leave();
        }
        // What is set aside fits a limit, so no sum of two comes near the end of the word.
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.input = self.input.saturating_add(more.input);
        self.memory = self.memory.saturating_add(more.memory);
        self.cost = self.cost.saturating_add(more.cost);
        self.bare |= more.bare;
        if let (Some(paces), Some(more)) = (&mut self.paces, &more.paces) {
            paces.join(more);
        }
    }
}

/// A hold that ends in an unusual way: with rates, or with a policy. Made where it does, so that other holds are never in
/// memory.
struct Ended<'a> {
    record: &'a Record,
    kept: Kept,
}

impl Ended<'_> {
    #[cold]
    fn release(&self) {
        let Self { record, kept: Kept { tokens, memory, cost, periods, bare, ref paces, on_drop, .. } } = *self;
        let charged = self.kept.charged();
        if on_drop == Some(OnDrop::GiveBack) {
            books::give_back(record, tokens, memory, cost, periods);
            if bare {
                books::leave(record);
            }
            if let Some(paces) = paces {
                paces.settle(record, &charged, None);
            }
        } else {
            // Nobody says that something happened, so it is no activity.
            self.settle(&charged, None);
        }
    }

    #[cold]
    fn settle(&self, used: &Used, now: Option<Timestamp>) -> Settlement {
        let Self { record, kept: Kept { tokens, memory, cost, periods, bare, ref paces, .. } } = *self;
        let now = match paces {
            Some(paces) => paces.settle(record, used, now),
            None => now,
        };
        Books { tokens, memory, cost, periods, bare, ..Books::of(record, now) }.settle(used)
    }
}

/// `part` of `whole` tokens' share of `cost`, rounded half up; all of it of no tokens.
fn share(cost: u64, part: u64, whole: u64) -> u64 {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let doubled = u128::from(cost).saturating_mul(part).saturating_mul(2).saturating_add(whole);
    // A part is at most the whole, so the share is at most the cost.
    doubled.checked_div(whole.saturating_mul(2)).map_or(cost, |share| u64::try_from(share).unwrap_or(cost))
}

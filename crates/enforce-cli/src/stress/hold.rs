//! A hold that a thread has open, and what its end has to leave in the books.

use std::sync::Arc;

use enforce_core::{Demand, EnforcementViolation, Hold, OnDrop, OwnedHold, TimedHold, Timestamp};
use hdrhistogram::Histogram;

use super::amounts::{Amounts, COST, INPUT, NONE, TOKENS, above, largest, minus, plus, signed, unsigned};
use super::node::Node;
use super::protocol::{everything, quantities};
use super::record::Record;
use super::tally::timed;

/// What was let in.
#[derive(Debug)]
pub(crate) enum Held<'a> {
    Borrowed(Hold<'a>),
    Owned(OwnedHold),
    Timed(TimedHold),
    /// Nothing is set aside: it was only asked whether it may be.
    Checked,
}

/// An open hold, and what it was taken for.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    pub(crate) node: Arc<Node>,
    pub(crate) held: Held<'a>,
    /// What it has set aside, and what has begun with it.
    pub(crate) asked: Amounts,
    pub(crate) on_drop: OnDrop,
    /// Its deadline has ended it, and that is in the books.
    pub(crate) expired: bool,
}

/// How a hold is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With what was used.
    Settle(Amounts),
    Drop,
}

impl Open<'_> {
    /// Enters it into the books: what has begun is committed, the rest is set aside.
    pub(crate) fn begin(&self, record: &mut Record) {
        if matches!(self.held, Held::Checked) {
            return;
        }
        let change = record.of(&self.node);
        change.committed = plus(change.committed, begun(&self.asked));
        change.held = plus(change.held, set_aside(&self.asked));
        change.open += 1;
    }

    pub(crate) fn is_timed(&self) -> bool {
        matches!(self.held, Held::Timed(_))
    }

    /// Grows it by `more`; the amounts are those of the demand. Who only checked has nothing that could grow.
    pub(crate) fn extend(
        &mut self,
        more: Demand,
        amounts: &Amounts,
        now: Timestamp,
        record: &mut Record,
    ) -> Option<Result<(), EnforcementViolation>> {
        let extended = match &mut self.held {
            Held::Borrowed(hold) => hold.extend_at(more, now),
            Held::Owned(hold) => hold.extend_at(more, now),
            Held::Timed(hold) => hold.extend_at(more, now),
            Held::Checked => return None,
        };
        if extended.is_ok() {
            self.asked = plus(self.asked, *amounts);
            let change = record.of(&self.node);
            change.committed = plus(change.committed, begun(amounts));
            change.held = plus(change.held, set_aside(amounts));
        }
        Some(extended)
    }

    /// Changes its policy.
    pub(crate) fn set_on_drop(&mut self, on_drop: OnDrop) {
        match &mut self.held {
            Held::Borrowed(hold) => hold.on_drop(on_drop),
            Held::Owned(hold) => hold.on_drop(on_drop),
            // It may have been ended by the policy that it had.
            Held::Timed(_) | Held::Checked => return,
        }
        self.on_drop = on_drop;
    }

    /// Takes over that its deadline has ended it, if it has. At a meeting, when nobody ends holds.
    pub(crate) fn notice_expiry(&mut self, record: &mut Record) {
        if let Held::Timed(hold) = &self.held
            && !self.expired
            && hold.has_expired()
        {
            self.expired = true;
            let charged = charged(self.on_drop, &self.asked);
            self.give_back(&charged, record);
        }
    }

    /// Takes it out of the books; in the place of what it had set aside comes what was `committed`.
    fn give_back(&self, committed: &Amounts, record: &mut Record) {
        let change = record.of(&self.node);
        change.held = minus(change.held, set_aside(&self.asked));
        change.committed = plus(change.committed, *committed);
        change.over = plus(change.over, above(*committed, set_aside(&self.asked)));
        change.open -= 1;
    }

    /// Ends it. The books are written when the call has returned.
    pub(crate) fn end(mut self, end: End, now: Timestamp, record: &mut Record, settles: &mut Histogram<u64>) {
        let held = std::mem::replace(&mut self.held, Held::Checked);
        let charged = charged(self.on_drop, &self.asked);
        match (held, end) {
            (Held::Checked, end) => self.record_unasked(end, now, record, settles),
            (Held::Timed(hold), end) => self.end_timed(hold, end, now, record, settles),
            (Held::Borrowed(hold), End::Settle(used)) => {
                timed(settles, || hold.settle_at(quantities(&used), now));
                self.give_back(&used, record);
            }
            (Held::Owned(hold), End::Settle(used)) => {
                timed(settles, || hold.settle_at(quantities(&used), now));
                self.give_back(&used, record);
            }
            (held @ (Held::Borrowed(_) | Held::Owned(_)), End::Drop) => {
                drop(held);
                self.give_back(&charged, record);
            }
        }
    }

    /// Its deadline may end it at the same time, so what it uses is at least what its policy charges: then it is the same
    /// whoever comes first. What it uses above that may come when its room was given back, which is an overrun.
    fn end_timed(&self, hold: TimedHold, end: End, now: Timestamp, record: &mut Record, settles: &mut Histogram<u64>) {
        let charged = charged(self.on_drop, &self.asked);
        let total = match end {
            End::Settle(used) if !self.node.is_strict => larger_parts(&used, &charged),
            End::Settle(_) | End::Drop => charged,
        };
        match end {
            End::Drop => drop(hold),
            End::Settle(_) => {
                timed(settles, || hold.settle_at(quantities(&total), now));
            }
        }
        let more = minus(total, charged);
        if self.expired {
            // What the policy has charged is in the books.
            let change = record.of(&self.node);
            change.committed = plus(change.committed, more);
        } else {
            self.give_back(&total, record);
        }
        let change = record.of(&self.node);
        change.over = plus(change.over, more);
    }

    /// The second call of check-then-record.
    fn record_unasked(&self, end: End, now: Timestamp, record: &mut Record, settles: &mut Histogram<u64>) {
        let used = match end {
            End::Settle(used) => used,
            End::Drop => NONE,
        };
        let all = plus(begun(&self.asked), used);
        timed(settles, || self.node.execution.charge_at(everything(&all), now));
        let change = record.of(&self.node);
        change.committed = plus(change.committed, all);
        // It was checked, so it is no overrun: that nothing was set aside is what is wrong with it.
        change.over = plus(change.over, above(used, set_aside(&self.asked)));
    }
}

/// What has begun and stays begun.
fn begun(asked: &Amounts) -> Amounts {
    minus(*asked, set_aside(asked))
}

/// What is set aside until the hold ends.
fn set_aside(asked: &Amounts) -> Amounts {
    use super::amounts::{DISCOVERED, STEPS};
    let mut amounts = *asked;
    (amounts[STEPS], amounts[DISCOVERED]) = (0, 0);
    amounts
}

/// What a policy charges of a hold that nobody settles.
pub(crate) fn charged(on_drop: OnDrop, asked: &Amounts) -> Amounts {
    let mut charged = NONE;
    match on_drop {
        OnDrop::ChargeAll => {
            (charged[TOKENS], charged[INPUT], charged[COST]) = (asked[TOKENS], asked[INPUT], asked[COST]);
        }
        OnDrop::ChargeInput => {
            let cost = share(unsigned(asked[COST]), unsigned(asked[INPUT]), unsigned(asked[TOKENS]));
            (charged[TOKENS], charged[INPUT], charged[COST]) = (asked[INPUT], asked[INPUT], signed(cost));
        }
        _ => {}
    }
    charged
}

/// `part` of `whole` tokens' share of `cost`, rounded half up; all of it of no tokens.
fn share(cost: u64, part: u64, whole: u64) -> u64 {
    match (u128::from(cost), u128::from(part), u128::from(whole)) {
        (_, _, 0) => cost,
        (all, part, whole) => u64::try_from((all * part * 2 + whole) / (whole * 2)).unwrap_or(cost),
    }
}

/// Of input, output and cost each the larger.
fn larger_parts(a: &Amounts, b: &Amounts) -> Amounts {
    let mut larger = largest(*a, *b);
    let output = |amounts: &Amounts| amounts[TOKENS] - amounts[INPUT];
    larger[TOKENS] = larger[INPUT] + output(a).max(output(b));
    larger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_charges_what_it_says() {
        let mut asked = NONE;
        (asked[TOKENS], asked[INPUT], asked[COST]) = (4, 1, 10);
        let charged = |on_drop| {
            let charged = charged(on_drop, &asked);
            (charged[TOKENS], charged[INPUT], charged[COST])
        };
        assert_eq!(charged(OnDrop::GiveBack), (0, 0, 0));
        assert_eq!(charged(OnDrop::ChargeAll), (4, 1, 10));
        assert_eq!(charged(OnDrop::ChargeInput), (1, 1, 3), "2.5 is rounded up");
        assert_eq!((share(7, 0, 0), share(7, 0, 3)), (7, 0));
    }

    #[test]
    fn of_two_accounts_the_larger_parts_count() {
        let of = |input: i64, output: i64, cost: i64| {
            let mut amounts = NONE;
            (amounts[TOKENS], amounts[INPUT], amounts[COST]) = (input + output, input, cost);
            amounts
        };
        assert_eq!(larger_parts(&of(5, 1, 0), &of(2, 4, 3)), of(5, 4, 3));
    }
}

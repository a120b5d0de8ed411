//! The rate cell: a generic cell rate algorithm that is exact to the unit.

use super::cell::Cell;
use super::queue::Queue;
use crate::sync::Waker;

/// A rate: `burst` units at once, one more every `interval / scale` nanoseconds.
///
/// Period over limit is kept as a reduced fraction, and time counts in units of 1/`scale` ns, so that no rate is
/// rounded: 350 a minute is 1,200,000,000 / 7 ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Units of time that one unit of the rate costs.
    pub(crate) interval: u64,
    /// Units of time in a nanosecond; at least 1.
    pub(crate) scale: u64,
    /// Units that fit at once. `burst × interval` is at most 2^62.
    pub(crate) burst: u64,
}

/// Why a rate refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooFast {
    /// It fits after so many nanoseconds, if nobody else comes first.
    After(u64),
    /// More than the burst: it never fits.
    Never,
}

impl Rate {
    /// The moment `now`, in units of time since the epoch.
    #[inline]
    fn units(&self, now_ns: u64) -> u64 {
        now_ns.saturating_mul(self.scale)
    }

    /// The arrival time after `amount` more at `now`, both in units of time.
    #[inline]
    fn decide(&self, tat: u64, now: u64, amount: u64) -> Result<u64, TooFast> {
        if amount > self.burst {
            return Err(TooFast::Never);
        }
        let span = self.burst.saturating_mul(self.interval);
        // A word that is full (after ten years at least) admits nothing any more rather than wrap.
        let next = tat.max(now).checked_add(amount.saturating_mul(self.interval)).ok_or(TooFast::Never)?;
        let ahead = next - now;
        if ahead > span { Err(TooFast::After((ahead - span).div_ceil(self.scale.max(1)))) } else { Ok(next) }
    }
}

/// `value · by / of`, rounded up and cut at the end of the word; 0 of nothing.
fn scaled(value: u64, by: u64, of: u64) -> u64 {
    let product = u128::from(value) * u128::from(by);
    if of == 0 { 0 } else { u64::try_from(product.div_ceil(u128::from(of))).unwrap_or(u64::MAX) }
}

/// What a take leaves to its taker, who may have to undo it or to give a part of it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paced {
    cost: u64,
    at: u64,
    /// The arrival time after it, plus what had been given back before it.
    mark: u64,
}

impl Paced {
    /// The one of its words that its rate, time and amount do not tell.
    #[inline]
    pub(crate) fn mark(&self) -> u64 {
        self.mark
    }

    /// The take of `amount` at `now_ns` that left this mark.
    #[inline]
    pub(crate) fn again(rate: &Rate, now_ns: u64, amount: u64, mark: u64) -> Self {
        Self { cost: amount.saturating_mul(rate.interval), at: rate.units(now_ns), mark }
    }
}

/// The theoretical arrival time of one rate.
///
/// **Invariants (Q1).** `tat` is the moment at which all that was admitted will have drained; a take moves it by exactly
/// its cost from max(tat, now) and is admitted only while tat − now stays within the burst, so no window of w
/// nanoseconds admits more than burst + ⌊w/T⌋ units. Time that steps back grants nothing: tat does not follow it. What
/// was used without having been asked moves it just so, however far ahead it is then: that is debt, and drains.
///
/// What is given back after the fact is `min(cost, max(0, mark − latest))`, where `latest` is the latest time any
/// caller has shown: what has drained by then is gone, and giving it back would admit it twice. A take's mark, the
/// moment at which it will have drained, is at least *at + cost*, and at least *tat after it − what was given back
/// since*; each bound alone is safe, so the larger one is. Of a take that is given back in part the part is what drains
/// last, so the mark is the same.
///
/// A take that is undone as a whole leaves nothing (T2): to a caller at or after `latest` the cell is then as if it had
/// never been, exactly, if no later time than its own has been shown since, whoever else took and undid meanwhile; and
/// otherwise but for at most `latest − at`, which drains in as long. (A caller whose clock stands behind `latest` may
/// find up to as much less room as it stands behind; never more.)
///
/// **Bounds.** The sum of what was given back stays at 2^64 − 1 once it is there, which makes every mark as low as
/// its other bound: less comes back then, never more. An arrival time that stands there stays, for what is behind it
/// could not be counted.
#[derive(Debug)]
pub(crate) struct Tat {
    tat: Cell,
    latest: Cell,
    refunded: Cell,
}

/// The word that was looked at, and the one that a take makes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    tat: u64,
    next: u64,
}

/// Now, and the moment at which an earlier life was left, as it lies before or behind that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now_ns: u64,
    /// How long ago that was; 0 if the clock stepped back.
    pub(crate) passed_ns: u64,
    /// How far the clock stepped back; of a moment by itself, how far it lies before the epoch.
    pub(crate) early_ns: u64,
}

/// What a cell had left when it was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    tat: u64,
    latest: u64,
}

impl Tat {
    /// A cell of `rate` that stands at `from_ns`: full to whoever comes then or later, and to nobody fuller than one that
    /// had passed by then (G2).
    pub(crate) fn new(rate: &Rate, from_ns: u64) -> Self {
        let tat = Cell::new(rate.units(from_ns));
        Self { tat, latest: Cell::new(0), refunded: Cell::new(0) }
    }

    /// Ends it, for a cell that takes its place: whoever takes from it later is told *never*, and asks that one (L1).
    pub(crate) fn retire(&self) -> Left {
        // One exchange: a take is before it, and in what was left, or after it, and refused (L1). The time is read behind
        // it: a take that is in the word has shown its own before.
        let tat = self.tat.apply(|tat| (u64::MAX, tat));
        Left { tat, latest: self.latest.load() }
    }

    /// Whether it has been retired, or has reached the end of its word.
    pub(crate) fn is_over(&self) -> bool {
        self.tat.load() == u64::MAX
    }

    /// A cell of `rate` in place of one of `before`, which drained until `until_ns` and was changed at `at_ns` or then: as
    /// many units as had not drained have not drained here (L1).
    pub(crate) fn in_place_of(rate: &Rate, before: &Rate, left: Left, until_ns: u64, at_ns: u64) -> Self {
        let ahead = left.tat.saturating_sub(before.units(until_ns).max(left.latest));
        let now = scaled(before.units(at_ns).max(left.latest), rate.scale, before.scale);
        // Rounded up: a part of a unit counts for no less than it did.
        let tat = now.saturating_add(scaled(ahead, rate.interval, before.interval));
        Self { tat: Cell::new(tat), latest: Cell::new(now), refunded: Cell::new(0) }
    }

    /// How far it is ahead of `now_ns`, or of `early_ns` before its epoch, in units of time of `rate`; 0 if nothing was taken.
    pub(crate) fn ahead(&self, rate: &Rate, now_ns: u64, early_ns: u64) -> u64 {
        match self.tat.load().saturating_sub(rate.units(now_ns)) {
            0 => 0,
            ahead => ahead.saturating_add(rate.units(early_ns)),
        }
    }

    /// Raises it to where a cell of `before` has come by now that was `ahead` when an earlier life was left. It never becomes
    /// fuller (Q1).
    pub(crate) fn recall(&self, rate: &Rate, before: &Rate, ahead: u64, moment: Moment) {
        let Moment { now_ns, passed_ns, early_ns } = moment;
        // As many units as had not drained then, as in `in_place_of`; below half of the word, which is five years.
        let then = rate.units(now_ns).saturating_add(rate.units(early_ns));
        let tat = then.saturating_add(scaled(ahead, rate.interval, before.interval)).min(u64::MAX >> 1);
        let tat = tat.saturating_sub(rate.units(passed_ns));
        // One exchange, and the larger of two stays: whatever was taken meanwhile, it is not fuller than it was (Q1).
        self.tat.apply(|own| (own.max(tat), ()));
    }

    /// Whether all that was ever taken has drained by `now_ns`, so that a fresh cell decides the same.
    pub(crate) fn has_passed(&self, rate: &Rate, now_ns: u64) -> bool {
        self.tat.load() <= rate.units(now_ns)
    }

    /// Would `amount` be admitted at `now_ns`? Changes nothing.
    #[inline]
    pub(crate) fn look(&self, rate: &Rate, now_ns: u64, amount: u64) -> Result<(), TooFast> {
        rate.decide(self.tat.load(), rate.units(now_ns), amount).map(|_| ())
    }

    /// [`Tat::look`] by a caller who is about to take just that.
    #[inline(always)]
    pub(crate) fn aim(&self, rate: &Rate, now_ns: u64, amount: u64) -> Option<Aim> {
        let tat = self.tat.load();
        rate.decide(tat, rate.units(now_ns), amount).ok().map(|next| Aim { tat, next })
    }

    /// [`Tat::take`] by a caller who has aimed at just that.
    #[inline(always)]
    pub(crate) fn take_aimed(&self, rate: &Rate, now_ns: u64, amount: u64, aim: Aim) -> Option<Paced> {
        let now = rate.units(now_ns);
        self.show(now);
        // Before the exchange, as in `take`. That the word was seen before it is no matter: what is given back in between
        // changes the word, and if it is the same by then, it is in the sum or makes the mark too low (Q1).
        let refunded = self.refunded.load();
        // As in `take`: it was decided about the very word that is exchanged (Q1).
        if self.tat.exchange(aim.tat, aim.next) {
            return Some(Paced {
                cost: amount.saturating_mul(rate.interval),
                at: now,
                mark: aim.next.saturating_add(refunded),
            });
        }
        self.take_again(rate, now_ns, amount)
    }

    #[cold]
    #[inline(never)]
    fn take_again(&self, rate: &Rate, now_ns: u64, amount: u64) -> Option<Paced> {
        self.take(rate, now_ns, amount).ok()
    }

    /// How much fits at once at `now_ns`.
    pub(crate) fn room(&self, rate: &Rate, now_ns: u64) -> u64 {
        let ahead = self.tat.load().saturating_sub(rate.units(now_ns));
        // A part of a unit that has not drained counts for all of it.
        rate.burst.saturating_sub(ahead.div_ceil(rate.interval.max(1)))
    }

    /// Admits `amount` at `now_ns`, nanoseconds from the cell's epoch, or changes nothing.
    #[inline]
    pub(crate) fn take(&self, rate: &Rate, now_ns: u64, amount: u64) -> Result<Paced, TooFast> {
        let now = rate.units(now_ns);
        self.show(now);
        // Read before the exchange: what is given back from here on lowers the cell below our own mark; partner: the
        // addition in `give_back`, which follows its exchange (Q1).
        let refunded = self.refunded.load();
        // Admission and charge are one exchange: simultaneous callers get exactly the burst (Q1).
        let after = self.tat.update(|tat| rate.decide(tat, now, amount).map(|next| (next, next)))?;
        Ok(Paced { cost: amount.saturating_mul(rate.interval), at: now, mark: after.saturating_add(refunded) })
    }

    /// Charges `amount` that was used at `now_ns` without having been asked. Never refused; false if the cell was retired
    /// before, so that another has to be charged.
    pub(crate) fn charge(&self, rate: &Rate, now_ns: u64, amount: u64) -> bool {
        let (now, cost) = (rate.units(now_ns), amount.saturating_mul(rate.interval));
        self.show(now);
        // As a take that may pass the burst: one exchange, from max(tat, now); it stays at the end of the word.
        self.tat.apply(|tat| (tat.max(now).saturating_add(cost), tat != u64::MAX))
    }

    /// Publishes the time of a caller who is about to raise the cell.
    #[inline]
    fn show(&self, now: u64) {
        if self.latest.load() < now {
            // Before the exchange that raises the cell, so that whoever gives back and sees the raise sees the time,
            // too; partner: the loads in `give_back` (Q1).
            self.latest.apply(|latest| (latest.max(now), ()));
        }
    }

    /// Undoes a take; whom to wake. Cold.
    #[must_use = "whoever is first in line has to be woken"]
    pub(crate) fn undo(&self, paced: Paced, line: &Queue) -> Option<Waker> {
        self.give_back(paced, paced.cost, line)
    }

    /// Gives `amount` units of a take back, which is done once; whom to wake. Who gives back what has not drained yet
    /// waits for others who do.
    #[must_use = "whoever is first in line has to be woken"]
    pub(crate) fn refund(&self, rate: &Rate, paced: Paced, amount: u64, line: &Queue) -> Option<Waker> {
        self.give_back(paced, amount.saturating_mul(rate.interval), line)
    }

    /// `line` is that of those who wait for this rate; its lock is also that of those who give back.
    fn give_back(&self, paced: Paced, cost: u64, line: &Queue) -> Option<Waker> {
        if cost == 0 {
            return None;
        }
        let at_least = paced.at.saturating_add(paced.cost);
        let mark = || paced.mark.saturating_sub(self.refunded.load()).max(at_least);
        // The usual case of a long call, without the lock: all has drained. Both loads are of words that only grow, so a
        // later look would find no more to give back.
        if mark() <= self.latest.load() {
            return None;
        }
        line.freeing(|| {
            // Too low if another was between its exchange and its sum when we took, or gave back of a take behind ours;
            // `at + cost` is what keeps that from leaving more than time has passed.
            let mark = mark();
            let back = self.tat.apply(|tat| {
                // Read again for every word that is tried: a take that is in the word has published its time before.
                let back = cost.min(mark.saturating_sub(self.latest.load())).min(tat);
                if tat == u64::MAX { (tat, 0) } else { (tat - back, back) }
            });
            // After the exchange: a taker that reads the sum before its own take counts too much rather than too little.
            self.refunded.apply(|sum| (sum.saturating_add(back), ()));
            back > 0
        })
    }
}

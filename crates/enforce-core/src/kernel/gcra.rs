//! The rate cell: a generic cell rate algorithm that is exact to the unit.

use super::cell::Cell;
use crate::sync::Mutex;

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

/// What a take leaves to its taker, who may have to undo it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paced {
    cost: u64,
    at: u64,
    after: u64,
    refunded: u64,
}

/// The theoretical arrival time of one rate.
///
/// **Invariants (Q1).** `tat` is the moment at which all that was admitted will have drained; a take moves it by exactly
/// its cost from max(tat, now) and is admitted only while tat − now stays within the burst, so no window of w
/// nanoseconds admits more than burst + ⌊w/T⌋ units. Time that steps back grants nothing: tat does not follow it.
///
/// A take that has to be undone gives back `min(cost, max(0, mark − latest))`, where `latest` is the latest time any
/// caller has shown: what has drained by then is gone, and giving it back would admit it twice. Its mark, the moment at
/// which it will have drained, is at least *at + cost*, and at least *tat after it − what was given back since*; each
/// bound alone is safe, so the larger one is. To a caller at or after `latest` the cell is then as if the take had never
/// been (T2): exactly, if no later time than its own has been shown since, whoever else took and undid meanwhile; and
/// otherwise but for at most `latest − at`, which drains in as long. (A caller whose clock stands behind `latest` may
/// find up to as much less room as it stands behind; never more.)
#[derive(Debug)]
pub(crate) struct Tat {
    tat: Cell,
    latest: Cell,
    refunded: Cell,
    undo: Mutex<()>,
}

impl Tat {
    /// A cell that is full at the start.
    pub(crate) fn new() -> Self {
        Self { tat: Cell::new(0), latest: Cell::new(0), refunded: Cell::new(0), undo: Mutex::new(()) }
    }

    /// Would `amount` be admitted at `now_ns`? Changes nothing.
    #[inline]
    pub(crate) fn look(&self, rate: &Rate, now_ns: u64, amount: u64) -> Result<(), TooFast> {
        rate.decide(self.tat.load(), rate.units(now_ns), amount).map(|_| ())
    }

    /// Admits `amount` at `now_ns`, nanoseconds from the cell's epoch, or changes nothing.
    #[inline]
    pub(crate) fn take(&self, rate: &Rate, now_ns: u64, amount: u64) -> Result<Paced, TooFast> {
        let now = rate.units(now_ns);
        if self.latest.load() < now {
            // Published before the exchange below, so that whoever undoes a take and sees ours sees our time too;
            // partner: the loads in `undo` (Q1).
            self.latest.apply(|latest| (latest.max(now), ()));
        }
        // Read before the exchange: what is given back from here on lowers the cell below our own mark; partner: the
        // addition in `undo`, which follows its exchange (Q1).
        let refunded = self.refunded.load();
        // Admission and charge are one exchange: simultaneous callers get exactly the burst (Q1).
        let after = self.tat.update(|tat| rate.decide(tat, now, amount).map(|next| (next, next)))?;
        Ok(Paced { cost: amount.saturating_mul(rate.interval), at: now, after, refunded })
    }

    /// Undoes a take. Cold; undoers wait for each other.
    pub(crate) fn undo(&self, paced: Paced) {
        let _turn = self.undo.lock();
        // Too much if another undo is between its exchange and its sum, or was of a take behind ours; `at + cost` is
        // what keeps that from leaving more than time has passed.
        let since = self.refunded.load().saturating_sub(paced.refunded);
        let mark = paced.after.saturating_sub(since).max(paced.at.saturating_add(paced.cost));
        let back = self.tat.apply(|tat| {
            // Read again for every word that is tried: a take that is in the word has published its time before.
            let back = paced.cost.min(mark.saturating_sub(self.latest.load())).min(tat);
            (tat - back, back)
        });
        // After the exchange: a taker that reads the sum before its own take counts too much rather than too little.
        self.refunded.apply(|sum| (sum.saturating_add(back), ()));
    }
}

//! One budget in one period.

use super::bound::{Bound, Read};
use super::cell::Cell;
use super::meter::Meter;
use super::tally::Tally;

/// A period that does not end: the last nanosecond of the clock stands for *never*.
pub(crate) const NEVER_ENDS: u64 = u64::MAX;

/// So many words belong to the limit of a budget. What they mean is its owner's.
pub(crate) const BESIDE: usize = 2;

/// The budget of one period.
#[derive(Debug)]
pub(crate) struct Window {
    /// When the next period begins.
    ends: u64,
    /// The limit that the tally's remainder counts from, and what belongs to it.
    limit: Bound<BESIDE>,
    pub(crate) tally: Tally,
    pub(crate) committed: Meter,
}

impl Window {
    pub(crate) fn new(limit: u64, beside: [u64; BESIDE], ends: u64) -> Self {
        Self { ends, limit: Bound::new(limit, beside), tally: Tally::new(limit), committed: Meter::new() }
    }

    /// When the next period begins.
    pub(crate) fn ends(&self) -> u64 {
        self.ends
    }

    /// Whether its period is over.
    pub(crate) fn has_ended(&self, now: u64) -> bool {
        now >= self.ends && self.ends != NEVER_ENDS
    }

    /// The limit, what belongs to it, and the word that counts from it, of one version (L1).
    pub(crate) fn read(&self) -> Read<BESIDE> {
        self.limit.read(&self.tally)
    }

    /// What belongs to its limit: words that may be of two versions while it changes.
    #[inline]
    pub(crate) fn beside(&self) -> &[Cell; BESIDE] {
        self.limit.beside()
    }

    /// Moves its limit; what is used stays (L1). Callers take turns under a lock of their own.
    pub(crate) fn relimit(&self, limit: u64, beside: [u64; BESIDE]) {
        self.limit.change(&self.tally, limit, beside);
    }

    /// What is committed and what is held, as it was at one moment: committed only grows, so if it is the same before and
    /// after, it was so when *used* was read (S1).
    pub(crate) fn split(&self) -> (u64, u64) {
        loop {
            let committed = self.committed.read();
            let used = self.used();
            if self.committed.read() == committed {
                return (committed, used.saturating_sub(committed));
            }
        }
    }

    /// What is used: committed and held.
    pub(crate) fn used(&self) -> u64 {
        let (limit, _, word) = self.read();
        word.used(limit)
    }

    /// Whether nothing is recorded in it nor held.
    pub(crate) fn is_untouched(&self) -> bool {
        self.committed.read() == 0 && self.used() == 0
    }
}

//! What the models of a changing limit ask of a counter, and the counters that get it wrong.

use crate::kernel::cell::Cell;
use crate::kernel::tally::{HALTED, Tally, Word};

/// A counter whose limit changes. Nothing is used of it in the beginning.
pub(super) trait Limited: Send + Sync + 'static {
    fn new(limit: u64) -> Self;
    fn take(&self, amount: u64) -> bool;
    fn relimit(&self, from: u64, to: u64);
    /// What is used, given the limit.
    fn used(&self, limit: u64) -> u64;
    fn halt(&self);
    fn is_halted(&self) -> bool;
}

impl Limited for Tally {
    fn new(limit: u64) -> Self {
        Tally::new(limit)
    }

    fn take(&self, amount: u64) -> bool {
        Tally::take(self, amount).is_ok()
    }

    fn relimit(&self, from: u64, to: u64) {
        Tally::relimit(self, from, to);
    }

    fn used(&self, limit: u64) -> u64 {
        self.word().used(limit)
    }

    fn halt(&self) {
        let _before: Word = self.mark(HALTED);
    }

    fn is_halted(&self) -> bool {
        self.word().flags() & HALTED != 0
    }
}

/// Used and limit in two words: a take compares one with the other.
pub(super) struct LimitApart {
    used: Cell,
    limit: Cell,
}

impl Limited for LimitApart {
    fn new(limit: u64) -> Self {
        Self { used: Cell::new(0), limit: Cell::new(limit) }
    }

    fn take(&self, amount: u64) -> bool {
        let limit = self.limit.load();
        self.used.update(|used| if used + amount <= limit { Ok((used + amount, ())) } else { Err(()) }).is_ok()
    }

    fn relimit(&self, _from: u64, to: u64) {
        self.limit.apply(|_| (to, ()));
    }

    fn used(&self, _limit: u64) -> u64 {
        self.used.load()
    }

    fn halt(&self) {
        self.relimit(0, 0);
    }

    fn is_halted(&self) -> bool {
        self.limit.load() == 0
    }
}

/// What remains in one word, HALTED at its top; a change of the limit is tried once, or stored.
pub(super) struct Once<const STORES: bool>(Cell);

const TOP: u64 = 1 << 63;

impl<const STORES: bool> Limited for Once<STORES> {
    fn new(limit: u64) -> Self {
        Self(Cell::new(limit))
    }

    fn take(&self, amount: u64) -> bool {
        let fits = |word: u64| word & TOP == 0 && amount <= word;
        self.0.update(|word| if fits(word) { Ok((word - amount, ())) } else { Err(()) }).is_ok()
    }

    fn relimit(&self, from: u64, to: u64) {
        let seen = self.0.load();
        let moved = (seen + to).wrapping_sub(from);
        let changed = self.0.update(|word| if STORES || word == seen { Ok((moved, ())) } else { Err(()) });
        let _lost: bool = changed.is_err();
    }

    fn used(&self, limit: u64) -> u64 {
        limit.wrapping_sub(self.0.load() & !TOP)
    }

    fn halt(&self) {
        self.0.apply(|word| (word | TOP, ()));
    }

    fn is_halted(&self) -> bool {
        self.0.load() & TOP != 0
    }
}

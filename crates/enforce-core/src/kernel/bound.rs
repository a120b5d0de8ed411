//! One limit that changes together with the tally that counts from it.

use super::cell::Cell;
use super::tally::{Tally, Word};

/// A limit, `N` words that belong to it, and the version of its latest change.
///
/// A change replaces nothing, so however many there are, nothing is left of the earlier ones.
///
/// **Invariants (L1).** Changes are serialised by the caller's own lock. `version` is odd while a change moves the tally,
/// the limit and what belongs to it, and even otherwise; it only grows, so [`Bound::read`] sees all of them of one version,
/// or reads again.
#[derive(Debug)]
pub(crate) struct Bound<const N: usize = 0> {
    version: Cell,
    limit: Cell,
    beside: [Cell; N],
}

/// What is read of a limit at once: its amount, what belongs to it, and the word that counts from it.
pub(crate) type Read<const N: usize> = (u64, [u64; N], Word);

impl<const N: usize> Bound<N> {
    pub(crate) fn new(limit: u64, beside: [u64; N]) -> Self {
        Self { version: Cell::new(0), limit: Cell::new(limit), beside: beside.map(Cell::new) }
    }

    /// The limit, what belongs to it, and the word of `tally` that counts from it.
    pub(crate) fn read(&self, tally: &Tally) -> Read<N> {
        loop {
            // Acquire (in `load`), in this order: whoever saw a word of a later version sees its number, too; partner:
            // `change`.
            let before = self.version.load();
            let seen = (self.limit.load(), self.beside.each_ref().map(Cell::load), tally.word());
            if before & 1 == 0 && self.version.load() == before {
                return seen;
            }
            crate::sync::yield_now();
        }
    }

    /// What belongs to the limit, each of the latest change or of the one that is on its way.
    #[inline]
    pub(crate) fn beside(&self) -> &[Cell; N] {
        &self.beside
    }

    /// Moves the limit of `tally` to `limit`, and what belongs to it with it; what is used stays. Callers take turns under
    /// a lock of their own.
    pub(crate) fn change(&self, tally: &Tally, limit: u64, beside: [u64; N]) {
        // AcqRel (in `apply`): odd before anything moves, and even again after everything has; partner: `read`.
        self.version.apply(|version| (version.wrapping_add(1), ()));
        let before = self.limit.apply(|before| (limit, before));
        for (word, next) in self.beside.iter().zip(beside) {
            word.apply(|_| (next, ()));
        }
        tally.relimit(before, limit);
        self.version.apply(|version| (version.wrapping_add(1), ()));
    }
}

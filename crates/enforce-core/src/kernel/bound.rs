//! One limit that changes together with the tally that counts from it.

use super::cell::Cell;
use super::tally::{Tally, Word};

/// A limit and the version of its latest change.
///
/// **Invariants (L1).** Changes are serialised by the caller's own lock. `version` is odd while a change moves the tally
/// and the limit, and even otherwise; it only grows, so [`Bound::read`] sees limit and word of one version, or reads
/// again.
#[derive(Debug)]
pub(crate) struct Bound {
    version: Cell,
    limit: Cell,
}

impl Bound {
    pub(crate) fn new(limit: u64) -> Self {
        Self { version: Cell::new(0), limit: Cell::new(limit) }
    }

    /// The limit and the word of `tally` that counts from it.
    pub(crate) fn read(&self, tally: &Tally) -> (u64, Word) {
        loop {
            // Acquire (in `load`), in this order: whoever saw the limit or the word of a later version sees its number,
            // too; partner: `change`.
            let before = self.version.load();
            let seen = (self.limit.load(), tally.word());
            if before & 1 == 0 && self.version.load() == before {
                return seen;
            }
            crate::sync::yield_now();
        }
    }

    /// Moves the limit of `tally` to `limit`; what is used stays. Callers take turns under a lock of their own.
    pub(crate) fn change(&self, tally: &Tally, limit: u64) {
        // AcqRel (in `apply`): odd before anything moves, and even again after everything has; partner: `read`.
        self.version.apply(|version| (version.wrapping_add(1), ()));
        let before = self.limit.apply(|before| (limit, before));
        tally.relimit(before, limit);
        self.version.apply(|version| (version.wrapping_add(1), ()));
    }
}

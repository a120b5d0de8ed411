//! The one compare-and-swap loop.
//!
//! A protocol is a pure function from word to word; the cell applies it. Whoever wants to know what can happen to a word
//! reads the functions, never a loop.

use crate::sync::{AtomicU64, Ordering};

/// One 64-bit word that changes only through [`Cell::update`] and its single round, [`Cell::exchange`].
///
/// **Invariant:** every value the word ever holds was decided about the value right before it, so
/// a property that every decision keeps holds in every interleaving.
#[derive(Debug)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) fn new(word: u64) -> Self {
        Self(AtomicU64::new(word))
    }

    /// The word now.
    #[inline]
    pub(crate) fn load(&self) -> u64 {
        // Acquire: what was written before the update that made this value is seen too; partner: the release half of
        // `update`; a refused caller relies on it to read the cause behind a flag (E2).
        self.0.load(Ordering::Acquire)
    }

    /// Replaces the word by what `decide` makes of it, or leaves it as it is when `decide` refuses.
    ///
    /// Lock-free: a round is lost only because another caller's update came through. `decide` must be pure; it may run
    /// more than once, and the last run is the one that counts.
    #[inline]
    pub(crate) fn update<T, E>(&self, mut decide: impl FnMut(u64) -> Result<(u64, T), E>) -> Result<T, E> {
        let mut word = self.load();
        loop {
            let (next, outcome) = decide(word)?;
            // AcqRel: the update carries what its caller wrote before (a cause, a period) to whoever loads the new
            // value, and sees what earlier updaters wrote; partner: `load` and other updates; every promise that is
            // kept in one word rests on this exchange being atomic (T1, T2, E1, G1, Q1, D1).
            // Acquire on failure: the fresh value is decided upon as if loaded.
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(fresh) => word = fresh,
            }
        }
    }

    /// One round of [`Cell::update`] by a caller who has loaded the word before and decided that `next` follows from it:
    /// whether it is the word now. It may not be, and then nothing has changed.
    #[inline(always)]
    pub(crate) fn exchange(&self, seen: u64, next: u64) -> bool {
        // AcqRel, as in `update`, with the same partners: it succeeds only on the very word that was decided upon (T1,
        // E1). Acquire on failure, for the caller's next look.
        self.0.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// [`Cell::update`] for a `decide` that never refuses.
    #[inline]
    pub(crate) fn apply<T>(&self, mut decide: impl FnMut(u64) -> (u64, T)) -> T {
        match self.update(|word| Ok::<_, std::convert::Infallible>(decide(word))) {
            Ok(outcome) => outcome,
            Err(never) => match never {},
        }
    }
}

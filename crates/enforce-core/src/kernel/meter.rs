//! A count that only grows: what has been committed.

use super::cell::Cell;
use super::tally::MAX_AMOUNT;

const CLOSED: u64 = 1;
/// The count stands at the end of the word, so that a sum beyond the bound carries out of it.
const COUNT: u32 = 8;

/// What one addition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Added {
    /// The count after it.
    pub(crate) total: u64,
    /// The meter had been closed before: its reader has already taken its count up the chain, so this addition has to
    /// be taken up by whoever made it.
    pub(crate) late: bool,
    /// The count had to be cut at the bound.
    pub(crate) cut: bool,
}

/// A monotone counter that can be *closed once and still counts*.
///
/// ```text
/// 63          8 7     1 0
/// [ count, u56 ][ 0 … 0 ][CLOSED]
/// ```
///
/// **Invariant:** every unit ever added is reported exactly once as counted up: either in the count that
/// [`Meter::close`] returned, or by an addition that came back `late`. That is what lets the totals of a tenant be kept
/// without a shared word on the path of every step (C1): the executions' own meters are summed while they live, and
/// carried over when they close.
#[derive(Debug)]
pub(crate) struct Meter(Cell);

impl Meter {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }

    /// The count now.
    #[inline]
    pub(crate) fn read(&self) -> u64 {
        // Acquire (in `load`): a count is not read ahead of what was read before it; partner: `add` (S1).
        self.0.load() >> COUNT
    }

    /// The count now, by an exchange that changes nothing: who adds behind it has acquired what its caller wrote before.
    pub(crate) fn read_latest(&self) -> u64 {
        // AcqRel (in `apply`): an addition before this exchange is in the count; one behind it finds whoever waits for it
        // (W1). A load may read a count from before.
        self.0.apply(|word| (word, word >> COUNT))
    }

    /// Adds `amount`, cut at [`MAX_AMOUNT`]. Never refused.
    #[inline]
    pub(crate) fn add(&self, amount: u64) -> Added {
        // The flag is read in the same exchange that adds, so the closer has either seen the amount or is told of by
        // `late` (C1).
        self.0.apply(|word| {
            if amount <= MAX_AMOUNT
                && let Some(next) = word.checked_add(amount << COUNT)
            {
                return (next, Added { total: next >> COUNT, late: word & CLOSED != 0, cut: false });
            }
            cut(word)
        })
    }

    /// Closes the meter and returns its count; `None` if it was closed before.
    pub(crate) fn close(&self) -> Option<u64> {
        // Additions before this exchange are in the returned count, later ones come back `late` (C1).
        self.0.apply(|word| (word | CLOSED, (word & CLOSED == 0).then_some(word >> COUNT)))
    }
}

#[cold]
fn cut(word: u64) -> (u64, Added) {
    let late = word & CLOSED != 0;
    ((MAX_AMOUNT << COUNT) | u64::from(late), Added { total: MAX_AMOUNT, late, cut: true })
}

//! How many holds are open that show in no tally.

use super::cell::Cell;

/// A count that is entered and left.
///
/// **Invariant (I1):** it is 0 exactly when as many have left as have entered. Who enters does so before it is admitted to
/// its caller, and who leaves has touched the activity before, so a reaper that reads the activity first and then a 0
/// has seen every hold that was open when the activity was last touched.
#[derive(Debug)]
pub(crate) struct Open(Cell);

impl Open {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }

    /// Whether there are none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire (in `load`): who sees that a hold has left sees its touch; partner: `leave` (I1).
        self.0.load() == 0
    }

    #[inline]
    pub(crate) fn enter(&self) {
        // One exchange, so that none is lost to another that enters or leaves (I1). Fewer than 2^64 are open at once.
        self.0.apply(|count| (count.wrapping_add(1), ()));
    }

    /// Whoever entered leaves once.
    #[inline]
    pub(crate) fn leave(&self) {
        // Release (in `apply`): carries the touch before it to who sees the count; partner: `is_empty` (I1).
        self.0.apply(|count| (count.saturating_sub(1), ()));
    }
}

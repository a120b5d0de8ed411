//! Who still needs an entry, and the moment when nobody does.

use super::cell::Cell;

const RETIRED: u64 = 1 << 63;

/// A count of attachments that can be retired at zero, once.
///
/// ```text
/// 63      62                0
/// [RETIRED][ attachments, u63 ]
/// ```
///
/// **Invariant (G2):** RETIRED is set only on a count of 0 and never leaves; after it no attachment succeeds. So
/// whoever is attached works on the entry that everybody finds, and an entry that left its table is spent from by
/// nobody.
#[derive(Debug)]
pub(crate) struct Attachments(Cell);

impl Attachments {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }

    /// One more; false if the entry is retired: look it up again.
    pub(crate) fn attach(&self) -> bool {
        // Flag and count share the exchange: an attachment and a retirement cannot both succeed (G2).
        self.0.update(|word| if word & RETIRED != 0 { Err(()) } else { Ok((word + 1, ())) }).is_ok()
    }

    /// One less; true if it was the last.
    pub(crate) fn detach(&self) -> bool {
        // Counts down only what `attach` counted up; the guard against 0 keeps a bug from turning into 2^63.
        self.0.apply(|word| if word & !RETIRED == 0 { (word, false) } else { (word - 1, word - 1 == 0) })
    }

    /// Retires the entry if nobody is attached.
    pub(crate) fn retire(&self) -> bool {
        // Succeeds on the word 0 alone (G2).
        self.0.update(|word| if word == 0 { Ok((RETIRED, ())) } else { Err(()) }).is_ok()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load() & !RETIRED
    }
}

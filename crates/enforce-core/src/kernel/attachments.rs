//! Who still needs an entry, and the moment when nobody does.

use super::cell::Cell;

const RETIRED: u64 = 1 << 63;
const COUNT_BITS: u32 = 40;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const TURNS: u64 = !(RETIRED | COUNT);

/// A count of attachments that can be retired at zero, once, if nobody was attached since it was last looked at.
///
/// ```text
/// 63      62                          40 39                0
/// [RETIRED][ attachments ever, mod 2^23 ][ attachments, u40 ]
/// ```
///
/// **Invariant (G2):** RETIRED is set only on a count of 0 and never leaves; after it no attachment succeeds. So
/// whoever is attached works on the entry that everybody finds, and an entry that left its table is spent from by
/// nobody. A retirement succeeds only on the very word that was looked at, so what was found out about the entry in
/// between, that nothing is spent in it, still holds: who came and went meanwhile has counted up the turns. Only
/// 2^23 attachments between one look and its retirement would be missed.
#[derive(Debug)]
pub(crate) struct Attachments(Cell);

/// What was looked at; only the very same word can be retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unattached(u64);

fn unattached(word: u64) -> Option<Unattached> {
    (word & (RETIRED | COUNT) == 0).then_some(Unattached(word))
}

impl Attachments {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }

    /// One more; false if the entry is retired: look it up again.
    pub(crate) fn attach(&self) -> bool {
        // Flag, turns and count share the exchange: an attachment and a retirement cannot both succeed (G2). 2^40
        // attachments at a time do not fit into memory, so the count never runs into the turns.
        self.0
            .update(|word| {
                if word & RETIRED != 0 {
                    return Err(());
                }
                let turns = (word & TURNS).wrapping_add(COUNT + 1) & TURNS;
                Ok((turns | ((word & COUNT) + 1), ()))
            })
            .is_ok()
    }

    /// One less; if it was the last, what may be retired.
    pub(crate) fn detach(&self) -> Option<Unattached> {
        // Counts down only what `attach` counted up; the guard against 0 keeps a bug from running into the turns.
        self.0.apply(|word| if word & COUNT == 0 { (word, None) } else { (word - 1, unattached(word - 1)) })
    }

    /// What may be retired, if nobody is attached.
    pub(crate) fn see(&self) -> Option<Unattached> {
        unattached(self.0.load())
    }

    /// Whether the entry has left its table, or is about to.
    pub(crate) fn are_retired(&self) -> bool {
        // Acquire (in `load`): a look, which decides nothing; the flag never leaves (G2).
        self.0.load() & RETIRED != 0
    }

    /// Retires the entry if nobody was attached since `seen`.
    pub(crate) fn retire(&self, seen: Unattached) -> bool {
        // Compares with the very word that was looked at: an attachment in between has changed it (G2).
        self.0.update(|word| if word == seen.0 { Ok((word | RETIRED, ())) } else { Err(()) }).is_ok()
    }
}

//! How deep, and how deep at most.

use super::cell::Cell;

const HALF: u32 = 32;

/// Current depth and recorded maximum in one word.
///
/// ```text
/// 63          32 31          0
/// [ maximum, u32 ][ current, u32 ]
/// ```
///
/// **Invariants (D1):** 0 ≤ current ≤ the limit of the deepest admitted push; maximum is the largest current ever
/// admitted. Both change in one exchange, so no maximum is lost to a race, and a pop at 0 changes nothing.
#[derive(Debug)]
pub(crate) struct Depth(Cell);

fn split(word: u64) -> (u64, u64) {
    (word & u64::from(u32::MAX), word >> HALF)
}

impl Depth {
    pub(crate) fn new() -> Self {
        Self(Cell::new(0))
    }

    /// Takes over the maximum of an earlier life.
    pub(crate) fn recall(&self, maximum: u32) {
        // As in `push`: one exchange, and no maximum is lost (D1).
        self.0.apply(|word| {
            let (current, known) = split(word);
            ((known.max(u64::from(maximum)) << HALF) | current, ())
        });
    }

    /// (current, maximum), read together.
    pub(crate) fn read(&self) -> (u64, u64) {
        split(self.0.load())
    }

    /// One deeper, unless that would pass `limit`: then the current depth, unchanged. 2^32 − 1 is the end for everyone.
    pub(crate) fn push(&self, limit: u64) -> Result<u64, u64> {
        let limit = limit.min(u64::from(u32::MAX));
        // Current and maximum move in one exchange (D1).
        self.0.update(|word| {
            let (current, maximum) = split(word);
            if current >= limit {
                return Err(current);
            }
            let next = current + 1;
            Ok(((maximum.max(next) << HALF) | next, next))
        })
    }

    /// One up again; false, and nothing changed, at depth 0.
    pub(crate) fn pop(&self) -> bool {
        // The zero is seen in the exchange that would step below it (D1).
        self.0
            .update(|word| match split(word).0 {
                0 => Err(()),
                _ => Ok((word - 1, ())),
            })
            .is_ok()
    }
}

//! Whether a scope lets anybody new in.

use super::cell::Cell;

const CLOSED: u64 = 1 << 0;
const HALTED: u64 = 1 << 1;
const CAUSE_SHIFT: u32 = 8;

/// How a door stands; with the caller's code for why, where it is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stand {
    /// Whoever comes is let in.
    #[default]
    Open,
    /// Nobody new is let in.
    Closed(u8),
    /// Nor does anybody inside go on.
    Halted(u8),
}

impl Stand {
    /// Shut, unless it is already: the first cause stays.
    pub(crate) fn closed(self, cause: u8) -> Self {
        if self == Self::Open { Self::Closed(cause) } else { self }
    }

    /// Shut for good, unless it is already: the first cause stays, but a closed door may be halted for another.
    pub(crate) fn halted(self, cause: u8) -> Self {
        if let Self::Halted(_) = self { self } else { Self::Halted(cause) }
    }

    fn word(self) -> u64 {
        match self {
            Self::Open => 0,
            Self::Closed(cause) => CLOSED | u64::from(cause) << CAUSE_SHIFT,
            Self::Halted(cause) => CLOSED | HALTED | u64::from(cause) << CAUSE_SHIFT,
        }
    }

    fn of(word: u64) -> Self {
        let cause = (word >> CAUSE_SHIFT) as u8;
        match (word & CLOSED != 0, word & HALTED != 0) {
            (false, _) => Self::Open,
            (true, false) => Self::Closed(cause),
            (true, true) => Self::Halted(cause),
        }
    }
}

/// The door of a scope that others enter: a tenant, the process.
///
/// ```text
/// 63      16 15    8 7   2    1       0
/// [ 0 … 0 ][ cause, u8 ][ 0 ][HALTED][CLOSED]
/// ```
///
/// **Invariant (E1).** Whoever comes in looks at the door under the lock of the list into which it is entered, before it
/// is entered; whoever halts the scope shuts the door first, then takes that lock to find everyone who is inside, and
/// halts them. *Either* the entry comes first: it is found, and halted. *Or* the halter's look comes first: then the look
/// at the door, behind the same lock, has acquired that it is shut, and nobody ever sees an entry. Where lists come and
/// go with their owners, those stand in a table of which each operation is under a lock, and the same holds of the
/// owner's entry there.
///
/// It is no word of a step: who is inside bears the mark of the halt in its own.
#[derive(Debug)]
pub(crate) struct Door(Cell);

impl Door {
    pub(crate) fn new(stand: Stand) -> Self {
        Self(Cell::new(stand.word()))
    }

    #[inline]
    pub(crate) fn stand(&self) -> Stand {
        // Acquire (in `load`), under the lock of the list: what shut the door before the list was last looked through is
        // seen; partner: `turn` (E1).
        Stand::of(self.0.load())
    }

    /// Makes `next` of how it stands; how it stands then.
    pub(crate) fn turn(&self, next: impl Fn(Stand) -> Stand) -> Stand {
        // AcqRel (in `apply`), before the look at the list, whose lock carries it to whoever enters behind that look;
        // partner: `stand` (E1). Of two who shut it one comes first, and its cause stays.
        self.0.apply(|word| {
            let next = next(Stand::of(word));
            (next.word(), next)
        })
    }
}

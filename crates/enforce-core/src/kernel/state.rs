//! Live, paused, halted, ended: the one word that says which, and the cold lock that makes it true of every tally.

use super::cell::Cell;
use super::tally::{CLOSED, HALTED, PAUSED, Tally, Word};
use crate::sync::Mutex;

const PAUSED_BIT: u64 = 1 << 0;
const HALTED_BIT: u64 = 1 << 1;
const FINISHED_BIT: u64 = 1 << 2;
const SLOT_BIT: u64 = 1 << 3;
const CAUSE_SHIFT: u32 = 16;
const GENERATION_SHIFT: u32 = 32;

/// What the state word says.
///
/// ```text
/// 63            32 31        16 15     4  3     2         1       0
/// [ pauses, u32   ][ cause, u16 ][ 0 … 0 ][SLOT][FINISHED][HALTED][PAUSED]
/// ```
///
/// **Invariants.** HALTED and FINISHED never leave. The cause of a halt is written with HALTED and never changes (E2).
/// SLOT is cleared by the first of halt and finish, and by it alone (G1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    pub(crate) fn is_paused(self) -> bool {
        self.0 & (PAUSED_BIT | HALTED_BIT) == PAUSED_BIT
    }

    #[inline]
    pub(crate) fn is_halted(self) -> bool {
        self.0 & HALTED_BIT != 0
    }

    #[inline]
    pub(crate) fn is_finished(self) -> bool {
        self.0 & FINISHED_BIT != 0
    }

    /// The caller's code for why it is paused or halted; 0 if neither.
    pub(crate) fn cause(self) -> u16 {
        ((self.0 >> CAUSE_SHIFT) & u64::from(u16::MAX)) as u16
    }

    /// How often it has been paused.
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    fn with_cause(self, cause: u16) -> Self {
        Self((self.0 & !(u64::from(u16::MAX) << CAUSE_SHIFT)) | (u64::from(cause) << CAUSE_SHIFT))
    }

    fn paused(self, cause: u16) -> Option<Self> {
        if self.0 & (PAUSED_BIT | HALTED_BIT | FINISHED_BIT) != 0 {
            return None;
        }
        let generation = u64::from(self.generation().wrapping_add(1)) << GENERATION_SHIFT;
        Some(Self((self.0 & u64::from(u32::MAX)) | generation | PAUSED_BIT).with_cause(cause))
    }

    fn halted(self, cause: u16) -> Option<Self> {
        if self.0 & (HALTED_BIT | FINISHED_BIT) != 0 {
            return None;
        }
        Some(Self((self.0 | HALTED_BIT) & !SLOT_BIT).with_cause(cause))
    }

    fn finished(self) -> Option<Self> {
        (self.0 & FINISHED_BIT == 0).then_some(Self((self.0 | FINISHED_BIT) & !SLOT_BIT))
    }
}

/// What came of an attempt to change the state: true if this caller changed it, and the state as everyone sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) struct Change {
    pub(crate) first: bool,
    pub(crate) state: State,
}

/// The state of one scope and the lock that serialises its changes.
///
/// A change holds the lock while it marks every tally of the scope, and whoever comes second waits for it: once `halt`,
/// `pause` or `finish` has returned, to its caller or to any other caller of the same, every tally is marked and no
/// take succeeds (E1). Takers never touch the lock.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    word: Cell,
    changes: Mutex<()>,
}

impl Lifecycle {
    /// Live; `slot` if it occupies one of the scope above that it has to give back.
    pub(crate) fn new(slot: bool) -> Self {
        Self { word: Cell::new(if slot { SLOT_BIT } else { 0 }), changes: Mutex::new(()) }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        State(self.word.load())
    }

    /// Halts for `cause`, unless it is halted or has ended already; gives the slot back.
    pub(crate) fn halt<'a>(
        &self,
        cause: u16,
        tallies: impl Iterator<Item = &'a Tally>,
        slot: Option<&Tally>,
    ) -> Change {
        self.change(|state| state.halted(cause), HALTED, tallies, slot)
    }

    /// Pauses for `cause`, unless it is paused, halted or has ended already. Keeps the slot.
    pub(crate) fn pause<'a>(&self, cause: u16, tallies: impl Iterator<Item = &'a Tally>) -> Change {
        self.change(|state| state.paused(cause), PAUSED, tallies, None)
    }

    /// Ends it; gives the slot back unless a halt did.
    pub(crate) fn finish<'a>(&self, tallies: impl Iterator<Item = &'a Tally>, slot: Option<&Tally>) -> Change {
        self.change(State::finished, CLOSED, tallies, slot)
    }

    fn change<'a>(
        &self,
        next: impl Fn(State) -> Option<State>,
        flag: u64,
        tallies: impl Iterator<Item = &'a Tally>,
        slot: Option<&Tally>,
    ) -> Change {
        let _turn = self.changes.lock();
        // The cause is in place before the first flag: who meets a flag reads why (E2).
        let changed = self.word.update(|word| match next(State(word)) {
            Some(next) => Ok((next.0, (State(word), next))),
            None => Err(State(word)),
        });
        let (before, after) = match changed {
            Err(state) => return Change { first: false, state },
            Ok(change) => change,
        };
        for tally in tallies {
            let _seen: Word = tally.mark(flag);
        }
        // Exactly one change clears the bit, and it gives the slot back before anyone is told (G1).
        if let (true, Some(slot)) = (before.0 & SLOT_BIT != 0 && after.0 & SLOT_BIT == 0, slot) {
            slot.give(1);
        }
        Change { first: true, state: after }
    }
}

//! Live, paused, halted, ended: the one word that says which, and the cold lock that makes it true of every tally.

use super::cell::Cell;
use super::tally::{CLOSED, HALTED, PAUSED, Tally, Word};
use crate::sync::Mutex;

const PAUSED_BIT: u64 = 1 << 0;
const PAUSED_ABOVE_BIT: u64 = 1 << 1;
const HALTED_BIT: u64 = 1 << 2;
const FINISHED_BIT: u64 = 1 << 3;
const SLOT_BIT: u64 = 1 << 4;
const CAUSE_SHIFT: u32 = 8;
const CAUSE_ABOVE_SHIFT: u32 = 16;
const PAUSE_SHIFT: u32 = 24;

/// Numbers of pauses are unique below this.
pub(crate) const PAUSE_NUMBERS: u64 = 1 << (64 - PAUSE_SHIFT);

/// What the state word says.
///
/// ```text
/// 63        24 23          16 15    8 7  5  4        3        2         1           0
/// [ pause, u40  ][ cause above, u8 ][ cause, u8 ][ 0 ][SLOT][FINISHED][HALTED][PAUSED_ABOVE][PAUSED]
/// ```
///
/// **Invariants.** HALTED and FINISHED never leave. The cause of a halt is written with HALTED and never changes (E2).
/// SLOT is cleared by the first of halt and finish, and by it alone (G1). PAUSED leaves only by a resume that names the
/// number of that very pause (E3); PAUSED_ABOVE only when the scope above is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    pub(crate) fn is_paused(self) -> bool {
        self.0 & (PAUSED_BIT | PAUSED_ABOVE_BIT) != 0 && !self.is_halted()
    }

    /// Paused with the scope above, whatever else it is.
    pub(crate) fn is_paused_above(self) -> bool {
        self.0 & PAUSED_ABOVE_BIT != 0
    }

    /// Paused by itself, so that an approval may resume it.
    pub(crate) fn awaits_approval(self) -> bool {
        self.0 & (PAUSED_BIT | HALTED_BIT | FINISHED_BIT) == PAUSED_BIT
    }

    #[inline]
    pub(crate) fn is_halted(self) -> bool {
        self.0 & HALTED_BIT != 0
    }

    #[inline]
    pub(crate) fn is_finished(self) -> bool {
        self.0 & FINISHED_BIT != 0
    }

    /// The caller's code for why it is halted or paused; 0 if neither.
    pub(crate) fn cause(self) -> u8 {
        let own = (self.0 >> CAUSE_SHIFT) as u8;
        if own != 0 { own } else { (self.0 >> CAUSE_ABOVE_SHIFT) as u8 }
    }

    /// The number of its latest pause; 0 if there was none.
    pub(crate) fn pause(self) -> u64 {
        self.0 >> PAUSE_SHIFT
    }

    fn with_cause(self, shift: u32, cause: u8) -> Self {
        Self((self.0 & !(u64::from(u8::MAX) << shift)) | (u64::from(cause) << shift))
    }

    fn paused(self, cause: u8, number: u64) -> Option<Self> {
        if self.0 & (PAUSED_BIT | HALTED_BIT | FINISHED_BIT) != 0 {
            return None;
        }
        let numbered = (self.0 & ((1 << PAUSE_SHIFT) - 1)) | (number << PAUSE_SHIFT);
        Some(Self(numbered | PAUSED_BIT).with_cause(CAUSE_SHIFT, cause))
    }

    /// Again where it is paused from above already: what pauses it may have changed.
    fn paused_above(self, cause: u8) -> Option<Self> {
        if self.0 & (HALTED_BIT | FINISHED_BIT) != 0 {
            return None;
        }
        Some(Self(self.0 | PAUSED_ABOVE_BIT).with_cause(CAUSE_ABOVE_SHIFT, cause))
    }

    fn resumed(self, pause: u64) -> Option<Self> {
        if !self.awaits_approval() || self.pause() != pause {
            return None;
        }
        Some(Self(self.0 & !PAUSED_BIT).with_cause(CAUSE_SHIFT, 0))
    }

    fn resumed_above(self) -> Option<Self> {
        if self.0 & PAUSED_ABOVE_BIT == 0 || self.0 & (HALTED_BIT | FINISHED_BIT) != 0 {
            return None;
        }
        Some(Self(self.0 & !PAUSED_ABOVE_BIT).with_cause(CAUSE_ABOVE_SHIFT, 0))
    }

    fn halted(self, cause: u8) -> Option<Self> {
        if self.0 & (HALTED_BIT | FINISHED_BIT) != 0 {
            return None;
        }
        Some(Self((self.0 | HALTED_BIT) & !SLOT_BIT).with_cause(CAUSE_SHIFT, cause))
    }

    fn finished(self) -> Option<Self> {
        (self.0 & FINISHED_BIT == 0).then_some(Self((self.0 | FINISHED_BIT) & !SLOT_BIT))
    }

    /// The flags that its tallies bear.
    fn flags(self) -> u64 {
        let flag = |bits, flag| if self.0 & bits != 0 { flag } else { 0 };
        flag(PAUSED_BIT | PAUSED_ABOVE_BIT, PAUSED) | flag(HALTED_BIT, HALTED) | flag(FINISHED_BIT, CLOSED)
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
/// A change holds the lock while it marks every tally of the scope and, through `below`, every scope below it; whoever
/// comes second waits for it: once `halt`, `pause` or `finish` has returned, to its caller or to any other caller of the
/// same, everything is marked and no take succeeds (E1). Takers never touch the lock. Locks are taken downwards: a scope's
/// before those below it.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    word: Cell,
    changes: Mutex<()>,
}

impl Lifecycle {
    /// Live; `slot` if it occupies some of scopes above that it has to give back.
    pub(crate) fn new(slot: bool) -> Self {
        Self { word: Cell::new(if slot { SLOT_BIT } else { 0 }), changes: Mutex::new(()) }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // Acquire (in `load`): who met a flag finds the cause that was written before it; partner: `changed` (E2).
        State(self.word.load())
    }

    /// Halts for `cause`, unless it is halted or has ended already; gives the slots back.
    pub(crate) fn halt<'a>(
        &self,
        cause: u8,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        slots: impl IntoIterator<Item = &'a Tally>,
        below: impl FnOnce(),
    ) -> Change {
        self.change(|state| state.halted(cause), tallies, slots, |_| below())
    }

    /// Pauses for `cause` under `number`, unless it is paused, halted or has ended already. Keeps the slot.
    pub(crate) fn pause<'a>(
        &self,
        cause: u8,
        number: u64,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        below: impl FnOnce(),
    ) -> Change {
        self.change(|state| state.paused(cause, number), tallies, [], |_| below())
    }

    /// Pauses because a scope above is paused, or puts down what goes on pausing it.
    pub(crate) fn pause_above<'a>(
        &self,
        cause: u8,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        below: impl FnOnce(),
    ) -> Change {
        self.change(|state| state.paused_above(cause), tallies, [], |_| below())
    }

    /// Ends the pause of that number and no other; runs `approve` before anything is admitted again, and stays paused if
    /// it fails (E3). `below` resumes what is below only if the state that it is given is not paused from above.
    pub(crate) fn resume<'a, E>(
        &self,
        pause: u64,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        approve: impl FnOnce() -> Result<(), E>,
        below: impl FnOnce(State),
    ) -> Result<Change, E> {
        let _turn = self.changes.lock();
        if self.state().resumed(pause).is_none() {
            return Ok(Change { first: false, state: self.state() });
        }
        approve()?;
        Ok(self.changed(|state| state.resumed(pause), tallies, [], below))
    }

    /// Halts it if it is in the pause of that number (E3).
    pub(crate) fn reject<'a>(
        &self,
        pause: u64,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        slots: impl IntoIterator<Item = &'a Tally>,
        below: impl FnOnce(),
    ) -> Change {
        let halted = |state: State| state.resumed(pause).and_then(|_| state.halted(state.cause()));
        self.change(halted, tallies, slots, |_| below())
    }

    /// Ends a pause that came from above. `below` resumes what is below only if the state that it is given is not paused by
    /// itself.
    pub(crate) fn resume_above<'a>(
        &self,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        below: impl FnOnce(State),
    ) -> Change {
        self.change(State::resumed_above, tallies, [], below)
    }

    /// Ends it; gives the slots back unless a halt did.
    pub(crate) fn finish<'a>(
        &self,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        slots: impl IntoIterator<Item = &'a Tally>,
        below: impl FnOnce(),
    ) -> Change {
        self.change(State::finished, tallies, slots, |_| below())
    }

    /// Runs `act` while nothing about the state changes: what it adds below is there for the next change to mark.
    pub(crate) fn hold_still<T>(&self, act: impl FnOnce(State) -> T) -> T {
        let _turn = self.changes.lock();
        act(self.state())
    }

    fn change<'a>(
        &self,
        next: impl Fn(State) -> Option<State>,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        slots: impl IntoIterator<Item = &'a Tally>,
        below: impl FnOnce(State),
    ) -> Change {
        let _turn = self.changes.lock();
        self.changed(next, tallies, slots, below)
    }

    /// The change itself, under the lock.
    fn changed<'a>(
        &self,
        next: impl Fn(State) -> Option<State>,
        tallies: impl Iterator<Item = &'a Tally> + Clone,
        slots: impl IntoIterator<Item = &'a Tally>,
        below: impl FnOnce(State),
    ) -> Change {
        // The cause is in place before the first flag: who meets a flag reads why (E2).
        let changed = self.word.update(|word| match next(State(word)) {
            Some(next) => Ok((next.0, (State(word), next))),
            None => Err(State(word)),
        });
        let (before, after) = match changed {
            Err(state) => return Change { first: false, state },
            Ok(change) => change,
        };
        let (set, cleared) = (after.flags() & !before.flags(), before.flags() & !after.flags());
        if set != 0 {
            tallies.clone().for_each(|tally| {
                let _seen: Word = tally.mark(set);
            });
        }
        below(after);
        // Behind `below`: what a resume has to put right is right before the first take comes through.
        if cleared != 0 {
            tallies.for_each(|tally| tally.unmark(cleared));
        }
        // Exactly one change clears the bit, and it gives every slot back before anyone is told (G1).
        if before.0 & SLOT_BIT != 0 && after.0 & SLOT_BIT == 0 {
            slots.into_iter().for_each(|slot| slot.give(1));
        }
        Change { first: true, state: after }
    }
}

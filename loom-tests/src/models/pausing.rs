//! What the models of a pause ask of a scope, and the scopes that get it wrong.

use crate::kernel::cell::Cell;
use crate::kernel::state::{Lifecycle, State};
use crate::kernel::tally::{HALTED, PAUSED, Refusal, Tally};
use crate::sync::Mutex;

/// The cause of every pause here, and of every halt.
pub(super) const FOR_PAUSE: u8 = 7;
pub(super) const FOR_HALT: u8 = 9;

/// How a scope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) paused: bool,
    pub(super) halted: bool,
    /// The number of the latest pause.
    pub(super) pause: u64,
    pub(super) cause: u8,
}

/// Two tallies and the slot that their scope gives back when it halts; from the first tally all has been taken.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) tallies: [Tally; 2],
    pub(super) slot: Tally,
}

impl Words {
    fn new() -> Self {
        let words = Self { tallies: [Tally::new(1), Tally::new(10)], slot: Tally::new(1) };
        words.tallies[0].take(1).unwrap();
        words.slot.take(1).unwrap();
        words
    }

    /// Takes one: admitted, barred, or short of room.
    pub(super) fn take(&self, tally: usize) -> Result<(), Refusal> {
        self.tallies[tally].take(1).map(|_| ())
    }

    /// What an approval does here: room for one more in the first tally.
    pub(super) fn raise(&self) {
        self.tallies[0].relimit(1, 2);
    }

    /// The flags that all tallies bear, if they agree.
    pub(super) fn flags(&self) -> Option<u64> {
        let [one, other] = [&self.tallies[0], &self.tallies[1]].map(|tally| tally.word().flags());
        (one == other).then_some(one)
    }

    fn mark(&self, flags: u64) {
        for tally in &self.tallies {
            tally.mark(flags);
        }
    }

    fn unmark(&self, flags: u64) {
        for tally in &self.tallies {
            tally.unmark(flags);
        }
    }
}

/// A scope that is paused and resumed; each change says whether it was the one that changed it.
pub(super) trait Pausing: Send + Sync + 'static {
    fn words(&self) -> &Words;
    fn pause(&self, number: u64) -> bool;
    /// Ends that pause if `approve` succeeds; `None` if it failed.
    fn resume(&self, number: u64, approve: impl FnOnce() -> bool) -> Option<bool>;
    /// Halts it instead of ending that pause.
    fn reject(&self, number: u64) -> bool;
    fn halt(&self) -> bool;
    fn stand(&self) -> Stand;
}

/// The kernel's own.
#[derive(Debug)]
pub(super) struct Live {
    life: Lifecycle,
    words: Words,
}

impl Live {
    /// Under pause 1.
    pub(super) fn paused() -> Self {
        let scope = Self { life: Lifecycle::new(true), words: Words::new() };
        assert!(scope.pause(1));
        scope
    }
}

impl Pausing for Live {
    fn words(&self) -> &Words {
        &self.words
    }

    fn pause(&self, number: u64) -> bool {
        self.life.pause(FOR_PAUSE, number, self.words.tallies.iter(), || ()).first
    }

    fn resume(&self, number: u64, approve: impl FnOnce() -> bool) -> Option<bool> {
        let approve = || approve().then_some(()).ok_or(());
        self.life.resume(number, self.words.tallies.iter(), approve, |_| ()).ok().map(|change| change.first)
    }

    fn reject(&self, number: u64) -> bool {
        self.life.reject(number, self.words.tallies.iter(), Some(&self.words.slot), || ()).first
    }

    fn halt(&self) -> bool {
        self.life.halt(FOR_HALT, self.words.tallies.iter(), Some(&self.words.slot), || ()).first
    }

    fn stand(&self) -> Stand {
        let state: State = self.life.state();
        Stand { paused: state.is_paused(), halted: state.is_halted(), pause: state.pause(), cause: state.cause() }
    }
}

/// What is wrong with a [`Flawed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A resume takes no lock.
    NoLock,
    /// A resume lets go of the lock before it opens the tallies.
    OpensBehindTheLock,
    /// An approval bears no number.
    NoNumber,
    /// A resume stores what it makes of the state that it has looked at before it took the lock.
    StoresBack,
    /// A resume opens the tallies, and closes them again if the approval fails.
    OpensFirst,
    /// A rejection looks whether that pause stands, and then halts.
    LooksThenHalts,
}

const IS_PAUSED: u64 = 1 << 0;
const IS_HALTED: u64 = 1 << 1;
const CAUSE: u32 = 8;
const NUMBER: u32 = 16;

/// A scope that is right but for one thing.
#[derive(Debug)]
pub(super) struct Flawed {
    word: Cell,
    lock: Mutex<()>,
    words: Words,
    flaw: Flaw,
}

impl Flawed {
    /// Under pause 1.
    pub(super) fn paused(flaw: Flaw) -> Self {
        let scope = Self { word: Cell::new(0), lock: Mutex::new(()), words: Words::new(), flaw };
        assert!(scope.pause(1));
        scope
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Whether the pause that `word` shows is the one that is meant.
    fn means(&self, word: u64, number: u64) -> bool {
        let stands = word & (IS_PAUSED | IS_HALTED) == IS_PAUSED;
        stands && (self.is(Flaw::NoNumber) || word >> NUMBER == number)
    }

    fn set(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        self.word.update(|word| next(word).map(|next| (next, ())).ok_or(())).is_ok()
    }

    /// Halts it, under the lock, if `may` says so.
    fn halt_for(&self, cause: u8, may: impl Fn(u64) -> bool) -> bool {
        let halted = |word: u64| (word & !(0xff << CAUSE)) | IS_HALTED | (u64::from(cause) << CAUSE);
        let first = self.set(|word| (word & IS_HALTED == 0 && may(word)).then(|| halted(word)));
        if first {
            self.words.mark(HALTED);
            self.words.slot.give(1);
        }
        first
    }
}

fn resumed(word: u64) -> u64 {
    word & !(IS_PAUSED | (0xff << CAUSE))
}

impl Pausing for Flawed {
    fn words(&self) -> &Words {
        &self.words
    }

    fn pause(&self, number: u64) -> bool {
        let _turn = self.lock.lock();
        let paused = number << NUMBER | u64::from(FOR_PAUSE) << CAUSE | IS_PAUSED;
        let first = self.set(|word| (word & (IS_PAUSED | IS_HALTED) == 0).then_some(paused));
        if first {
            self.words.mark(PAUSED);
        }
        first
    }

    fn resume(&self, number: u64, approve: impl FnOnce() -> bool) -> Option<bool> {
        let seen = self.is(Flaw::StoresBack).then(|| self.word.load());
        let turn = (!self.is(Flaw::NoLock)).then(|| self.lock.lock());
        if !self.means(seen.unwrap_or_else(|| self.word.load()), number) {
            return Some(false);
        }
        if self.is(Flaw::OpensFirst) {
            self.words.unmark(PAUSED);
        }
        if !approve() {
            self.words.mark(if self.is(Flaw::OpensFirst) { PAUSED } else { 0 });
            return None;
        }
        if let Some(seen) = seen {
            self.word.apply(|_| (resumed(seen), ()));
        } else if !self.set(|word| self.means(word, number).then(|| resumed(word))) {
            return Some(false);
        }
        if self.is(Flaw::OpensBehindTheLock) {
            drop(turn);
        }
        self.words.unmark(PAUSED);
        Some(true)
    }

    fn reject(&self, number: u64) -> bool {
        let meant = self.means(self.word.load(), number);
        let _turn = self.lock.lock();
        if self.is(Flaw::LooksThenHalts) {
            return meant && self.halt_for(FOR_PAUSE, |_| true);
        }
        self.halt_for(FOR_PAUSE, |word| self.means(word, number))
    }

    fn halt(&self) -> bool {
        let _turn = self.lock.lock();
        self.halt_for(FOR_HALT, |_| true)
    }

    fn stand(&self) -> Stand {
        let word = self.word.load();
        let halted = word & IS_HALTED != 0;
        let paused = word & IS_PAUSED != 0 && !halted;
        Stand { paused, halted, pause: word >> NUMBER, cause: (word >> CAUSE) as u8 }
    }
}

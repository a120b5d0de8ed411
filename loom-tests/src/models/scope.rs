//! What the models of a scope ask of it, and the scopes that get it wrong.

use crate::kernel::cell::Cell;
use crate::kernel::state::Lifecycle;
use crate::kernel::tally::{HALTED, Refusal, Tally};
use crate::sync::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

/// What can happen to a scope as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Halt(u8),
    Pause(u8),
    Finish,
}

/// How a scope stands: who looks is told halted, paused, ended, and the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) halted: bool,
    pub(super) ended: bool,
    pub(super) cause: u8,
}

/// A scope of two tallies, ten to be taken from each.
pub(super) trait Scope: Send + Sync + 'static {
    fn new() -> Self;
    /// True for the one that changed it, and how it stands.
    fn change(&self, change: Change) -> (bool, Standing);
    /// Takes one; false if the scope bars it.
    fn take(&self, tally: usize) -> bool;
    fn used(&self) -> [u64; 2];
    fn standing(&self) -> Standing;
}

fn take(tally: &Tally) -> bool {
    match tally.take(1) {
        Ok(_) => true,
        Err(Refusal::Barred) => false,
        Err(Refusal::Short(word) | Refusal::Queued(word)) => unreachable!("there is room: {word:?}"),
    }
}

fn tallies() -> [Tally; 2] {
    [Tally::new(10), Tally::new(10)]
}

fn bar(tallies: &[Tally; 2]) {
    for tally in tallies {
        tally.mark(HALTED);
    }
}

fn used(tallies: &[Tally; 2]) -> [u64; 2] {
    [tallies[0].word().used(10), tallies[1].word().used(10)]
}

/// The kernel's own.
pub(super) struct Live {
    life: Lifecycle,
    tallies: [Tally; 2],
}

impl Scope for Live {
    fn new() -> Self {
        Self { life: Lifecycle::new(false), tallies: tallies() }
    }

    fn change(&self, change: Change) -> (bool, Standing) {
        let changed = match change {
            Change::Halt(cause) => self.life.halt(cause, self.tallies.iter(), [], || ()),
            Change::Pause(cause) => self.life.pause(cause, 1, self.tallies.iter(), || ()),
            Change::Finish => self.life.finish(self.tallies.iter(), [], || ()),
        };
        let state = changed.state;
        (changed.first, Standing { halted: state.is_halted(), ended: state.is_finished(), cause: state.cause() })
    }

    fn take(&self, tally: usize) -> bool {
        take(&self.tallies[tally])
    }

    fn used(&self) -> [u64; 2] {
        used(&self.tallies)
    }

    fn standing(&self) -> Standing {
        let state = self.life.state();
        Standing { halted: state.is_halted(), ended: state.is_finished(), cause: state.cause() }
    }
}

const ANY: u64 = 1 << 16;
const ENDED: u64 = 1 << 17;

fn standing(word: u64) -> Standing {
    Standing { halted: word & ANY != 0, ended: word & ENDED != 0, cause: word as u8 }
}

/// The word of a scope after `change`, `None` if it does not apply; pauses count as halts here.
fn changed(word: u64, change: Change) -> Option<u64> {
    match change {
        _ if word & ENDED != 0 => None,
        Change::Finish => Some(word | ENDED),
        Change::Halt(cause) | Change::Pause(cause) => (word & ANY == 0).then_some(word | ANY | u64::from(cause)),
    }
}

/// The flag stands in a word of its own, which takers look at first.
pub(super) struct FlagApart {
    word: Cell,
    tallies: [Tally; 2],
}

impl Scope for FlagApart {
    fn new() -> Self {
        Self { word: Cell::new(0), tallies: tallies() }
    }

    fn change(&self, change: Change) -> (bool, Standing) {
        let first = self.word.update(|word| changed(word, change).map(|next| (next, ())).ok_or(())).is_ok();
        (first, self.standing())
    }

    fn take(&self, tally: usize) -> bool {
        self.word.load() == 0 && take(&self.tallies[tally])
    }

    fn used(&self) -> [u64; 2] {
        used(&self.tallies)
    }

    fn standing(&self) -> Standing {
        standing(self.word.load())
    }
}

/// Changes take no turns: who finds it changed already returns at once.
pub(super) struct NoTurns {
    word: Cell,
    tallies: [Tally; 2],
}

impl Scope for NoTurns {
    fn new() -> Self {
        Self { word: Cell::new(0), tallies: tallies() }
    }

    fn change(&self, change: Change) -> (bool, Standing) {
        let first = self.word.update(|word| changed(word, change).map(|next| (next, ())).ok_or(())).is_ok();
        if first {
            bar(&self.tallies);
        }
        (first, self.standing())
    }

    fn take(&self, tally: usize) -> bool {
        take(&self.tallies[tally])
    }

    fn used(&self) -> [u64; 2] {
        used(&self.tallies)
    }

    fn standing(&self) -> Standing {
        standing(self.word.load())
    }
}

/// State and cause in two words, the cause written behind the flags; what a finish or a pause finds it writes back.
pub(super) struct CauseApart {
    word: AtomicU64,
    cause: AtomicU64,
    tallies: [Tally; 2],
}

impl Scope for CauseApart {
    fn new() -> Self {
        Self { word: AtomicU64::new(0), cause: AtomicU64::new(0), tallies: tallies() }
    }

    fn change(&self, change: Change) -> (bool, Standing) {
        let first = match change {
            Change::Finish | Change::Pause(_) => {
                let word = self.word.load(Acquire);
                self.word.store(word | if change == Change::Finish { ENDED } else { 0 }, Release);
                word & ENDED == 0
            }
            Change::Halt(cause) => {
                let first = self.word.fetch_or(ANY, AcqRel) & (ANY | ENDED) == 0;
                bar(&self.tallies);
                if first {
                    self.cause.store(u64::from(cause), Release);
                }
                first
            }
        };
        (first, self.standing())
    }

    fn take(&self, tally: usize) -> bool {
        take(&self.tallies[tally])
    }

    fn used(&self) -> [u64; 2] {
        used(&self.tallies)
    }

    fn standing(&self) -> Standing {
        Standing { cause: self.cause.load(Acquire) as u8, ..standing(self.word.load(Acquire)) }
    }
}

//! A scope of one tally, as it stands among others.

use crate::kernel::state::{Lifecycle, State};
use crate::kernel::tally::{PAUSED, Tally};

/// The cause of every change that is not asked for one.
const CAUSE: u8 = 5;

/// A scope of one tally.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) life: Lifecycle,
    pub(super) tally: Tally,
}

impl Node {
    pub(super) fn new() -> Self {
        Self { life: Lifecycle::new(false), tally: Tally::new(10) }
    }

    pub(super) fn words(&self) -> std::iter::Once<&Tally> {
        std::iter::once(&self.tally)
    }

    pub(super) fn halt(&self, below: impl FnOnce()) -> bool {
        self.life.halt(CAUSE, self.words(), None, below).first
    }

    pub(super) fn pause(&self, number: u64, below: impl FnOnce()) {
        assert!(self.try_pause(number, below), "nobody else pauses it");
    }

    pub(super) fn try_pause(&self, number: u64, below: impl FnOnce()) -> bool {
        self.life.pause(CAUSE, number, self.words(), below).first
    }

    pub(super) fn resume(&self, number: u64, below: impl FnOnce(State)) -> bool {
        self.life.resume(number, self.words(), || Ok::<_, ()>(()), below).unwrap().first
    }

    pub(super) fn pause_above(&self, below: impl FnOnce()) {
        let _first: bool = self.life.pause_above(CAUSE, self.words(), below).first;
    }

    pub(super) fn resume_above(&self, below: impl FnOnce(State)) {
        let _first: bool = self.life.resume_above(self.words(), below).first;
    }

    pub(super) fn barred(&self) -> bool {
        self.tally.take(0).is_err()
    }

    /// State word and tally say the same: paused or open.
    pub(super) fn is_paused(&self, promise: &str) -> bool {
        let paused = self.life.state().is_paused();
        assert_eq!(self.tally.word().flags(), if paused { PAUSED } else { 0 }, "{promise}: state and tally");
        paused
    }
}

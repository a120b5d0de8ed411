//! One budget per period: what was taken in a period settles into it, however late.

use super::arena::Arena;
use super::bound::Bound;
use super::cell::Cell;
use super::meter::Meter;
use super::tally::{Tally, Word};
use crate::sync::Mutex;

/// The budget of one period.
#[derive(Debug)]
pub(crate) struct Window {
    period: u64,
    /// The limit that the tally's remainder counts from.
    limit: Bound,
    pub(crate) tally: Tally,
    pub(crate) committed: Meter,
}

impl Window {
    fn new(period: u64, limit: u64) -> Self {
        Self { period, limit: Bound::new(limit), tally: Tally::new(limit), committed: Meter::new() }
    }

    /// The limit and the word that counts from it, of one version (L1).
    pub(crate) fn read(&self) -> (u64, Word) {
        self.limit.read(&self.tally)
    }

    /// What is committed and what is held, as it was at one moment: committed only grows, so if it is the same before and
    /// after, it was so when *used* was read (S1).
    pub(crate) fn split(&self) -> (u64, u64) {
        loop {
            let committed = self.committed.read();
            let used = self.used();
            if self.committed.read() == committed {
                return (committed, used.saturating_sub(committed));
            }
        }
    }

    /// What is used: committed and held.
    pub(crate) fn used(&self) -> u64 {
        let (limit, word) = self.read();
        word.used(limit)
    }
}

/// The periods in which a budget was used, oldest first.
///
/// **Invariants.** The current number only grows, and so does the period it stands for: a clock that steps back stays
/// in the period that had begun. A number, once given out, means the same window for ever, so a hold that remembers its
/// number settles into the period in which it was taken and never into a later one.
#[derive(Debug)]
pub(crate) struct Windows {
    list: Arena<Window>,
    current: Cell,
    /// The limit of windows to come, under the lock that serialises their beginnings and changes.
    roll: Mutex<u64>,
}

impl Windows {
    pub(crate) fn new(period: u64, limit: u64) -> Self {
        let list = Arena::new();
        let _first: bool = list.put(0, Window::new(period, limit));
        Self { list, current: Cell::new(0), roll: Mutex::new(limit) }
    }

    /// Moves the limit of the current window, and of those to come, to `limit`; what is used stays (L1).
    pub(crate) fn relimit(&self, limit: u64) {
        let mut current = self.roll.lock();
        if let Some(window) = self.get(self.current()) {
            window.limit.change(&window.tally, limit);
        }
        *current = limit;
    }

    /// The window of that number.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&Window> {
        self.list.get(number)
    }

    /// The window of the latest period.
    pub(crate) fn latest(&self) -> Option<&Window> {
        self.get(self.current())
    }

    fn current(&self) -> u32 {
        // Acquire (in `load`): the window was complete before its number was published; partner: `enter`.
        self.current.load() as u32
    }

    /// The window for `period`: the current one, or a new one if `period` is later. A load, but for the first caller of
    /// a period.
    #[inline]
    pub(crate) fn enter(&self, period: u64) -> u32 {
        let number = self.current();
        match self.get(number) {
            Some(window) if window.period >= period => number,
            _ => self.roll(period),
        }
    }

    /// [`Windows::enter`] that changes nothing: `None` if `period` has not begun yet.
    pub(crate) fn peek(&self, period: u64) -> Option<&Window> {
        self.get(self.current()).filter(|window| window.period >= period)
    }

    /// Whether nothing was ever taken from it or recorded in it.
    pub(crate) fn is_untouched(&self) -> bool {
        self.current() == 0 && self.get(0).is_none_or(|window| window.committed.read() == 0 && window.used() == 0)
    }

    #[cold]
    fn roll(&self, period: u64) -> u32 {
        let limit = self.roll.lock();
        let number = self.current();
        if self.get(number).is_some_and(|window| window.period >= period) {
            return number;
        }
        // A number past the end of the list is out of reach: 2^31 periods of a day are millions of years.
        let next = number.saturating_add(1);
        if !self.list.put(next, Window::new(period, *limit)) {
            return number;
        }
        // Release (in `apply`): whoever loads the number finds the window; partner: `current`.
        self.current.apply(|_| (u64::from(next), ()));
        next
    }
}

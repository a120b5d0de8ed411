//! A value that is replaced now and then and read all the time, without a lock.

use super::arena::Arena;
use super::cell::Cell;

const CHANGING: u64 = 1;

/// The versions of one value, oldest first; the current one is found by its number.
///
/// ```text
/// current: 63 … 33 32            1 0
///          [ 0 … 0 ][ number, u32 ][CHANGING]
/// ```
///
/// **Invariants (L1).** Changes are serialised by the caller's own lock. While CHANGING is set, words that belong to the
/// value (the tallies of a limit) are being moved from one version to the next; [`Versions::read`] sees value and words of
/// one version, or reads again. [`Versions::get`] needs no word and takes the older of the two.
#[derive(Debug)]
pub(crate) struct Versions<T> {
    list: Arena<T>,
    current: Cell,
}

impl<T> Versions<T> {
    pub(crate) fn new(first: T) -> Self {
        let list = Arena::new();
        let _first: bool = list.put(0, first);
        Self { list, current: Cell::new(0) }
    }

    /// The current version.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire (in `load`): the version was complete before its number was published; partner: `change`.
        self.list.get((self.current.load() >> 1) as u32)
    }

    /// The version of that number; the first has number 0.
    pub(crate) fn at(&self, number: u32) -> Option<&T> {
        self.list.get(number)
    }

    /// What `look` makes of the current version and of words that change with it.
    pub(crate) fn read<R>(&self, mut look: impl FnMut(&T) -> R) -> Option<R> {
        loop {
            let before = self.current.load();
            let seen = look(self.list.get((before >> 1) as u32)?);
            // Whoever saw a word of the next version sees CHANGING, or what came after it: the mark was set before the
            // word was moved; partner: `change`.
            if before & CHANGING == 0 && self.current.load() == before {
                return Some(seen);
            }
            crate::sync::yield_now();
        }
    }

    /// Replaces the value by `next` while `move_words` moves the words that belong to it; false, and nothing changed,
    /// past 2^31 versions. Callers take turns under a lock of their own.
    pub(crate) fn change(&self, next: T, move_words: impl FnOnce()) -> bool {
        let number = (self.current.load() >> 1) as u32;
        let Some(following) = number.checked_add(1) else { return false };
        if !self.list.put(following, next) {
            return false;
        }
        // AcqRel (in `apply`): the mark is seen by whoever sees a word that is moved after it; partner: `read`.
        self.current.apply(|word| (word | CHANGING, ()));
        move_words();
        // AcqRel (in `apply`): whoever sees the new number sees the version and every moved word; partner: `read`, `get`.
        self.current.apply(|_| (u64::from(following) << 1, ()));
        true
    }
}

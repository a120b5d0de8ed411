//! A value that is replaced now and then and read all the time, without waiting for a lock.

use std::ops::Deref;

use super::arena::Arena;
use super::cell::Cell;
use crate::sync::{OnceLock, ReadGuard, RwLock};

const CHANGING: u64 = 1;
const PLACE_BITS: u32 = 32;
const NUMBER_BITS: u32 = 31;
/// Of as many versions as are kept at most: 2^4.
const KEPT_BUCKETS: usize = 5;

/// The versions of one value; the current one is found by its place.
///
/// ```text
/// current: 63    33 32         1 0
///          [number, 31][place, 32][CHANGING]
/// ```
///
/// The first `KEPT` versions stay: who reads one has a reference and no more. A value that changes more often goes on in
/// *rooms*, in which a new version takes the place of one that nobody reads: who reads one holds its room until it has
/// read. So what changes now and then is read for nothing, what changes for ever pays two exchanges a read, and there are
/// never more than `KEPT` versions, the current one, one other, and one for each reader that stands still.
///
/// **Invariants (L1).** Changes are serialised by the caller's own lock. While CHANGING is set, words that belong to the
/// value (the tallies of a limit) are being moved from one version to the next; [`Versions::read`] sees value and words of
/// one version, or reads again. [`Versions::get`] needs no word and takes the older of the two. The room of the current
/// version is never written to, and no room is while somebody holds it; a version is in its room before it is published.
#[derive(Debug)]
pub(crate) struct Versions<T, const KEPT: u32 = 16> {
    kept: Arena<T, KEPT_BUCKETS>,
    /// Made by the first version that needs one.
    rooms: OnceLock<Box<Arena<RwLock<T>>>>,
    current: Cell,
}

/// One version, which stays what it is as long as this is there.
#[derive(Debug)]
pub(crate) enum Version<'a, T> {
    Kept(&'a T),
    Held(ReadGuard<'a, T>),
}

impl<T> Deref for Version<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Self::Kept(version) => version,
            Self::Held(room) => room,
        }
    }
}

const fn place(word: u64) -> u32 {
    // Cut to its 32 bits.
    (word >> 1) as u32
}

impl<T, const KEPT: u32> Versions<T, KEPT> {
    pub(crate) fn new(first: T) -> Self {
        let kept = Arena::new();
        let _first: bool = kept.put(0, first);
        Self { kept, rooms: OnceLock::new(), current: Cell::new(0) }
    }

    /// The current version.
    #[inline]
    pub(crate) fn get(&self) -> Option<Version<'_, T>> {
        // Acquire (in `load`): the version was complete before its place was published; partner: `change`.
        let word = self.current.load();
        if place(word) < KEPT { self.kept.get(place(word)).map(Version::Kept) } else { self.held(word) }
    }

    #[cold]
    fn held(&self, mut word: u64) -> Option<Version<'_, T>> {
        let rooms = self.rooms.get()?;
        loop {
            if let Some(room) = rooms.get(place(word) - KEPT)?.try_read() {
                // Whoever holds a room with a later version has acquired, with the room, that the current version had moved
                // on before it was written: then this load sees that; partner: `change`.
                let again = self.current.load();
                if again >> 1 == word >> 1 {
                    return Some(Version::Held(room));
                }
                word = again;
            } else {
                // The room is being written to, so it is not the current one's any more.
                crate::sync::yield_now();
                word = self.current.load();
            }
        }
    }

    /// The current version, where it is one that stays.
    #[inline]
    pub(crate) fn kept(&self) -> Option<&T> {
        // Acquire (in `load`), as in `get`.
        self.kept.get(place(self.current.load()))
    }

    /// What `look` makes of the current version and of words that change with it.
    pub(crate) fn read<R>(&self, mut look: impl FnMut(&T) -> R) -> Option<R> {
        loop {
            let before = self.current.load();
            let seen = look(&*self.get()?);
            // Whoever saw a word of the next version sees CHANGING, or what came after it: the mark was set before the
            // word was moved; whoever got the next version acquired its number; partner: `change`.
            if before & CHANGING == 0 && self.current.load() == before {
                return Some(seen);
            }
            crate::sync::yield_now();
        }
    }

    /// Replaces the value by `next` while `move_words` moves the words that belong to it. Callers take turns under a lock
    /// of their own.
    pub(crate) fn change(&self, next: T, move_words: impl FnOnce()) {
        let word = self.current.load();
        let number = (word >> (PLACE_BITS + 1)).wrapping_add(1) & ((1 << NUMBER_BITS) - 1);
        let Some(place) = self.enter(place(word), next) else { return };
        // AcqRel (in `apply`): the mark is seen by whoever sees a word that is moved after it; partner: `read`.
        self.current.apply(|word| (word | CHANGING, ()));
        move_words();
        let published = number << (PLACE_BITS + 1) | u64::from(place) << 1;
        // AcqRel (in `apply`): whoever sees the new number sees the version and every moved word; partner: `read`, `get`.
        self.current.apply(|_| (published, ()));
    }

    /// Puts `next` where nobody reads: the place. There always is one, since there are fewer readers than places.
    fn enter(&self, current: u32, next: T) -> Option<u32> {
        if current.saturating_add(1) < KEPT {
            return self.kept.put(current + 1, next).then_some(current + 1);
        }
        let rooms = self.rooms.get_or_init(|| Box::new(Arena::new()));
        for (number, place) in (0..).zip(KEPT..u32::MAX) {
            let Some(room) = rooms.get(number) else {
                return rooms.put(number, RwLock::new(next)).then_some(place);
            };
            if place == current {
                continue;
            }
            if let Some(mut room) = room.try_write() {
                let before = std::mem::replace(&mut *room, next);
                drop(room);
                drop(before);
                return Some(place);
            }
        }
        None
    }
}

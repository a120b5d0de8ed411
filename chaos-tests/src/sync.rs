//! The surface of the core's `sync`, disturbed. Whatever the core names there has to be here with the same signature.

use std::hash::{Hash, Hasher};

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::sync::{Arc, OnceLock, Weak};
pub(crate) use std::task::Waker;
pub(crate) use std::thread::yield_now;

use crate::chance::{fails, interrupt};

/// The atomic word: what of it the kernel uses, and no more.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "this is the one place that may name it")]
pub(crate) struct AtomicU64(std::sync::atomic::AtomicU64);

#[expect(clippy::disallowed_types, reason = "this is the one place that may name it")]
impl AtomicU64 {
    pub(crate) const fn new(word: u64) -> Self {
        Self(std::sync::atomic::AtomicU64::new(word))
    }

    #[inline]
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        interrupt();
        self.0.load(order)
    }

    #[inline]
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        interrupt();
        // What a weak exchange may do on its own account: nothing, and tell what is there.
        if fails() { Err(self.0.load(failure)) } else { self.0.compare_exchange_weak(current, new, success, failure) }
    }
}

/// A lock that does not poison: a panic of one caller never turns into a refusal for the others.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> parking_lot::MutexGuard<'_, T> {
        interrupt();
        self.0.lock()
    }
}

/// A lock that is taken by who finds it free: nobody ever waits for it.
#[derive(Debug)]
pub(crate) struct RwLock<T>(parking_lot::RwLock<T>);

/// Holds a [`RwLock`] with other readers.
pub(crate) type ReadGuard<'a, T> = parking_lot::RwLockReadGuard<'a, T>;

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::RwLock::new(value))
    }

    pub(crate) fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        interrupt();
        self.0.try_read()
    }

    pub(crate) fn try_write(&self) -> Option<parking_lot::RwLockWriteGuard<'_, T>> {
        interrupt();
        self.0.try_write()
    }
}

/// A small number of the calling thread: always the same, and another than that of most others.
#[inline]
#[expect(clippy::disallowed_types, reason = "this is the one place that may name it")]
pub(crate) fn lane() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local! {
        // Relaxed: each thread gets a number of its own by the addition alone; nothing else is ordered by it, and no
        // promise hangs on it.
        static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is coming to its end has none any more.
    LANE.try_with(|lane| *lane).unwrap_or(0)
}

/// What a [`Map`] stores: a cheap clone that carries its own key.
pub(crate) trait Keyed: Clone {
    /// The bytes under which the entry is found; they never change.
    fn key(&self) -> &[u8];
}

/// What became of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The value is in the map.
    Done,
    /// Its key is taken by another.
    Taken,
    /// It was not admitted.
    Refused,
}

/// One entry, hashed and compared by its key alone.
struct Entry<V>(V);

impl<V: Keyed> Hash for Entry<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl<V: Keyed> PartialEq for Entry<V> {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl<V: Keyed> Eq for Entry<V> {}

impl<V: Keyed> std::borrow::Borrow<[u8]> for Entry<V> {
    fn borrow(&self) -> &[u8] {
        self.0.key()
    }
}

/// A concurrent map from id to entry whose guards never leave it: look-ups hand out clones.
///
/// The hasher is keyed at random per map, because ids come from strangers.
#[expect(clippy::disallowed_types, reason = "this is the one place that may name it")]
pub(crate) struct Map<V: Keyed>(dashmap::DashMap<Entry<V>, (), ahash::RandomState>);

/// As few as there may be, so that keys meet.
const SHARDS: usize = 2;

#[expect(clippy::disallowed_types, reason = "this is the one place that may name it")]
impl<V: Keyed> Map<V> {
    pub(crate) fn new() -> Self {
        Self(dashmap::DashMap::with_capacity_and_hasher_and_shard_amount(0, ahash::RandomState::new(), SHARDS))
    }

    /// A clone of the entry under `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<V> {
        interrupt();
        self.0.get(key).map(|entry| entry.key().0.clone())
    }

    /// Inserts `value` unless its key is taken or `admit` refuses. `admit` is asked only if the key is free, under the
    /// shard's lock; it must be exchanges and no more.
    pub(crate) fn insert_if(&self, value: V, admit: impl FnOnce() -> bool) -> Inserted {
        interrupt();
        match self.0.entry(Entry(value)) {
            dashmap::Entry::Occupied(_) => Inserted::Taken,
            dashmap::Entry::Vacant(_) if !admit() => Inserted::Refused,
            dashmap::Entry::Vacant(vacant) => {
                vacant.insert(());
                Inserted::Done
            }
        }
    }

    /// Removes the entry under `key` if `doomed` says so of it; `doomed` runs under the shard's lock and must be pure.
    pub(crate) fn remove_if(&self, key: &[u8], doomed: impl FnOnce(&V) -> bool) -> Option<V> {
        interrupt();
        self.0.remove_if(key, |entry, ()| doomed(&entry.0)).map(|(entry, ())| entry.0)
    }

    /// Clones of all entries, shard by shard: an entry that comes or goes meanwhile may be in it or not.
    pub(crate) fn entries(&self) -> Vec<V> {
        interrupt();
        self.0.iter().map(|entry| entry.key().0.clone()).collect()
    }
}

impl<V: Keyed> std::fmt::Debug for Map<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map").finish_non_exhaustive()
    }
}

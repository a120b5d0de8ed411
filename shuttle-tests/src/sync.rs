//! The surface of the core's `sync`, over the scheduler. Whatever the core names there has to be here with the same
//! signature.
//!
//! Every load, exchange, lock and look-up is a point at which another thread may go on. Orderings are not modelled: a load
//! reads the latest value. That is what the models are for.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use shuttle::rand::Rng;

pub(crate) use shuttle::sync::atomic::Ordering;
pub(crate) use shuttle::sync::{Arc, Weak};
pub(crate) use shuttle::thread::yield_now;
pub(crate) use std::task::Waker;

/// How many exchanges there are to one that fails for no reason.
const WEAK: u32 = 8;

#[derive(Debug)]
pub(crate) struct AtomicU64(shuttle::sync::atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) const fn new(word: u64) -> Self {
        Self(shuttle::sync::atomic::AtomicU64::new(word))
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        if shuttle::rand::thread_rng().gen_ratio(1, WEAK) {
            return Err(self.0.load(failure));
        }
        self.0.compare_exchange(current, new, success, failure)
    }
}

/// Padding changes no order.
#[derive(Debug, Default)]
pub(crate) struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A lock that does not poison.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock that is taken by who finds it free.
#[derive(Debug)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

pub(crate) type ReadGuard<'a, T> = shuttle::sync::RwLockReadGuard<'a, T>;

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }

    pub(crate) fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.0.try_read().ok()
    }

    pub(crate) fn try_write(&self) -> Option<shuttle::sync::RwLockWriteGuard<'_, T>> {
        self.0.try_write().ok()
    }
}

/// Initialised once. The real one would have everyone wait for who initialises, and here there is one real thread: so the
/// turns are the scheduler's.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    turn: Mutex<()>,
}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), turn: Mutex::new(()) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let _turn = self.turn.lock();
        self.value.set(value)
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.value.get() {
            return value;
        }
        let _turn = self.turn.lock();
        let made = self.value.get().is_none().then(make);
        self.value.get_or_init(|| made.expect("nobody else has the turn"))
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        Self { value: std::sync::OnceLock::from(value), turn: Mutex::new(()) }
    }
}

/// A small number of the calling thread: always the same, and another than that of most others.
pub(crate) fn lane() -> usize {
    shuttle::current::me().into()
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

/// One lock around an ordered map. Guards never leave it.
pub(crate) struct Map<V: Keyed>(Mutex<BTreeMap<Vec<u8>, V>>);

impl<V: Keyed> Map<V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<V> {
        self.0.lock().get(key).cloned()
    }

    pub(crate) fn insert_if(&self, value: V, admit: impl FnOnce() -> bool) -> Inserted {
        let mut entries = self.0.lock();
        if entries.contains_key(value.key()) {
            return Inserted::Taken;
        }
        if !admit() {
            return Inserted::Refused;
        }
        drop(entries.insert(value.key().to_vec(), value));
        Inserted::Done
    }

    pub(crate) fn remove_if(&self, key: &[u8], doomed: impl FnOnce(&V) -> bool) -> Option<V> {
        let mut entries = self.0.lock();
        if entries.get(key).is_some_and(doomed) { entries.remove(key) } else { None }
    }

    pub(crate) fn entries(&self) -> Vec<V> {
        self.0.lock().values().cloned().collect()
    }
}

impl<V: Keyed> std::fmt::Debug for Map<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map").finish_non_exhaustive()
    }
}

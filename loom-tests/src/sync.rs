//! The surface of the core's `sync`, over loom.
//!
//! Whatever the kernel names there has to be here with the same signature: a kernel file that needs more does not
//! compile in this crate, so the two cannot drift apart unnoticed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::PoisonError;

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic::Ordering;
pub(crate) use loom::thread::yield_now;
/// Not modelled: an initialisation runs under its caller's own lock, so it never blocks the model's only thread.
pub(crate) use std::sync::OnceLock;
pub(crate) use std::task::Waker;

thread_local! {
    static LOADS: Cell<Loads> = const { Cell::new(Loads::Latest) };
}

/// What a load does in the model. Both are explored, one after the other, because neither shows everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loads {
    /// A load is an exchange that changes nothing: it reads the latest value, and **every order** is explored. The
    /// explorer remembers only the last access of a word, so a thread's own plain load hides the earlier one of another
    /// thread from the exchange that follows, and orders get lost: of the seven of a take that is refused beside a
    /// `give` and a `take` it would visit one.
    Latest,
    /// A load is a load: it may read **any value that the memory orderings allow**, but not every order is visited.
    Stale,
}

impl Loads {
    /// Sets what loads do in the models that this thread explores.
    pub(crate) fn explore(self) {
        LOADS.set(self);
    }
}

/// The modelled word.
#[derive(Debug)]
pub(crate) struct AtomicU64(loom::sync::atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self(loom::sync::atomic::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        match LOADS.get() {
            Loads::Latest => self.0.fetch_add(0, order),
            Loads::Stale => self.0.load(order),
        }
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.0.compare_exchange_weak(current, new, success, failure)
    }

    /// The rest is for the broken twins: the kernel changes a word in no other way than the one above.
    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.0.swap(value, order)
    }

    pub(crate) fn fetch_add(&self, amount: u64, order: Ordering) -> u64 {
        self.0.fetch_add(amount, order)
    }

    pub(crate) fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.0.fetch_or(bits, order)
    }
}

/// Padding changes no interleaving.
#[derive(Debug, Default)]
pub(crate) struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub(crate) fn new(value: T) -> Self {
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
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// A lock that is taken by who finds it free.
#[derive(Debug)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

pub(crate) type ReadGuard<'a, T> = loom::sync::RwLockReadGuard<'a, T>;

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    pub(crate) fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.0.try_read().ok()
    }

    pub(crate) fn try_write(&self) -> Option<loom::sync::RwLockWriteGuard<'_, T>> {
        self.0.try_write().ok()
    }
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

/// One modelled lock around an ordered map: a shard, as far as the kernel can tell. Guards never leave it.
#[derive(Debug)]
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
        let _none: Option<V> = entries.insert(value.key().to_vec(), value);
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

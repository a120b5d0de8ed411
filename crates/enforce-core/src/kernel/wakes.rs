//! Whom to wake once no lock is held.

use std::collections::VecDeque;

use super::cell::Cell;
use crate::sync::{Mutex, Waker};

/// Wakers that were found under a lock and are called behind it: a waker is somebody else's code.
///
/// **Invariant (W1).** Who puts one here calls [`Wakes::flush`] when it holds no lock any more. Until then anybody else
/// may: a waker is called once, by whoever finds it, and none is left when the last `flush` has returned.
#[derive(Debug)]
pub(crate) struct Wakes {
    list: Mutex<VecDeque<Waker>>,
    /// How many there are. Changes under the lock.
    pending: Cell,
}

impl Wakes {
    pub(crate) fn new() -> Self {
        Self { list: Mutex::new(VecDeque::new()), pending: Cell::new(0) }
    }

    /// Keeps those to be woken.
    pub(crate) fn put(&self, wakers: impl IntoIterator<Item = Waker>) {
        let mut list = self.list.lock();
        list.extend(wakers);
        self.count(&list);
    }

    /// Wakes everyone who is kept. A load where nobody is. No lock may be held.
    #[inline]
    pub(crate) fn flush(&self) {
        // Acquire (in `load`): who has put one here itself sees it, or that another has taken it since (W1).
        if self.pending.load() > 0 {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        // One at a time: if one panics, the others are still there.
        while let Some(waker) = self.take() {
            waker.wake();
        }
    }

    fn take(&self) -> Option<Waker> {
        let mut list = self.list.lock();
        let waker = list.pop_front();
        self.count(&list);
        waker
    }

    fn count(&self, list: &VecDeque<Waker>) {
        self.pending.apply(|_| (list.len() as u64, ()));
    }
}

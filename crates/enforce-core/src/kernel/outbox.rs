//! What has happened and is to be told once no lock is held.

use std::collections::VecDeque;

use super::cell::Cell;
use crate::sync::Mutex;

/// Items that are noted under locks and told behind them: whoever is told runs code of its own.
///
/// **Invariants (V1).** An item gets its number and its place in one step, so the list is in the order of the numbers,
/// which begin at 1 and leave none out. One caller tells at a time, so items are told in that order, each once. Who notes
/// one calls [`Outbox::tell`] when it holds no lock any more: it tells the item itself, or another is telling and has yet
/// to find the list empty. What finds the list full is dropped, and its number is missing in what is told.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    list: Mutex<List<T>>,
    /// How many items there are. Changes under the lock.
    pending: Cell,
    cap: u64,
}

#[derive(Debug)]
struct List<T> {
    items: VecDeque<(u64, T)>,
    /// The last number that was given.
    numbered: u64,
    dropped: u64,
    /// Somebody tells.
    telling: bool,
}

impl<T> Outbox<T> {
    /// At most `cap` items wait.
    pub(crate) fn new(cap: u64) -> Self {
        let list = List { items: VecDeque::new(), numbered: 0, dropped: 0, telling: false };
        Self { list: Mutex::new(list), pending: Cell::new(0), cap }
    }

    /// Notes an item: its number.
    pub(crate) fn note(&self, item: T) -> u64 {
        let mut list = self.list.lock();
        list.numbered = list.numbered.saturating_add(1);
        let number = list.numbered;
        if (list.items.len() as u64) < self.cap {
            list.items.push_back((number, item));
            self.count(&list);
        } else {
            list.dropped = list.dropped.saturating_add(1);
        }
        number
    }

    /// Tells everything that waits to `hear`, unless somebody else is about to. A load where nothing waits. No lock may be
    /// held. If `hear` panics, what is left is told by the next call.
    #[inline]
    pub(crate) fn tell(&self, hear: impl FnMut(u64, T)) {
        // Acquire (in `load`): who has noted an item itself sees it, or that another has taken it since (V1).
        if self.pending.load() > 0 {
            self.tell_all(hear);
        }
    }

    #[cold]
    fn tell_all(&self, mut hear: impl FnMut(u64, T)) {
        let Some(mut turn) = self.begin() else { return };
        while let Some((number, item)) = turn.next() {
            hear(number, item);
        }
    }

    fn begin(&self) -> Option<Turn<'_, T>> {
        let mut list = self.list.lock();
        let begun = !std::mem::replace(&mut list.telling, true);
        begun.then(|| Turn { outbox: self, over: false })
    }

    /// Counts an item that was told to nobody.
    pub(crate) fn lose(&self) {
        let mut list = self.list.lock();
        list.dropped = list.dropped.saturating_add(1);
    }

    /// How many items were told to nobody.
    pub(crate) fn dropped(&self) -> u64 {
        self.list.lock().dropped
    }

    fn count(&self, list: &List<T>) {
        self.pending.apply(|_| (list.items.len() as u64, ()));
    }
}

/// The turn of whoever tells.
struct Turn<'a, T> {
    outbox: &'a Outbox<T>,
    over: bool,
}

impl<T> Turn<'_, T> {
    /// The next item. Where there is none the turn ends, under the lock under which there was none: who notes one later
    /// finds that nobody tells (V1).
    fn next(&mut self) -> Option<(u64, T)> {
        let mut list = self.outbox.list.lock();
        let item = list.items.pop_front();
        self.outbox.count(&list);
        if item.is_none() {
            list.telling = false;
            self.over = true;
        }
        item
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        if !self.over {
            self.outbox.list.lock().telling = false;
        }
    }
}

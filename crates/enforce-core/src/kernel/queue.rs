//! Who waits for room, in which order, and who is told.

use std::collections::BTreeMap;

use super::cell::Cell;
use crate::sync::{Arc, Mutex, OnceLock, Waker};

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug, Default)]
struct Line {
    /// In the order in which they came.
    waiters: BTreeMap<Ticket, Waiter>,
    tickets: u64,
    /// How many wait for each of the words of the scope.
    wanted: [u64; WORDS],
}

#[derive(Debug)]
struct Waiter {
    /// Whom to wake; `None` while it is awake.
    waker: Option<Waker>,
    /// The words that it waits for, by their bits.
    wants: u8,
}

/// A scope has so many words that can be waited for at most.
const WORDS: usize = u8::BITS as usize;

impl Line {
    /// One of so many more waits for these words.
    fn add(&mut self, wants: u8) {
        let counts = self.wanted.iter_mut().enumerate().filter(|(bit, _)| wants >> bit & 1 == 1);
        counts.for_each(|(_, count)| *count = count.saturating_add(1));
    }

    /// One less; for which of them nobody waits any more.
    fn subtract(&mut self, wants: u8) -> u8 {
        let counts = self.wanted.iter_mut().enumerate().filter(|(bit, _)| wants >> bit & 1 == 1);
        counts.fold(0, |gone, (bit, count)| {
            *count = count.saturating_sub(1);
            if *count == 0 { gone | 1 << bit } else { gone }
        })
    }

    fn all_wanted(&self) -> u64 {
        let wanted = self.wanted.iter().enumerate().filter(|(_, count)| **count > 0);
        wanted.fold(0, |all, (bit, _)| all | 1 << bit)
    }
}

/// What came of a look by who stands in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn<T> {
    /// It is not the first, and has not looked.
    Behind,
    /// It has looked.
    Looked(T),
}

/// What a look for room has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// It goes on waiting in this line.
    Nothing(T),
    /// It does not.
    Something(T),
}

/// The line of those who wait for one scope.
///
/// **Room is not handed over: the first in line is woken and takes it.** It may pass the mark that its line has set on the
/// words of the scope, and nobody else may, so what is freed stays there for it.
///
/// **Invariants.**
/// - Nobody is woken under the lock, and no user's code runs under it: callers get the wakers and call them.
/// - **No lost wake-up (W1):** who joins sets its marks under the lock and looks at the words only then. So who frees
///   room before a mark is seen by that look, and who frees it after the mark meets it in the very exchange that frees,
///   and wakes the first. The marks leave only with the last who waits, under the lock.
/// - Who leaves first wakes whoever is first then (W1): a waiter that is dropped takes no wake-up with it, and one that
///   was served passes on what it left.
/// - **In order (F1):** only the first in line looks for room, and it stays first until it leaves.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    /// How many wait. Changes under the lock.
    waiting: Cell,
    /// The words that somebody waits for, by their bits. Changes under the lock.
    wanted: Cell,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { line: Mutex::new(Line::default()), waiting: Cell::new(0), wanted: Cell::new(0) }
    }

    /// Stands behind everyone who waits, for the words of these bits; `mark` makes it known.
    pub(crate) fn join(&self, waker: Waker, wants: u8, mark: impl FnOnce()) -> Ticket {
        let mut line = self.line.lock();
        let ticket = Ticket(line.tickets);
        line.tickets = line.tickets.saturating_add(1);
        line.waiters.insert(ticket, Waiter { waker: Some(waker), wants });
        line.add(wants);
        // AcqRel (in `apply`), before the look for room: who asks later sees that somebody waits (F1); partner:
        // `is_empty`. Who frees room behind a lock sees it there (W1).
        self.waiting.apply(|waiting| (waiting.saturating_add(1), ()));
        self.wanted.apply(|_| (line.all_wanted(), ()));
        mark();
        ticket
    }

    /// Waits for the words of these bits as well; what it marks of them stays marked until it leaves.
    pub(crate) fn want(&self, ticket: Ticket, wants: u8) {
        let mut line = self.line.lock();
        let Some(waiter) = line.waiters.get_mut(&ticket) else { return };
        let new = wants & !waiter.wants;
        waiter.wants |= new;
        line.add(new);
        // As in `join`.
        self.wanted.apply(|_| (line.all_wanted(), ()));
    }

    /// Whether somebody waits for the word of that bit.
    #[inline]
    pub(crate) fn wants(&self, bit: u8) -> bool {
        // Acquire (in `load`), as in `is_empty`; partner: `join`, `want` (F1).
        self.wanted.load() & u64::from(bit) != 0
    }

    /// Says whom to wake from now on; whether it is the first in line.
    pub(crate) fn stand(&self, ticket: Ticket, waker: Waker) -> bool {
        let mut line = self.line.lock();
        let before = line.waiters.get_mut(&ticket).map(|place| place.waker.replace(waker));
        let first = line.waiters.first_key_value().is_some_and(|(first, _)| *first == ticket);
        drop(line);
        // A user's code, so behind the lock.
        drop(before);
        first
    }

    /// One turn of who stands in line: the first looks for room, and nobody else does. `mark` bars the words that it waits
    /// for, and says whether one of them was not yet.
    pub(crate) fn turn<T>(
        &self,
        ticket: Ticket,
        waker: Waker,
        mark: impl Fn() -> bool,
        mut look: impl FnMut() -> Found<T>,
    ) -> Turn<T> {
        // The waker first: who frees room behind the look calls it (W1).
        if !self.stand(ticket, waker) {
            return Turn::Behind;
        }
        mark();
        loop {
            match look() {
                Found::Something(found) => return Turn::Looked(found),
                // It sleeps only on words that bore the mark when it looked (W1).
                Found::Nothing(found) if !mark() => return Turn::Looked(found),
                Found::Nothing(_) => {}
            }
        }
    }

    /// Leaves; whom to wake now. `unmark` takes the marks away from the words for which nobody waits any more, by their
    /// bits; from all of them if nobody is left.
    #[must_use = "whoever is first now has to be woken"]
    pub(crate) fn leave(&self, ticket: Ticket, unmark: impl FnOnce(u8)) -> Option<Waker> {
        let mut line = self.line.lock();
        let left = self.remove(&mut line, ticket);
        let gone = left.as_ref().map_or(0, |left| line.subtract(left.wants));
        self.wanted.apply(|_| (line.all_wanted(), ()));
        let next = match line.waiters.first_entry() {
            Some(mut first) if *first.key() > ticket => first.get_mut().waker.take(),
            Some(_) | None => None,
        };
        unmark(if line.waiters.is_empty() { u8::MAX } else { gone });
        drop(line);
        // A user's code, so behind the lock.
        drop(left);
        next
    }

    /// Leaves a list in which nobody is first, and nobody's waker goes with it (W1): all of them wait for the same.
    pub(crate) fn quit(&self, ticket: Ticket) {
        let mut line = self.line.lock();
        let left = self.remove(&mut line, ticket);
        drop(line);
        drop(left);
    }

    fn remove(&self, line: &mut Line, ticket: Ticket) -> Option<Waiter> {
        let left = line.waiters.remove(&ticket);
        if left.is_some() {
            self.waiting.apply(|waiting| (waiting.saturating_sub(1), ()));
        }
        left
    }

    /// Takes a mark away that was left behind: on a word that was not yet, or no longer, one of the scope's.
    pub(crate) fn unmark_unless_wanted(&self, bit: u8, unmark: impl FnOnce()) {
        let line = self.line.lock();
        if line.all_wanted() & u64::from(bit) == 0 {
            unmark();
        }
    }

    /// Whom to wake because there may be room.
    #[must_use = "whoever is first has to be woken"]
    pub(crate) fn first(&self) -> Option<Waker> {
        self.line.lock().waiters.first_entry().and_then(|mut first| first.get_mut().waker.take())
    }

    /// Whom to wake because everything may be different.
    #[must_use = "they have to be woken"]
    pub(crate) fn everyone(&self) -> Vec<Waker> {
        self.line.lock().waiters.values_mut().filter_map(|waiter| waiter.waker.take()).collect()
    }

    /// Runs `free`, which frees room that bears no mark; whom to wake if it says that it did.
    #[must_use = "whoever is first has to be woken"]
    pub(crate) fn freeing(&self, free: impl FnOnce() -> bool) -> Option<Waker> {
        // Under the lock: who joined before is seen here, and who joins later sees what was freed (W1).
        let mut line = self.line.lock();
        if free() { line.waiters.first_entry().and_then(|mut first| first.get_mut().waker.take()) } else { None }
    }

    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire (in `load`): who was told that somebody waits sees it; partner: `join` (F1). A look decides nothing
        // about room.
        self.waiting.load() == 0
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u64 {
        self.waiting.load()
    }
}

/// A queue that is made when somebody first needs it: most scopes that strangers share never see anybody wait.
///
/// **Invariant:** it is made once, so whoever joins, frees or takes it over means the same queue.
#[derive(Debug)]
pub(crate) struct OnceQueue(OnceLock<Arc<Queue>>);

impl OnceQueue {
    pub(crate) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// One that goes on with `queue`.
    pub(crate) fn of(queue: Arc<Queue>) -> Self {
        Self(OnceLock::from(queue))
    }

    /// The queue, made if need be.
    pub(crate) fn queue(&self) -> &Arc<Queue> {
        self.0.get_or_init(|| Arc::new(Queue::new()))
    }

    /// Whether it is that one.
    pub(crate) fn is(&self, queue: &Arc<Queue>) -> bool {
        self.0.get().is_some_and(|own| Arc::ptr_eq(own, queue))
    }

    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Who was told that somebody waits sees the queue that it joined, and then that it is not empty (F1).
        self.0.get().is_none_or(|queue| queue.is_empty())
    }
}

//! Several budgets of one scope, each with periods of its own: what was taken in a period settles into it, however late.

use super::arena::Arena;
use super::cell::Cell;
use super::window::{NEVER_ENDS, Window};
use crate::sync::Mutex;

/// One budget, as far as its windows are concerned.
pub(crate) trait Term: Clone {
    /// Whether both count the same in the same periods, whatever their limits.
    fn is(&self, other: &Self) -> bool;
    /// How much there is in each period.
    fn limit(&self) -> u64;
    /// When the period ends in which `now` lies.
    fn ends(&self, now: u64) -> u64;
}

/// The windows that are current together.
#[derive(Debug)]
struct Epoch {
    /// When the first of them ends.
    ends: u64,
    /// The number of the list of budgets.
    plan: u32,
    /// The number of each budget's window, in the order of the list.
    windows: Box<[u32]>,
}

impl Epoch {
    #[inline]
    fn is_over(&self, now: u64) -> bool {
        now >= self.ends && self.ends != NEVER_ENDS
    }
}

/// The epochs of one scope, oldest first.
///
/// An epoch is a set of windows, one for each budget. A new one begins when the period of any budget is over, or when the
/// list of budgets is another; windows that go on are shared by both. So one number says in which period of every budget
/// something was taken, however many there are.
///
/// **Invariants.** The current number only grows. A number, once given out, means the same windows for ever, so a hold
/// that remembers its number settles into the periods in which it was taken and never into later ones (C1). The window
/// of a period that has not ended is the same in every later epoch that has its budget, so nothing is carried from one to
/// another. A clock that steps back stays in the epoch that had begun. Nothing is ever freed.
#[derive(Debug)]
pub(crate) struct Epochs<T> {
    epochs: Arena<Epoch>,
    windows: Arena<Window>,
    plans: Arena<Box<[T]>>,
    current: Cell,
    /// Serialises the beginnings of epochs.
    roll: Mutex<Roll<T>>,
}

/// What is needed to begin an epoch.
#[derive(Debug)]
struct Roll<T> {
    /// How many windows there are.
    windows: u32,
    /// How many lists of budgets there are.
    plans: u32,
    /// Budgets that limit no more, with their windows: should they come back, what is used of them has stayed.
    shelf: Vec<(T, u32)>,
}

impl<T: Term> Epochs<T> {
    pub(crate) fn new(plan: impl IntoIterator<Item = T>, now: u64) -> Self {
        let epochs = Self {
            epochs: Arena::new(),
            windows: Arena::new(),
            plans: Arena::new(),
            current: Cell::new(0),
            roll: Mutex::new(Roll { windows: 0, plans: 0, shelf: Vec::new() }),
        };
        epochs.replace(plan, now);
        epochs
    }

    /// The number of the current epoch.
    #[inline]
    pub(crate) fn current(&self) -> u32 {
        // Acquire (in `load`): the epoch was complete before its number was published; partner: `publish`.
        self.current.load() as u32
    }

    /// The epoch for `now`: the current one, or a new one if a period of it is over. A load, but for the first caller of a
    /// period.
    #[inline]
    pub(crate) fn enter(&self, now: u64) -> u32 {
        let number = self.current();
        match self.epochs.get(number) {
            Some(epoch) if !epoch.is_over(now) => number,
            _ => self.roll(now),
        }
    }

    /// Whether a period of the current epoch ends some time.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.epochs.get(self.current()).is_some_and(|epoch| epoch.ends != NEVER_ENDS)
    }

    /// The budgets of the epoch of that number, in the order of their list, each with its window.
    #[inline]
    pub(crate) fn of(&self, number: u32) -> impl Iterator<Item = (&T, &Window)> + Clone {
        let epoch = self.epochs.get(number);
        let plan = epoch.and_then(|epoch| self.plans.get(epoch.plan)).map_or(&[][..], |plan| plan);
        let windows = epoch.map_or(&[][..], |epoch| &epoch.windows);
        plan.iter().zip(windows).filter_map(|(term, window)| Some((term, self.windows.get(*window)?)))
    }

    /// What `budget` is in the current epoch, if it is part of it.
    pub(crate) fn now_of(&self, budget: &T) -> Option<&T> {
        self.of(self.current()).map(|(term, _)| term).find(|term| term.is(budget))
    }

    /// Replaces the list of budgets. One that stays keeps its window, and with it what is used (L1); so does one that
    /// comes back within its period. One that is new begins a window.
    pub(crate) fn replace(&self, plan: impl IntoIterator<Item = T>, now: u64) {
        let mut roll = self.roll.lock();
        let plan: Box<[T]> = plan.into_iter().collect();
        let current = self.current();
        // What has ended comes back to nobody.
        roll.shelf.retain(|(_, window)| self.goes_on(*window, now));
        let dropped = self.numbered(current).filter(|(term, _)| !plan.iter().any(|next| next.is(term)));
        roll.shelf.extend(dropped.map(|(term, window)| (term.clone(), window)));
        let mut kept = |term: &T| {
            let stays = self.numbered(current).find(|(before, _)| before.is(term)).map(|(_, window)| window);
            stays.or_else(|| {
                let place = roll.shelf.iter().position(|(before, _)| before.is(term))?;
                Some(roll.shelf.swap_remove(place).1)
            })
        };
        let before = plan.iter().map(&mut kept).collect();
        let number = roll.plans;
        let windows = self.windows_of(&mut roll, &plan, before, now);
        for (term, window) in plan.iter().zip(&windows) {
            if let Some(window) = self.windows.get(*window) {
                // What other epochs share moves with it: whoever takes from it finds the word changed (L1).
                window.relimit(term.limit());
            }
        }
        if self.plans.put(number, plan) {
            roll.plans = number.saturating_add(1);
            self.publish(number, windows);
        }
    }

    /// The budgets of the epoch of that number, each with the number of its window.
    fn numbered(&self, number: u32) -> impl Iterator<Item = (&T, u32)> {
        let epoch = self.epochs.get(number);
        let plan = epoch.and_then(|epoch| self.plans.get(epoch.plan)).map_or(&[][..], |plan| plan);
        plan.iter().zip(epoch.map_or(&[][..], |epoch| &epoch.windows)).map(|(term, window)| (term, *window))
    }

    fn goes_on(&self, window: u32, now: u64) -> bool {
        self.windows.get(window).is_some_and(|window| !window.has_ended(now))
    }

    #[cold]
    fn roll(&self, now: u64) -> u32 {
        let mut roll = self.roll.lock();
        let number = self.current();
        // Another may have been first: a period begins once.
        let Some(epoch) = self.epochs.get(number).filter(|epoch| epoch.is_over(now)) else {
            return number;
        };
        let Some(plan) = self.plans.get(epoch.plan) else { return number };
        let before = epoch.windows.iter().map(|window| Some(*window)).collect();
        let windows = self.windows_of(&mut roll, plan, before, now);
        self.publish(epoch.plan, windows)
    }

    /// The windows for `now`: those of `before` that have not ended, and new ones.
    fn windows_of(&self, roll: &mut Roll<T>, plan: &[T], before: Box<[Option<u32>]>, now: u64) -> Box<[u32]> {
        plan.iter()
            .zip(before)
            .map(|(term, before)| {
                before.filter(|window| self.goes_on(*window, now)).unwrap_or_else(|| {
                    let number = roll.windows;
                    // A number past the end of the list has no window: 2^31 hours are 245,000 years.
                    if self.windows.put(number, Window::new(term.limit(), term.ends(now))) {
                        roll.windows = number.saturating_add(1);
                    }
                    number
                })
            })
            .collect()
    }

    /// Makes the epoch of these windows the current one; under the lock.
    fn publish(&self, plan: u32, windows: Box<[u32]>) -> u32 {
        let ends = windows.iter().filter_map(|window| self.windows.get(*window)).map(Window::ends).min();
        let (number, first) = (self.current(), self.epochs.get(0).is_none());
        let next = if first { 0 } else { number.saturating_add(1) };
        if !self.epochs.put(next, Epoch { ends: ends.unwrap_or(NEVER_ENDS), plan, windows }) {
            return number;
        }
        // Release (in `apply`): whoever loads the number finds the epoch, its list and its windows; partner: `current`.
        self.current.apply(|_| (u64::from(next), ()));
        next
    }
}

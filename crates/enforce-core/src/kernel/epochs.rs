//! Several budgets of one scope, each with periods of its own: what was taken in a period settles into it, however late.

use super::arena::Arena;
use super::cell::Cell;
use super::window::{BESIDE, NEVER_ENDS, Window};
use crate::sync::{Arc, Mutex};

/// One budget, as far as its windows are concerned.
pub(crate) trait Term: Clone {
    /// Whether both count the same in the same periods, whatever their limits.
    fn is(&self, other: &Self) -> bool;
    /// Whether whoever reads the one may read the other in its place, whatever their limits.
    fn reads_as(&self, other: &Self) -> bool;
    /// How much there is in each period.
    fn limit(&self) -> u64;
    /// What belongs to its limit, in words.
    fn beside(&self) -> [u64; BESIDE];
    /// When the period ends in which `now` lies.
    fn ends(&self, now: u64) -> u64;
}

/// The windows that are current together.
#[derive(Debug)]
struct Epoch<T> {
    /// When the first of them ends.
    ends: u64,
    budgets: Listed<T>,
}

/// Budgets in the order of their list, each with its window. Of their limits the windows tell: those of the list are what
/// they were when it was made.
type Listed<T> = Box<[(T, Arc<Window>)]>;

impl<T> Epoch<T> {
    #[inline]
    fn is_over(&self, now: u64) -> bool {
        now >= self.ends && self.ends != NEVER_ENDS
    }
}

/// The epochs of one scope, oldest first.
///
/// An epoch is a set of windows, one for each budget. A new one begins when the period of any budget is over, or when the
/// list of budgets is another; windows that go on are shared by both. So one number says in which period of every budget
/// something was taken, however many there are. A change of limits begins none: it moves those of the windows. Nor does a
/// list that was there before, as long as its periods go on: its epoch is the current one again.
///
/// **Invariants.** A number, once given out, means the same windows for ever, so a hold that remembers its number settles
/// into the periods in which it was taken and never into later ones (C1). The window of a period that has not ended is the
/// same in every later epoch that has its budget, so nothing is carried from one to another. A clock that steps back stays
/// in the epoch that had begun. No epoch is ever freed: there is one for each period in which the scope was active, and
/// one for each other list of budgets within it.
#[derive(Debug)]
pub(crate) struct Epochs<T> {
    list: Arena<Epoch<T>>,
    current: Cell,
    /// Serialises the beginnings of epochs and the changes of limits.
    ledger: Mutex<Ledger<T>>,
}

/// What whoever begins an epoch needs to know.
#[derive(Debug)]
struct Ledger<T> {
    /// The number of the next one.
    next: u32,
    /// The budgets of the current one, with their limits as they are.
    plan: Box<[T]>,
    /// Those of which no period is over.
    going_on: Vec<u32>,
    /// Budgets that limit no more, with their windows: should they come back, what is used of them has stayed.
    shelf: Vec<(T, Arc<Window>)>,
}

impl<T: Term> Epochs<T> {
    pub(crate) fn new(plan: impl IntoIterator<Item = T>, now: u64) -> Self {
        let plan: Box<[T]> = plan.into_iter().collect();
        let budgets = plan.iter().map(|term| (term.clone(), begun(term, now))).collect();
        let ledger = Ledger { next: 0, plan, going_on: Vec::new(), shelf: Vec::new() };
        let epochs = Self { list: Arena::new(), current: Cell::new(0), ledger: Mutex::new(ledger) };
        epochs.publish(&mut epochs.ledger.lock(), budgets);
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
        match self.list.get(number) {
            Some(epoch) if !epoch.is_over(now) => number,
            _ => self.roll(now),
        }
    }

    /// Whether a period of the current epoch ends some time.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.list.get(self.current()).is_some_and(|epoch| epoch.ends != NEVER_ENDS)
    }

    /// The budgets of the epoch of that number, in the order of their list, each with its window.
    #[inline]
    pub(crate) fn of(&self, number: u32) -> impl Iterator<Item = (&T, &Window)> + Clone {
        self.shared(number).map(|(term, window)| (term, &**window))
    }

    #[inline]
    fn shared(&self, number: u32) -> impl Iterator<Item = (&T, &Arc<Window>)> + Clone {
        let budgets: &[_] = self.list.get(number).map_or(&[], |epoch| &epoch.budgets);
        budgets.iter().map(|(term, window)| (term, window))
    }

    /// What `budget` is in the current epoch, if it is part of it.
    pub(crate) fn now_of(&self, budget: &T) -> Option<(&T, &Window)> {
        self.of(self.current()).find(|(term, _)| term.is(budget))
    }

    /// Replaces the list of budgets. One that stays keeps its window, and with it what is used (L1); so does one that
    /// comes back within its period. One that is new begins a window.
    pub(crate) fn replace(&self, plan: impl IntoIterator<Item = T>, now: u64) {
        let mut ledger = self.ledger.lock();
        let (plan, current): (Box<[T]>, _) = (plan.into_iter().collect(), self.current());
        // What has ended comes back to nobody.
        ledger.shelf.retain(|(_, window)| !window.has_ended(now));
        ledger.going_on.retain(|number| self.list.get(*number).is_some_and(|epoch| !epoch.is_over(now)));
        let dropped = self.shared(current).filter(|(term, _)| !plan.iter().any(|next| next.is(term)));
        ledger.shelf.extend(dropped.map(|(term, window)| (term.clone(), Arc::clone(window))));
        let mut kept = |term: &T| {
            let stays = self.shared(current).find(|(before, _)| before.is(term)).map(|(_, window)| Arc::clone(window));
            stays.or_else(|| {
                let place = ledger.shelf.iter().position(|(before, _)| before.is(term))?;
                Some(ledger.shelf.swap_remove(place).1)
            })
        };
        let mut window = |term: &T| match kept(term).filter(|window| !window.has_ended(now)) {
            Some(window) => {
                // What other epochs share moves with it: whoever takes from it finds the word changed (L1).
                window.relimit(term.limit(), term.beside());
                window
            }
            None => begun(term, now),
        };
        let budgets: Listed<T> = plan.iter().map(|term| (term.clone(), window(term))).collect();
        ledger.plan = plan;
        match self.known_as(&ledger.going_on, &budgets) {
            // Release (in `apply`), as in `publish`: whoever loads the number finds the limits of its windows moved.
            Some(number) => self.current.apply(|_| (u64::from(number), ())),
            None => {
                self.publish(&mut ledger, budgets);
            }
        }
    }

    /// Which of these epochs has that list and those windows.
    fn known_as(&self, numbers: &[u32], budgets: &[(T, Arc<Window>)]) -> Option<u32> {
        let is_it = |epoch: &Epoch<T>| {
            let mut pairs = epoch.budgets.iter().zip(budgets);
            epoch.budgets.len() == budgets.len()
                && pairs.all(|((one, its), (other, others))| Arc::ptr_eq(its, others) && one.reads_as(other))
        };
        numbers.iter().rev().copied().find(|number| self.list.get(*number).is_some_and(is_it))
    }

    /// Every budget whose current period is known: those of the list, then those on the shelf; each with its window.
    pub(crate) fn known(&self) -> Vec<(T, Arc<Window>)> {
        let ledger = self.ledger.lock();
        let listed = self.shared(self.current()).map(|(term, window)| (term.clone(), Arc::clone(window)));
        listed.chain(ledger.shelf.iter().cloned()).collect()
    }

    /// Puts the windows of an earlier life in the place of those of the list, under the limits of the list; those of other
    /// budgets go on the shelf. Before anybody takes.
    pub(crate) fn recall(&self, mut known: Vec<(T, Arc<Window>)>) {
        let mut ledger = self.ledger.lock();
        let Some(epoch) = self.list.get(self.current()) else { return };
        let mut window = |term: &T, fresh: &Arc<Window>| match known.iter().position(|(before, _)| before.is(term)) {
            Some(place) => {
                let window = known.swap_remove(place).1;
                // What is used stays, as in `replace` (L1).
                window.relimit(term.limit(), term.beside());
                window
            }
            None => Arc::clone(fresh),
        };
        let listed = ledger.plan.iter().zip(&epoch.budgets);
        let budgets = listed.map(|(term, (_, fresh))| (term.clone(), window(term, fresh))).collect();
        ledger.shelf.append(&mut known);
        self.publish(&mut ledger, budgets);
    }

    /// An epoch of an earlier life, in whose windows something was set aside: its number. The current one goes on. Before
    /// anybody takes.
    pub(crate) fn past(&self, budgets: Vec<(T, Arc<Window>)>) -> u32 {
        let mut ledger = self.ledger.lock();
        let number = self.current();
        let past = self.publish(&mut ledger, budgets.into());
        // Nobody enters it: it is only looked up. Release (in `apply`), as in `publish`.
        self.current.apply(|_| (u64::from(number), ()));
        past
    }

    #[cold]
    fn roll(&self, now: u64) -> u32 {
        let mut ledger = self.ledger.lock();
        let number = self.current();
        // Another may have been first: a period begins once.
        let Some(epoch) = self.list.get(number).filter(|epoch| epoch.is_over(now)) else { return number };
        let budget = |(term, (_, window)): (&T, &(T, Arc<Window>))| {
            let window = if window.has_ended(now) { begun(term, now) } else { Arc::clone(window) };
            (term.clone(), window)
        };
        // The list is the current one, in the same order.
        let budgets = ledger.plan.iter().zip(&epoch.budgets).map(budget).collect();
        ledger.going_on.retain(|number| self.list.get(*number).is_some_and(|epoch| !epoch.is_over(now)));
        self.publish(&mut ledger, budgets)
    }

    /// Makes an epoch of these windows the current one, under the lock: its number. Past the end of the list, which is
    /// 2^31 hours or 245,000 years long, nothing begins any more.
    fn publish(&self, ledger: &mut Ledger<T>, budgets: Listed<T>) -> u32 {
        let number = ledger.next;
        let ends = budgets.iter().map(|(_, window)| window.ends()).min().unwrap_or(NEVER_ENDS);
        if !self.list.put(number, Epoch { ends, budgets }) {
            return self.current();
        }
        ledger.next = number.saturating_add(1);
        ledger.going_on.push(number);
        // Release (in `apply`): whoever loads the number finds the epoch, its list and its windows; partner: `current`.
        self.current.apply(|_| (u64::from(number), ()));
        number
    }
}

/// A new window, of the period in which `now` lies.
fn begun<T: Term>(term: &T, now: u64) -> Arc<Window> {
    Arc::new(Window::new(term.limit(), term.beside(), term.ends(now)))
}

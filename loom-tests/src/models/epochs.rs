//! Budgets by periods: C1, L1.

use crate::explore::{THREE_BOUNDED, TWO, model, twin};
use crate::kernel::cell::Cell;
use crate::kernel::epochs::{Epochs, Term};
use crate::kernel::tally::Tally;
use crate::kernel::window::{BESIDE, NEVER_ENDS, Window};
use crate::race;
use crate::sync::Mutex;

const C1: &str = "C1: what was taken in a period settles into it";
const C1_SHARED: &str = "C1: a period that goes on is one, whatever else has begun";
const L1: &str = "L1: what is used of a budget that stays stays";

/// A budget whose periods last so long, from 0 on.
#[derive(Debug, Clone)]
struct Budget {
    length: u64,
    limit: u64,
    /// Whether it is the same as before in a list that comes later.
    stays: bool,
}

/// Its first period ends at 1.
const SHORT: Budget = Budget { length: 1, limit: 6, stays: true };
/// Its period does not end.
const LONG: Budget = Budget { length: NEVER_ENDS, limit: 6, stays: true };

impl Term for Budget {
    fn is(&self, other: &Self) -> bool {
        self.stays && other.stays && self.length == other.length
    }

    fn reads_as(&self, other: &Self) -> bool {
        self.is(other)
    }

    fn limit(&self) -> u64 {
        self.limit
    }

    fn beside(&self) -> [u64; BESIDE] {
        [self.limit; BESIDE]
    }

    fn ends(&self, now: u64) -> u64 {
        (now / self.length + 1).saturating_mul(self.length)
    }
}

/// The window of the budget at `place` in the list of an epoch.
fn window(epochs: &Epochs<Budget>, number: u32, place: usize) -> &Window {
    epochs.of(number).nth(place).unwrap().1
}

/// Into which epoch a hold settles, of the one that it was taken in.
type Settling = fn(&Epochs<Budget>, u32) -> u32;

/// A hold that is taken in the first period and settles when the second may have begun, and two demands of the second.
fn settled(settling: Settling) -> impl std::fmt::Debug {
    let enter_and_take = |now: u64, epochs: &Epochs<Budget>| {
        let number = epochs.enter(now);
        window(epochs, number, 0).tally.take(2).unwrap();
        number
    };
    let settle = move |number: u32, epochs: &Epochs<Budget>| {
        let window = window(epochs, settling(epochs, number), 0);
        window.tally.settle(2, 1);
        window.committed.add(1);
        number
    };
    let (old, a, b, epochs) = race::three(
        Epochs::new([SHORT], 0),
        move |epochs: &Epochs<Budget>| settle(enter_and_take(0, epochs), epochs),
        move |epochs: &Epochs<Budget>| enter_and_take(1, epochs),
        move |epochs: &Epochs<Budget>| enter_and_take(1, epochs),
    );
    assert_eq!((a, b), (1, 1), "{C1}: a period begins once");
    let figures = [0, 1].map(|number| {
        let window = window(&epochs, number, 0);
        (window.tally.word().used(6), window.committed.read())
    });
    let expected = if old == 0 { [(1, 1), (4, 0)] } else { [(0, 0), (5, 1)] };
    assert_eq!(figures, expected, "{C1}: epoch {old}");
    assert!(epochs.of(2).next().is_none() && epochs.enter(0) == 1, "{C1}: a period that is over does not come back");
    old
}

#[test]
fn c1_a_hold_settles_into_the_period_it_was_taken_in() {
    model(C1, THREE_BOUNDED, || settled(|_, number| number));
}

#[test]
fn c1_a_hold_settles_into_the_period_it_was_taken_in_twin() {
    // Looks up the current epoch again when it settles.
    twin(C1, THREE_BOUNDED, || settled(|epochs, _| epochs.enter(0)));
}

/// Two budgets, of which the first has a period that is over at 1 and the second one that goes on.
trait TwoBudgets: Send + Sync + 'static {
    /// What both count with at 1.
    fn later(&self) -> [&Tally; 2];
    /// Where a hold settles that was taken at 0.
    fn held(&self) -> [&Tally; 2];
}

impl TwoBudgets for Epochs<Budget> {
    fn later(&self) -> [&Tally; 2] {
        let number = self.enter(1);
        [0, 1].map(|place| &window(self, number, place).tally)
    }

    fn held(&self) -> [&Tally; 2] {
        [0, 1].map(|place| &window(self, 0, place).tally)
    }
}

/// Begins every period anew, and carries over what is used of the one that goes on.
#[derive(Debug)]
struct Carrying {
    old: [Tally; 2],
    new: [Tally; 2],
    begun: Cell,
    roll: Mutex<()>,
}

impl TwoBudgets for Carrying {
    fn later(&self) -> [&Tally; 2] {
        let _turn = self.roll.lock();
        if self.begun.load() == 0 {
            let [_, long] = &self.new;
            long.settle(0, self.old[1].word().used(LONG.limit));
            self.begun.apply(|_| (1, ()));
        }
        self.new.each_ref()
    }

    fn held(&self) -> [&Tally; 2] {
        let [short, long] = &self.old;
        [short, if self.begun.load() == 0 { long } else { &self.new[1] }]
    }
}

/// A hold of the first period settles while two demands begin the second.
fn shared<S: TwoBudgets>(scope: S) -> impl std::fmt::Debug {
    for tally in scope.held() {
        tally.take(2).unwrap();
    }
    let take = |scope: &S| scope.later().map(|tally| tally.take(2).map(|word| word.remaining()).ok());
    let settle = |scope: &S| scope.held().map(|tally| tally.settle(2, 1).after.remaining());
    let (left, a, b, scope) = race::three(scope, settle, take, take);
    let used = |budgets: [&Tally; 2]| budgets.map(|tally| tally.word().used(6));
    assert_eq!(used(scope.later()), [4, 5], "{C1_SHARED}: all that was taken, and what was settled");
    assert_eq!(used(scope.held()), [1, 5], "{C1_SHARED}: the one that is over, and the one that goes on");
    (left, a, b)
}

#[test]
fn c1_a_period_that_goes_on_is_shared_by_the_epochs() {
    model(C1_SHARED, THREE_BOUNDED, || shared(Epochs::new([SHORT, LONG], 0)));
}

#[test]
fn c1_a_period_that_goes_on_is_shared_by_the_epochs_twin() {
    // Carries over what is used of it: what is settled meanwhile stays behind.
    twin(C1_SHARED, THREE_BOUNDED, || {
        let tallies = || [SHORT, LONG].map(|budget| Tally::new(budget.limit));
        shared(Carrying { old: tallies(), new: tallies(), begun: Cell::new(0), roll: Mutex::new(()) })
    });
}

/// A demand for 2 of 6, while the list is replaced by one in which there are 3, and then a demand for 2 more.
fn replaced(stays: bool) -> impl std::fmt::Debug {
    let take = |epochs: &Epochs<Budget>| {
        let number = epochs.enter(0);
        window(epochs, number, 0).tally.take(2).is_ok()
    };
    let (first, second, epochs) = race::two(Epochs::new([LONG], 0), take, move |epochs: &Epochs<Budget>| {
        epochs.replace([Budget { limit: 3, stays, ..LONG }], 0);
        take(epochs)
    });
    let (limit, _, word) = window(&epochs, epochs.current(), 0).read();
    assert!(first != second, "{L1}: 2 and 2 are not 3");
    assert_eq!((limit, word.used(limit)), (3, 2), "{L1}");
    first
}

#[test]
fn l1_a_budget_that_stays_keeps_what_is_used() {
    model(L1, TWO, || replaced(true));
}

#[test]
fn l1_a_budget_that_stays_keeps_what_is_used_twin() {
    // Begins a window for every budget of the new list.
    twin(L1, TWO, || replaced(false));
}

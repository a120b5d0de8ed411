//! Limits that change while they are used: L1, and E2 where a change meets a halt.

use super::limited::{LimitApart, Limited, Once};
use crate::explore::{THREE, THREE_BOUNDED, TWO, model, twin};
use crate::kernel::arena::Arena;
use crate::kernel::cell::Cell;
use crate::kernel::state::Lifecycle;
use crate::kernel::tally::{COUNTED, Tally};
use crate::kernel::versions::Versions;
use crate::race;

const E2: &str = "E2: no change of a limit undoes a halt";
const L1: &str = "L1: behind a change nothing is taken above the new limit, nor above what was used";
const L1_RAISE: &str = "L1: a raise is seen by the next attempt";
const L1_READ: &str = "L1: limit and used are read of one version";
const L1_END: &str = "L1: what is counted up at the end is of one version";

/// A limit of 6 falls to 3 while two others take.
fn lowered<L: Limited>() -> impl std::fmt::Debug {
    let (a, b, (then, again), tally) = race::three(
        L::new(6),
        |tally: &L| tally.take(2),
        |tally: &L| tally.take(4),
        |tally| {
            tally.relimit(6, 3);
            (tally.used(3), tally.take(1))
        },
    );
    let used = tally.used(3);
    assert!(used <= then.max(3), "{L1}: {then} used then, {used} now");
    let sum = [(a, 2), (b, 4), (again, 1)].into_iter().filter_map(|(taken, amount)| taken.then_some(amount)).sum();
    assert_eq!(used, sum, "{L1}, and used is what was taken");
    (then, a, b, again)
}

#[test]
fn l1_no_take_passes_a_limit_that_was_lowered() {
    model(L1, THREE_BOUNDED, || lowered::<Tally>());
}

#[test]
fn l1_no_take_passes_a_limit_that_was_lowered_twin() {
    twin(L1, THREE_BOUNDED, || lowered::<LimitApart>());
}

/// A limit of 3, of which 2 are used, rises to 4 while somebody takes what there was.
fn raised<L: Limited>() -> impl std::fmt::Debug {
    let tally = L::new(3);
    assert!(tally.take(2));
    let ((then, taken), other, tally) = race::two(
        tally,
        |tally: &L| {
            tally.relimit(3, 4);
            (tally.used(4), tally.take(1))
        },
        |tally| tally.take(1),
    );
    assert!(taken, "{L1_RAISE}: {then} used then");
    assert!(other, "{L1_RAISE}, and takes no room away");
    assert_eq!(tally.used(4), 4, "{L1_RAISE}, and all of it can be taken");
    then
}

#[test]
fn l1_a_raise_is_seen_by_the_next_attempt() {
    model(L1_RAISE, TWO, || raised::<Tally>());
}

#[test]
fn l1_a_raise_is_seen_by_the_next_attempt_twin() {
    // Gives up on a word that somebody else has changed meanwhile.
    twin(L1_RAISE, TWO, || raised::<Once<false>>());
}

/// A change of the limit against a halt, and somebody who takes.
fn changed<L: Limited>() -> impl std::fmt::Debug {
    let ((), (), taken, tally) =
        race::three(L::new(3), |tally: &L| tally.relimit(3, 5), |tally: &L| tally.halt(), |tally| tally.take(1));
    assert!(tally.is_halted() && !tally.take(0), "{E2}");
    assert_eq!(tally.used(5), u64::from(taken), "{E2}, and changes what is used");
    taken
}

#[test]
fn e2_no_change_of_a_limit_undoes_a_halt() {
    model(E2, THREE, || changed::<Tally>());
}

#[test]
fn e2_no_change_of_a_limit_undoes_a_halt_twin() {
    // Stores what it makes of the word that it has looked at.
    twin(E2, THREE, || changed::<Once<true>>());
}

/// A limit that is replaced together with a word that counts from it.
trait Versioned: Send + Sync + 'static {
    fn new(limit: u64) -> Self;
    /// Callers take turns.
    fn change(&self, to: u64, move_words: impl FnOnce());
    fn read<R>(&self, look: impl FnMut(&u64) -> R) -> R;
}

impl Versioned for Versions<u64> {
    fn new(limit: u64) -> Self {
        Versions::new(limit)
    }

    fn change(&self, to: u64, move_words: impl FnOnce()) {
        Versions::change(self, to, move_words);
    }

    fn read<R>(&self, look: impl FnMut(&u64) -> R) -> R {
        Versions::read(self, look).unwrap()
    }
}

/// Publishes the next version when every word has been moved, and does not say before that it moves them.
struct Unmarked {
    list: Arena<u64>,
    current: Cell,
}

impl Versioned for Unmarked {
    fn new(limit: u64) -> Self {
        let list = Arena::new();
        assert!(list.put(0, limit));
        Self { list, current: Cell::new(0) }
    }

    fn change(&self, to: u64, move_words: impl FnOnce()) {
        let next = self.current.load() + 1;
        assert!(self.list.put(next as u32, to));
        move_words();
        self.current.apply(|_| (next, ()));
    }

    fn read<R>(&self, mut look: impl FnMut(&u64) -> R) -> R {
        loop {
            let before = self.current.load();
            let seen = look(self.list.get(before as u32).unwrap());
            if self.current.load() == before {
                return seen;
            }
            crate::sync::yield_now();
        }
    }
}

/// A limit that falls, of which 2 are used, while somebody takes one more and somebody reads.
fn read<V: Versioned>() -> impl std::fmt::Debug {
    let tally = Tally::new(9);
    tally.take(2).unwrap();
    let look = |(versions, tally): &(V, Tally)| versions.read(|limit| (*limit, tally.word().used(*limit)));
    let ((), taken, (limit, used), ground) = race::three(
        (V::new(9), tally),
        |(versions, tally): &(V, Tally)| versions.change(4, || tally.relimit(9, 4)),
        |(_, tally): &(V, Tally)| tally.take(1).is_ok(),
        look,
    );
    assert!(taken, "there is room, whatever the limit");
    assert!(matches!((limit, used), (9 | 4, 2 | 3)), "{L1_READ}: {used} of {limit}");
    assert_eq!(look(&ground), (4, 3), "{L1_READ}: at rest");
    (limit, used)
}

#[test]
fn l1_limit_and_used_are_of_one_version() {
    model(L1_READ, THREE_BOUNDED, || read::<Versions<u64>>());
}

#[test]
fn l1_limit_and_used_are_of_one_version_twin() {
    twin(L1_READ, THREE_BOUNDED, || read::<Unmarked>());
}

/// A scope whose steps are counted up when it ends.
struct Counted {
    life: Lifecycle,
    versions: Versions<u64>,
    steps: Tally,
}

impl Counted {
    /// What is to be counted up.
    fn close(&self) -> u64 {
        self.steps.mark(COUNTED).used(*self.versions.get().unwrap())
    }

    fn finish(&self, below: impl FnOnce()) -> bool {
        self.life.finish(std::iter::once(&self.steps), None, below).first
    }
}

/// It ends while its limit changes and somebody takes a step.
fn counted_up(end: fn(&Counted) -> u64) -> impl std::fmt::Debug {
    let scope = Counted { life: Lifecycle::new(false), versions: Versions::new(9), steps: Tally::new(9) };
    scope.steps.take(2).unwrap();
    let (sum, (), taken, _) = race::three(
        scope,
        end,
        |scope: &Counted| {
            scope.life.hold_still(|_| scope.versions.change(4, || scope.steps.relimit(9, 4)));
        },
        |scope| scope.steps.take(1).is_ok(),
    );
    assert_eq!(sum, 2 + u64::from(taken), "{L1_END}");
    taken
}

#[test]
fn l1_what_is_counted_up_is_of_one_version() {
    model(L1_END, THREE_BOUNDED, || {
        counted_up(|scope| {
            let mut sum = 0;
            assert!(scope.finish(|| sum = scope.close()));
            sum
        })
    });
}

#[test]
fn l1_what_is_counted_up_is_of_one_version_twin() {
    // Counts up when it has let go of the lock.
    twin(L1_END, THREE_BOUNDED, || {
        counted_up(|scope| {
            assert!(scope.finish(|| ()));
            scope.close()
        })
    });
}

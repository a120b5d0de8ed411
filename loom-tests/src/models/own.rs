//! All or nothing over the words of one scope, and one that it shares, by who has looked: T1, T2, E1.

use crate::explore::{TWO, model, twin};
use crate::kernel::activity::Activity;
use crate::kernel::own::{Half, Own, Room, Shared, TALLIES};
use crate::kernel::tally::{HALTED, Tally, Word};
use crate::race;

const T1: &str = "T1: who has looked takes no more than there is";
const T2: &str = "T2: what was taken of one scope alone comes back whole";
const T2_REAPED: &str = "T2: the reaper beat it, and what one scope gave comes back";
const E1: &str = "E1: a halt counts exactly who took before it";
const E1_AROUND: &str = "E1: once a halt has returned, nothing is taken of what is shared";

/// Takes what was looked at, what is shared behind everything but the last.
fn around(own: Own<'_>, shared: &Shared<'_>, activity: Option<&Activity>) -> Result<Word, Half> {
    let begun = own.begin()?;
    if shared.take() { begun.end(activity, 5) } else { Err(begun.fail()) }
}

/// What is asked: two of the first, one of the last, nothing of the others.
const ASKED: [u64; TALLIES] = [2, 0, 0, 0, 1];

struct Words {
    tallies: [Tally; TALLIES],
    shared: Tally,
    activity: Activity,
}

impl Words {
    fn new(first: u64, last: u64) -> Self {
        Self { tallies: [first, 1, 1, 1, last].map(Tally::new), shared: Tally::new(2), activity: Activity::new(0) }
    }

    fn all(&self) -> [&Tally; TALLIES] {
        self.tallies.each_ref()
    }

    /// What is left of the first and of the last.
    fn left(&self) -> (i64, i64) {
        let [first, .., last] = self.all().map(|tally| tally.word().remaining());
        (first, last)
    }

    fn look(&self) -> Option<Own<'_>> {
        Own::look(self.all(), ASKED, &[Room::of(-1); TALLIES])
    }

    /// Looks, takes, and gives back what was taken of it if that was not all.
    fn take(&self, activity: Option<&Activity>) -> bool {
        self.look().is_some_and(|own| match own.take(activity, 5) {
            Ok(_) => true,
            Err(half) => {
                own.undo(half, || (), |_, _| ());
                false
            }
        })
    }

    /// The same with one of what is shared.
    fn take_shared(&self, activity: Option<&Activity>) -> bool {
        let Some((own, shared)) = self.look().zip(Shared::look(&self.shared, self.shared.word(), 1, Room::of(-1)))
        else {
            return false;
        };
        let Err(half) = around(own, &shared, activity) else { return true };
        own.undo(half, || assert!(!shared.give_back().cut), |_, _| ());
        false
    }

    /// Takes what was looked at without a second look.
    fn charge(&self) {
        for (tally, amount) in self.all().into_iter().zip(ASKED) {
            assert!(!tally.settle(0, amount).cut);
        }
    }
}

/// Two demands, of which one fits.
fn one_fits(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (a, b, words) = race::two(Words::new(3, 2), take, take);
    assert!(words.left().0 >= 0, "{T1}: {:?}", words.left());
    assert!(a != b, "{T1}, and one of the two fits: {a}, {b}");
    assert_eq!(words.left(), (1, 1), "{T1}, and nothing else is taken");
    a
}

#[test]
fn t1_who_has_looked_takes_no_more_than_there_is() {
    model(T1, TWO, || one_fits(|words| words.take(None)));
}

#[test]
fn t1_who_has_looked_takes_no_more_than_there_is_twin() {
    // Takes the look for a decision.
    twin(T1, TWO, || {
        one_fits(|words| {
            words.look().is_some_and(|_| {
                words.charge();
                true
            })
        })
    });
}

/// Two demands of which one gets the last step; the other may have taken the rest by then.
fn one_step(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (a, b, words) = race::two(Words::new(4, 1), take, take);
    assert!(a != b, "{T2}, and one step is one step: {a}, {b}");
    assert_eq!(words.left(), (2, 0), "{T2}");
    assert_eq!(words.shared.word().remaining(), 1, "{T2}, and what is shared, too");
    a
}

#[test]
fn t2_what_one_scope_gave_comes_back_whole() {
    model(T2, TWO, || one_step(|words| words.take_shared(None)));
}

#[test]
fn t2_what_one_scope_gave_comes_back_whole_twin() {
    // Gives back only a word that nobody has changed since.
    twin(T2, TWO, || {
        one_step(|words| {
            let ([first, .., last], [two, .., one]) = (words.all(), ASKED);
            let Ok(taken) = first.take(two) else { return false };
            let stepped = words.shared.take(1).is_ok() && last.take(one).is_ok();
            if !stepped {
                words.shared.give(1);
                if first.word() == taken {
                    first.give(two);
                }
            }
            stepped
        })
    });
}

/// A demand against the reaper.
fn reaped(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (taken, reaped, words) = race::two(Words::new(4, 1), take, |words| {
        let seen = words.activity.see();
        seen.last() == 0 && words.activity.reap(seen)
    });
    assert!(taken != reaped, "{T2_REAPED}: taken {taken}, reaped {reaped}");
    assert_eq!(words.left(), if taken { (2, 0) } else { (4, 1) }, "{T2_REAPED}");
    assert_eq!(words.shared.word().remaining(), if taken { 1 } else { 2 }, "{T2_REAPED}, and what is shared, too");
    taken
}

#[test]
fn t2_what_one_scope_gave_comes_back_behind_a_reaper() {
    model(T2_REAPED, TWO, || reaped(|words| words.take_shared(Some(&words.activity))));
}

#[test]
fn t2_what_one_scope_gave_comes_back_behind_a_reaper_twin() {
    // Takes the mark of the reaper for something that can be looked at beforehand.
    twin(T2_REAPED, TWO, || {
        reaped(|words| !words.activity.see().reaped() && words.take_shared(None) && words.activity.touch(5))
    });
}

/// A demand against a halt, which marks the last word first and the first word last.
fn halted(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (taken, before, words) = race::two(Words::new(2, 1), take, |words| {
        let [first, .., last] = words.all();
        let steps = last.mark(HALTED).remaining();
        first.mark(HALTED);
        steps
    });
    assert_eq!(taken, before == 0, "{E1}: taken {taken}, {before} left at the halt");
    assert_eq!(words.left(), if taken { (0, 0) } else { (2, 1) }, "{E1}, and nothing else is taken");
    taken
}

#[test]
fn e1_a_halt_counts_who_had_looked_before_it() {
    model(E1, TWO, || halted(|words| words.take(None)));
}

#[test]
fn e1_a_halt_counts_who_had_looked_before_it_twin() {
    // Has seen no flag, and looks for none any more.
    twin(E1, TWO, || {
        halted(|words| {
            words.look().is_some_and(|_| {
                words.charge();
                true
            })
        })
    });
}

/// A demand of nothing of one scope's own and one of what is shared, against a halt that looks at what is left of that.
fn halted_around(take: fn(Own<'_>, &Shared<'_>) -> bool) -> impl std::fmt::Debug {
    let asks = move |words: &Words| {
        let own = Own::look(words.all(), [0; TALLIES], &[Room::of(-1); TALLIES]);
        let looked = own.zip(Shared::look(&words.shared, words.shared.word(), 1, Room::of(-1)));
        looked.is_some_and(|(own, shared)| take(own, &shared))
    };
    let (taken, seen, words) = race::two(Words::new(2, 1), asks, |words| {
        for tally in words.all().into_iter().rev() {
            tally.mark(HALTED);
        }
        words.shared.word().remaining()
    });
    let left = words.shared.word().remaining();
    assert_eq!(left, if taken { 1 } else { 2 }, "{E1_AROUND}, and it comes back");
    assert!(!taken || seen == 1, "{E1_AROUND}: {seen} left when it had returned");
    (taken, seen)
}

#[test]
fn e1_nothing_is_taken_of_others_once_a_halt_has_returned() {
    model(E1_AROUND, TWO, || {
        halted_around(|own, shared| match around(own, shared, None) {
            Ok(_) => true,
            Err(half) => {
                own.undo(half, || assert!(!shared.give_back().cut), |_, _| ());
                false
            }
        })
    });
}

#[test]
fn e1_nothing_is_taken_of_others_once_a_halt_has_returned_twin() {
    // Of an amount of nothing the look has decided.
    twin(E1_AROUND, TWO, || halted_around(|own, shared| own.take(None, 5).is_ok() && shared.take()));
}

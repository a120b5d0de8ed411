//! What was taken of one scope and of what it shares, and comes back.

use std::cell::{Cell, RefCell};

use super::alone;
use crate::kernel::activity::Activity;
use crate::kernel::own::{Begun, Own, Room, Shared, TALLIES};
use crate::kernel::tally::{Tally, WAITERS, Word};

const ASKED: [u64; TALLIES] = [2, 0, 1, 1, 1];

fn tallies<const N: usize>() -> [Tally; N] {
    [(); N].map(|()| Tally::new(2))
}

fn left<const N: usize>(tallies: &[Tally; N]) -> [i64; N] {
    tallies.each_ref().map(|tally| tally.word().remaining())
}

fn look(own: &[Tally; TALLIES], amounts: [u64; TALLIES]) -> bool {
    Own::look(own.each_ref(), amounts, &[Room::of(-1); TALLIES]).is_some()
}

fn look_shared(tally: &Tally, amount: u64) -> bool {
    Shared::look(tally, tally.word(), amount, Room::of(-1)).is_some()
}

#[test]
fn one_word_that_is_marked_or_has_too_little_left_is_enough_for_the_long_way() {
    for place in 0..TALLIES {
        alone(move || {
            let own = tallies::<TALLIES>();
            let mut more = [2; TALLIES];
            more[place] = 3;
            assert_eq!((look(&own, [2; TALLIES]), look(&own, more)), (true, false), "{place}");
            assert_eq!((look_shared(&own[place], 2), look_shared(&own[place], 3)), (true, false));
            let _before: Word = own[place].mark(WAITERS);
            assert_eq!((look(&own, [0; TALLIES]), look_shared(&own[place], 0)), (false, false), "{place}");
        });
    }
}

#[test]
fn amounts_that_no_word_holds_do_not_fit_together_either() {
    alone(|| {
        let own = tallies::<TALLIES>();
        for (one, other) in (0..TALLIES).flat_map(|one| (0..TALLIES).map(move |other| (one, other))) {
            let mut amounts = [0; TALLIES];
            (amounts[one], amounts[other]) = (u64::MAX, u64::MAX);
            assert!(!look(&own, amounts), "{one} and {other}");
        }
        assert!(!look_shared(&own[0], u64::MAX));
    });
}

#[test]
fn who_was_overtaken_by_one_who_left_enough_takes_all_the_same() {
    alone(|| {
        let own = tallies::<TALLIES>();
        let looked = Own::look(own.each_ref(), [1; TALLIES], &[Room::of(-1); TALLIES]).unwrap();
        for tally in &own {
            tally.take(1).unwrap();
        }
        assert!(looked.take(None, 0).is_ok());
        assert_eq!(left(&own), [0; TALLIES]);
    });
}

#[test]
fn of_what_comes_back_only_words_that_were_taken_from_and_bear_a_mark_are_told() {
    alone(|| {
        let (own, activity) = (tallies::<TALLIES>(), Activity::new(0));
        let looked = Own::look(own.each_ref(), ASKED, &[Room::of(-1); TALLIES]).unwrap();
        assert!(activity.reap(activity.see()));
        let half = looked.take(Some(&activity), 0).unwrap_err();
        // Meanwhile somebody has begun to wait for all but the first.
        for tally in &own[1..] {
            let _before: Word = tally.mark(WAITERS);
        }
        let told = RefCell::new(Vec::new());
        looked.undo(half, || (), |number, _| told.borrow_mut().push(number));
        assert_eq!((told.into_inner(), left(&own)), (vec![4, 3, 2], [2; TALLIES]));
    });
}

#[test]
fn what_others_gave_comes_back_from_them_only_behind_a_last_word_that_failed() {
    for others_give in [false, true] {
        alone(move || {
            let own = tallies::<TALLIES>();
            let looked = Own::look(own.each_ref(), ASKED, &[Room::of(-1); TALLIES]).unwrap();
            // Somebody else was faster.
            own[TALLIES - 1].take(2).unwrap();
            let end = |begun: Begun<'_>| if others_give { begun.end(None, 0) } else { Err(begun.fail()) };
            let half = looked.begin().and_then(end).unwrap_err();
            let back = Cell::new(0);
            looked.undo(half, || back.set(back.get() + 1), |_, _| ());
            assert_eq!((back.get(), left(&own)), (u32::from(others_give), [2, 2, 2, 2, 0]));
        });
    }
}

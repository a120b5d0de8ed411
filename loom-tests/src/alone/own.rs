//! What was taken of one scope and of what it shares, and comes back.

use super::alone;
use crate::kernel::activity::Activity;
use crate::kernel::own::{Own, Room, Shared, TALLIES};
use crate::kernel::tally::{Tally, WAITERS, Word};

const ASKED: [u64; TALLIES] = [2, 0, 1, 1, 1];
const ROOMS: [Room; TALLIES] = [Room::of(-1); TALLIES];

fn tallies<const N: usize>() -> [Tally; N] {
    [(); N].map(|()| Tally::new(2))
}

fn left<const N: usize>(tallies: &[Tally; N]) -> [i64; N] {
    tallies.each_ref().map(|tally| tally.word().remaining())
}

#[test]
fn behind_a_shared_word_that_failed_all_of_those_before_it_comes_back_and_no_more() {
    for failing in 0..3 {
        alone(move || {
            let (own, shared) = (tallies::<TALLIES>(), tallies::<3>());
            let looked = Own::look(own.each_ref(), ASKED, &ROOMS).unwrap();
            let legs = shared.each_ref().map(|tally| Shared::look(tally, 1, Room::of(-1)).unwrap());
            // Somebody else was faster.
            shared[failing].take(2).unwrap();
            let half = looked.take_with(&legs, None, 0).unwrap_err();
            let [a, b, c, d, e] = own.each_ref();
            let mut all: Vec<(&Tally, u64)> = [a, b, c, d].into_iter().zip(ASKED).collect();
            all.extend(shared.iter().map(|tally| (tally, 1)));
            all.push((e, 1));
            half.undo(&all, |_, _| ());
            let mut rest = [2; 3];
            rest[failing] = 0;
            assert_eq!((left(&own), left(&shared)), ([2; TALLIES], rest));
        });
    }
}

#[test]
fn of_what_comes_back_only_words_that_were_taken_from_are_told() {
    alone(|| {
        let (own, activity) = (tallies::<TALLIES>(), Activity::new(0));
        let looked = Own::look(own.each_ref(), ASKED, &ROOMS).unwrap();
        assert!(activity.reap(activity.see()));
        let half = looked.take(Some(&activity), 0).unwrap_err();
        // Meanwhile somebody has begun to wait for each.
        for tally in &own {
            let _before: Word = tally.mark(WAITERS);
        }
        let told = std::cell::RefCell::new(Vec::new());
        half.undo(&own.each_ref().into_iter().zip(ASKED).collect::<Vec<_>>(), |number, _| {
            told.borrow_mut().push(number)
        });
        assert_eq!((told.into_inner(), left(&own)), (vec![4, 3, 2, 0], [2; TALLIES]));
    });
}

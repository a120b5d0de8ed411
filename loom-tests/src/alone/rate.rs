//! Rates that are charged, retired and taken over.

use super::alone;
use crate::kernel::gcra::{Moment, Rate, Tat, TooFast};

/// One a nanosecond, ten at once.
const RATE: Rate = Rate { interval: 1, scale: 1, burst: 10 };

#[test]
fn what_is_charged_says_whether_the_cell_was_retired_before() {
    alone(|| {
        let tat = Tat::new(&RATE, 0);
        assert!(tat.charge(&RATE, 0, 3) && !tat.is_over());
        let left = tat.retire();
        assert!(!tat.charge(&RATE, 0, 4) && tat.is_over());
        let next = Tat::in_place_of(&RATE, &RATE, left, 0, 0);
        assert!(next.charge(&RATE, 0, 4));
        assert_eq!(next.room(&RATE, 0), 3);
    });
}

#[test]
fn what_an_earlier_life_left_ahead_is_cut_at_half_of_the_word() {
    alone(|| {
        let half = u64::MAX >> 1;
        let tat = Tat::new(&RATE, 0);
        tat.recall(&RATE, &RATE, u64::MAX, Moment { now_ns: 5, passed_ns: 0, early_ns: 0 });
        assert_eq!((tat.ahead(&RATE, 0, 0), tat.is_over()), (half, false));
        assert_eq!(tat.look(&RATE, half - 10, 1), Err(TooFast::After(1)));
        assert_eq!(tat.look(&RATE, half - 9, 1), Ok(()));
    });
}

#[test]
fn who_was_overtaken_by_one_who_left_enough_is_admitted_all_the_same() {
    alone(|| {
        let tat = Tat::new(&RATE, 0);
        let aim = tat.aim(&RATE, 0, 5).unwrap();
        assert!(tat.take(&RATE, 0, 4).is_ok() && tat.take_aimed(&RATE, 0, 5, aim).is_some());
        assert_eq!(tat.room(&RATE, 0), 1);
        assert!(tat.take_aimed(&RATE, 0, 5, aim).is_none());
        assert_eq!(tat.room(&RATE, 0), 1);
    });
}

//! The ends of words, one step at a time: what a model of many threads never comes near.

use super::alone;
use crate::kernel::activity::Activity;
use crate::kernel::meter::Meter;
use crate::kernel::tally::{MAX_AMOUNT, Tally};

#[test]
fn an_amount_has_56_bits() {
    assert_eq!(MAX_AMOUNT, 72_057_594_037_927_935);
}

#[test]
fn a_meter_at_its_bound_stays_there_and_is_counted_up_as_that() {
    alone(|| {
        let meter = Meter::new();
        let added = meter.add(MAX_AMOUNT - 1);
        assert_eq!((added.total, added.late, added.cut), (MAX_AMOUNT - 1, false, false));
        let added = meter.add(1);
        assert_eq!((added.total, added.late, added.cut), (MAX_AMOUNT, false, false));
        let added = meter.add(5);
        assert_eq!((added.total, added.late, added.cut, meter.read()), (MAX_AMOUNT, false, true, MAX_AMOUNT));
        assert_eq!(meter.close(), Some(MAX_AMOUNT));
        // The mark stays, too: it is what says that the count has been taken.
        let added = meter.add(1);
        assert_eq!((added.total, added.late, added.cut, meter.read()), (MAX_AMOUNT, true, true, MAX_AMOUNT));
        assert_eq!(meter.close(), None);
        assert!(meter.add(0).late);
    });
}

#[test]
fn a_tally_is_settled_up_to_either_bound_and_cut_behind_it() {
    alone(|| {
        let most = i64::try_from(MAX_AMOUNT).unwrap();
        let tally = Tally::new(MAX_AMOUNT);
        let settle = |back, spent| {
            let settled = tally.settle(back, spent);
            (settled.after.remaining(), settled.cut)
        };
        assert_eq!(settle(0, 1), (most - 1, false));
        assert_eq!(settle(5, 4), (most, false));
        assert_eq!(settle(5, 4), (most, true));
        assert_eq!(settle(0, MAX_AMOUNT), (0, false));
        assert_eq!(settle(0, MAX_AMOUNT - 1), (1 - most, false));
        assert_eq!(settle(4, 5), (-most, false));
        assert_eq!(settle(4, 5), (-most, true));
        assert_eq!(settle(0, u64::MAX), (-most, true));
        assert_eq!(settle(u64::MAX, 0), (most, true));
        // Amounts that no tally holds, apart by less than what one holds.
        assert_eq!(settle(MAX_AMOUNT, MAX_AMOUNT + 2), (most - 2, false));
        assert_eq!(settle(MAX_AMOUNT + 2, MAX_AMOUNT + 1), (most - 1, false));
        assert_eq!(settle(MAX_AMOUNT + 1, MAX_AMOUNT), (most, false));
        assert_eq!(settle(MAX_AMOUNT + 1, MAX_AMOUNT), (most, true));
    });
}

#[test]
fn a_moment_past_the_end_of_its_word_is_the_last_that_there_is() {
    alone(|| {
        let last = u64::MAX >> 1;
        let activity = Activity::new(0);
        assert!(activity.touch(u64::MAX));
        let seen = activity.see();
        assert_eq!((seen.last(), seen.idle_at(u64::MAX), seen.idle_for(1)), (last, 0, None));
    });
}

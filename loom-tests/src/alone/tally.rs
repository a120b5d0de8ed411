//! The flags of a tally's word.

use super::alone;
use crate::kernel::tally::{CLOSED, COUNTED, HALTED, METERED, PAUSED, RETIRED, Refusal, Tally, WAITERS};

#[test]
fn a_word_that_bears_every_flag_is_barred_also_to_who_asks_nothing() {
    alone(|| {
        let tally = Tally::new(0);
        assert!(tally.take(0).is_ok());
        tally.mark(HALTED | PAUSED | CLOSED | RETIRED | WAITERS);
        assert_eq!([0, 1].map(|amount| tally.take(amount)), [Err(Refusal::Barred); 2]);
    });
}

#[test]
fn a_flag_that_is_set_again_on_the_word_that_was_seen_stays() {
    alone(|| {
        let tally = Tally::new(9);
        tally.mark(COUNTED);
        assert_eq!(tally.mark_seen(tally.word(), COUNTED | METERED), Ok(()));
        assert_eq!(tally.word().flags(), COUNTED | METERED);
        let seen = tally.word();
        tally.take(1).unwrap();
        assert_eq!(tally.mark_seen(seen, WAITERS), Err(tally.word()));
        assert!(!tally.word().has_waiters());
    });
}

//! Pauses that come from above.

use std::iter::once;

use super::alone;
use crate::kernel::state::{Change, Lifecycle};
use crate::kernel::tally::{PAUSED, Tally};

fn pause(scope: &Lifecycle, tally: &Tally) -> Change {
    scope.pause_above(3, once(tally), || ())
}

/// Whether this call resumed it.
fn resume(scope: &Lifecycle, tally: &Tally) -> bool {
    scope.resume_above(once(tally), |state| assert!(!state.is_paused_above())).first
}

#[test]
fn who_is_not_paused_from_above_is_not_resumed_from_there() {
    alone(|| {
        let (scope, tally) = (Lifecycle::new(true), Tally::new(1));
        assert!(!resume(&scope, &tally));
        let paused = pause(&scope, &tally);
        assert!(paused.first && paused.state.is_paused_above());
        assert_eq!((paused.state.cause(), tally.word().flags()), (3, PAUSED));
        assert!(resume(&scope, &tally));
        assert_eq!((scope.state().cause(), tally.word().flags()), (0, 0));
        assert!(!resume(&scope, &tally));
    });
}

#[test]
fn who_was_halted_or_has_ended_stays_what_it_was_when_above_goes_on() {
    let ends: [fn(&Lifecycle, &Tally) -> Change; 2] =
        [|scope, tally| scope.halt(4, once(tally), [], || ()), |scope, tally| scope.finish(once(tally), [], || ())];
    for end in ends {
        alone(move || {
            let (scope, tally) = (Lifecycle::new(true), Tally::new(1));
            assert!(pause(&scope, &tally).first && end(&scope, &tally).first);
            let (state, word) = (scope.state(), tally.word());
            assert!(!resume(&scope, &tally));
            assert_eq!((scope.state(), tally.word()), (state, word));
        });
    }
}

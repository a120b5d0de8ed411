//! Budgets whose periods end at different times.

use super::alone;
use crate::kernel::epochs::{Epochs, Term};
use crate::kernel::window::{BESIDE, NEVER_ENDS};

/// Periods of that length, from 0 on.
#[derive(Debug, Clone)]
struct Lasts(u64);

impl Term for Lasts {
    fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn reads_as(&self, other: &Self) -> bool {
        self.is(other)
    }

    fn limit(&self) -> u64 {
        1
    }

    fn beside(&self) -> [u64; BESIDE] {
        [0; BESIDE]
    }

    fn ends(&self, now: u64) -> u64 {
        (now / self.0 + 1).saturating_mul(self.0)
    }
}

#[test]
fn a_list_that_comes_back_while_its_periods_go_on_finds_its_epoch_behind_the_end_of_anothers() {
    alone(|| {
        let epochs = Epochs::new([Lasts(NEVER_ENDS)], 0);
        let first = epochs.current();
        epochs.replace([Lasts(10)], 0);
        let second = epochs.current();
        assert_eq!((epochs.enter(9), epochs.enter(10) > second), (second, true));
        epochs.replace([Lasts(NEVER_ENDS)], 11);
        assert_eq!(epochs.current(), first);
    });
}

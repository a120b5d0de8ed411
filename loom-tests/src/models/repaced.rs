//! A rate that is changed while it is asked: L1.

use super::pacer::RATE;
use crate::explore::{TWO, model, twin};
use crate::kernel::gcra::{Rate, Tat};
use crate::kernel::versions::Versions;
use crate::race;
use crate::sync::Mutex;

const L1: &str = "L1: what was taken of a rate that is changed is taken of the one in its place";

/// Two at once where there were three, at half the pace.
const NEXT: Rate = Rate { interval: 20, scale: 1, burst: 2 };

/// The cells of one key, oldest first.
struct Cells {
    versions: Versions<(Rate, Tat)>,
    roll: Mutex<()>,
    /// Plants a bug: reads what is left, and retires nothing.
    copied: bool,
}

impl Cells {
    fn new(copied: bool) -> Self {
        Self { versions: Versions::new((RATE, Tat::new(&RATE, 0))), roll: Mutex::new(()), copied }
    }

    /// Takes one at 0, from whatever is in force; at what interval.
    fn take(&self) -> Option<u64> {
        loop {
            let cells = self.versions.get().unwrap();
            let (rate, tat) = &*cells;
            match tat.take(rate, 0, 1) {
                Ok(_) => return Some(rate.interval),
                Err(_) if tat.is_over() => crate::sync::yield_now(),
                Err(_) => return None,
            }
        }
    }

    fn change(&self) {
        let _turn = self.roll.lock();
        let cells = self.versions.get().unwrap();
        let (rate, tat) = &*cells;
        let next = if self.copied {
            let gone = (0..RATE.burst).filter(|rest| tat.look(rate, 0, rest + 1).is_err()).count();
            let next = Tat::new(&NEXT, 0);
            next.charge(&NEXT, 0, gone as u64);
            next
        } else {
            Tat::in_place_of(&NEXT, rate, tat.retire(), 0, 0)
        };
        self.versions.change((NEXT, next), || ());
    }

    /// How many fit at once now.
    fn room(&self) -> u64 {
        let cells = self.versions.get().unwrap();
        let (rate, tat) = &*cells;
        (1..=rate.burst).filter(|amount| tat.look(rate, 0, *amount).is_ok()).count() as u64
    }
}

/// Somebody takes while the rate is changed.
fn changed(cells: Cells) -> impl std::fmt::Debug {
    let (taken, (), cells) = race::two(cells, Cells::take, Cells::change);
    assert!(taken.is_some(), "{L1}: there is room in either");
    assert_eq!(cells.room(), NEXT.burst - 1, "{L1}: taken at {taken:?}");
    taken
}

#[test]
fn l1_what_was_taken_of_a_rate_outlives_its_change() {
    model(L1, TWO, || changed(Cells::new(false)));
}

#[test]
fn l1_what_was_taken_of_a_rate_outlives_its_change_twin() {
    twin(L1, TWO, || changed(Cells::new(true)));
}

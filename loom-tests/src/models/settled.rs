//! Who waits until nothing is outstanding: W1.

use std::sync::Arc;

use super::queue::Bell;
use crate::explore::{TWO, model, twin};
use crate::kernel::meter::Meter;
use crate::kernel::queue::Queue;
use crate::kernel::tally::{Tally, WAITERS};
use crate::race;
use crate::sync::Waker;

const W1: &str = "W1: what settles the last hold wakes who waits until nothing is outstanding";

const LIMIT: u64 = 10;

/// An execution that is over, with a hold of 3, and who waits for that.
struct Over {
    tally: Tally,
    meter: Meter,
    line: Queue,
    bells: [Arc<Bell>; 2],
}

impl Over {
    fn new() -> Self {
        let tally = Tally::new(LIMIT);
        tally.take(3).unwrap();
        Self { tally, meter: Meter::new(), line: Queue::new(), bells: Default::default() }
    }

    fn waker(&self, look: usize) -> Waker {
        Waker::from(Arc::clone(&self.bells[look]))
    }

    fn outstanding(&self) -> u64 {
        let committed = self.meter.read();
        self.tally.word().used(LIMIT).saturating_sub(committed)
    }

    fn call(&self) {
        self.line.everyone().into_iter().for_each(Waker::wake);
    }
}

/// A hold is settled with `actual` while somebody waits, who looks twice; `STALE` looks at the meter without an exchange.
fn settled<const STALE: bool>(actual: u64) -> impl std::fmt::Debug {
    let (seen, (), over) = race::two(
        Over::new(),
        |over: &Over| {
            let ticket = over.line.join(over.waker(0), 1, || ());
            [0, 1].map(|look| {
                over.line.stand(ticket, over.waker(look));
                over.tally.mark(WAITERS);
                if !STALE {
                    over.meter.read_latest();
                }
                over.outstanding() == 0
            })
        },
        move |over| {
            // As a settle writes: nothing where everything that was set aside was used.
            if actual != 3 && over.tally.settle(3, actual).after.has_waiters() {
                over.call();
            }
            if actual > 0 {
                over.meter.add(actual);
                if !over.line.is_empty() {
                    over.call();
                }
            }
        },
    );
    assert_eq!(over.outstanding(), 0);
    assert!(seen[1] || over.bells[1].rung(), "{W1}: it sleeps");
    (seen, over.bells[0].rung())
}

#[test]
fn w1_what_settles_the_last_hold_wakes_who_waits_for_that() {
    // All of it was used: no tally is written. Or a part of it: two words are.
    model(W1, TWO, || settled::<false>(3));
    model(W1, TWO, || settled::<false>(2));
}

#[test]
fn w1_what_settles_the_last_hold_wakes_who_waits_for_that_twin() {
    // Takes a count for the latest that may be an older one.
    twin(W1, TWO, || settled::<true>(3));
}

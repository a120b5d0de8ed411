//! The kernel's words by themselves, without an execution around them.

use std::hint::black_box;
use std::sync::Arc;

use crate::Case;
use crate::kernel::gcra::{Rate, Tat};
use crate::kernel::tally::Tally;

/// One unit a nanosecond, a second's worth at once: never in the way at one a microsecond.
const RATE: Rate = Rate { interval: 1, scale: 1, burst: 1_000_000_000 };

/// One unit of a rate, the time given.
pub fn rate() -> Case {
    let (tat, mut now) = (Tat::new(&RATE, 0), 0);
    Case::new("rate cell", move || {
        now += 1_000;
        black_box(tat.take(&black_box(RATE), now, black_box(1)).is_ok());
    })
}

/// One unit of a gauge, taken and given back.
pub fn gauge() -> Case {
    let tally = Tally::new(1_000);
    Case::new("take + give back", move || {
        if tally.take(black_box(1)).is_ok() {
            tally.give(black_box(1));
        }
    })
}

/// Two threads take units of one gauge and give them back.
pub fn gauge_on_two_threads() -> Case {
    let tally = Arc::new(Tally::new(1_000));
    Case::on_two_threads("take + give back, two threads", move || {
        let tally = Arc::clone(&tally);
        move |times| {
            for _ in 0..times {
                if tally.take(black_box(1)).is_ok() {
                    tally.give(black_box(1));
                }
            }
        }
    })
}

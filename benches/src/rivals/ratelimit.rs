//! ratelimit 2: a token bucket on several words.
//!
//! It counts millionths of a token and fills the bucket at most once a microsecond, by whichever caller comes first; a
//! unit once taken does not come back. A bucket that is full counts what flows over.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use ratelimit::{Builder, Clock, Ratelimiter, StdClock};

use crate::Case;

/// One token a nanosecond, a second's worth at once: as ours.
const RATE: u64 = 1_000_000_000;

/// A clock that is a microsecond later whenever it is asked, and costs nothing.
#[derive(Debug, Default)]
struct Given(Cell<u64>);

impl Clock for Given {
    fn elapsed(&self) -> Duration {
        self.0.set(self.0.get() + 1_000);
        Duration::from_nanos(self.0.get())
    }
}

#[expect(clippy::expect_used, reason = "a rate that is known to be valid")]
fn bucket<C: Clock>(clock: C) -> Ratelimiter<C> {
    Builder::with_clock(RATE, clock).max_tokens(RATE).initial_available(RATE).build().expect("a valid rate")
}

/// The time given.
pub fn given() -> Case {
    let bucket = bucket(Given::default());
    Case::new("ratelimit", move || {
        black_box(bucket.try_wait().is_ok());
    })
}

/// With the clock it has by default.
pub fn own_clock() -> Case {
    let bucket = bucket(StdClock::new());
    Case::new("ratelimit, own clock", move || {
        black_box(bucket.try_wait().is_ok());
    })
}

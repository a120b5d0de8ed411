//! governor: a rate as one word (GCRA), by itself or one for each key.
//!
//! What it does more: a keyed limiter makes the cell of a key that it has never seen. What it does less: a unit once taken
//! does not come back, a key is a name and nothing else (no execution that can be halted, no steps counted, no tenant),
//! and the word is kept in whole nanoseconds. Its map is DashMap with its default number of shards and SipHash.

use std::cell::Cell;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::Case;
use crate::ids::Ids;
use crate::rounds::ready;

/// A clock that is a microsecond later whenever it is asked, and costs nothing.
#[derive(Debug, Clone, Default)]
struct Given(Rc<Cell<u64>>);

impl Clock for Given {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.set(self.0.get() + 1_000);
        self.0.get().into()
    }
}

fn quota() -> Quota {
    // A unit a nanosecond, as ours.
    let quota = Quota::with_period(Duration::from_nanos(1)).unwrap_or(Quota::per_second(NonZeroU32::MAX));
    quota.allow_burst(NonZeroU32::new(1_000_000_000).unwrap_or(NonZeroU32::MAX))
}

/// Direct, the time given: what our rate cell does, on one word instead of two.
pub fn direct() -> Case {
    let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::direct_with_clock(quota(), Given::default());
    Case::new("governor direct", move || {
        black_box(limiter.check().is_ok());
    })
}

/// Direct, with the clock it has by default.
pub fn direct_clock() -> Case {
    let limiter = RateLimiter::direct(quota());
    Case::new("governor direct, own clock", move || {
        black_box(limiter.check().is_ok());
    })
}

/// Direct, awaited with the clock it has by default: a future that is ready at its first poll.
pub fn until_ready() -> Case {
    let limiter = RateLimiter::direct(quota());
    Case::new("governor until_ready", move || {
        black_box(ready(limiter.until_ready()));
    })
}

/// By key, the time given. Each key has been seen before.
pub fn keyed(name: impl Into<String>, ids: &Ids) -> Case {
    keyed_with(name, ids, Given::default())
}

/// By key, with the clock it has by default.
pub fn keyed_clock(name: impl Into<String>, ids: &Ids) -> Case {
    keyed_with(name, ids, DefaultClock::default())
}

fn keyed_with(name: impl Into<String>, ids: &Ids, clock: impl Clock + 'static) -> Case {
    let limiter = RateLimiter::<String, DashMapStateStore<String>, _, _>::dashmap_with_clock(quota(), clock);
    for id in ids.sorted() {
        black_box(limiter.check_key(&id.to_owned()).is_ok());
    }
    let mut ids = ids.clone();
    Case::new(name, move || {
        black_box(limiter.check_key(ids.next_id()).is_ok());
    })
}

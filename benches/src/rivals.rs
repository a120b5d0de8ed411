//! Others' cells for single questions: governor for a rate, tokio's semaphore for a gauge.

use std::cell::Cell;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};

use crate::Case;

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

/// governor, direct, the time given: what our rate cell does, on one word instead of two.
pub fn governor() -> Case {
    let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::direct_with_clock(quota(), Given::default());
    Case::new("governor direct", move || {
        black_box(limiter.check().is_ok());
    })
}

/// governor, direct, with the clock it has by default.
pub fn governor_clock() -> Case {
    let limiter = RateLimiter::direct(quota());
    Case::new("governor direct, own clock", move || {
        black_box(limiter.check().is_ok());
    })
}

/// tokio's semaphore: a permit is taken and dropped.
pub fn semaphore() -> Case {
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1_000));
    Case::new("tokio Semaphore", move || drop(black_box(semaphore.try_acquire().ok())))
}

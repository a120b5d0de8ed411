//! leaky-bucket 1: tokens that a task waits for; a lock and one task's timer fill the bucket for all who wait.
//!
//! While tokens are there it subtracts from a word and looks at no clock: the bucket is filled only when it has run dry,
//! so a rate is kept on average and not exactly. Here it never runs dry, which is its best case.

use std::hint::black_box;

use leaky_bucket::RateLimiter;

use crate::Case;
use crate::rounds::ready;

/// Tokens that no run uses up.
const TOKENS: usize = 1 << 40;

fn bucket() -> RateLimiter {
    RateLimiter::builder().max(TOKENS).initial(TOKENS).build()
}

/// A token, or none.
pub fn try_acquire() -> Case {
    let bucket = bucket();
    Case::new("leaky-bucket", move || {
        black_box(bucket.try_acquire(1));
    })
}

/// A token, awaited: a future that is ready at its first poll.
pub fn acquire() -> Case {
    let bucket = bucket();
    Case::new("leaky-bucket acquire().await", move || {
        black_box(ready(bucket.acquire_one()));
    })
}

//! tokio's semaphore: permits that are taken and come back when they are dropped.
//!
//! It is a gauge, as ours of live executions, with a fair line of tasks behind it. A permit is one number: no execution,
//! no tenant, no reason for a refusal beyond "none left" or "closed".

use std::hint::black_box;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Case;
use crate::rounds::ready;

/// More than are ever taken at once.
const PERMITS: usize = 1_000;

/// A permit is taken and dropped.
pub fn try_acquire() -> Case {
    let semaphore = Semaphore::new(PERMITS);
    Case::new("tokio Semaphore", move || drop(black_box(semaphore.try_acquire().ok())))
}

/// The same, awaited: a future that is ready at its first poll, outside a runtime.
pub fn acquire() -> Case {
    let semaphore = Semaphore::new(PERMITS);
    Case::new("tokio acquire().await", move || {
        black_box(ready(semaphore.acquire()));
    })
}

/// Two threads take and drop permits of one semaphore.
pub fn on_two_threads() -> Case {
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    Case::on_two_threads("tokio Semaphore, two threads", move || {
        let semaphore = Arc::clone(&semaphore);
        move |times| (0..times).for_each(|_| drop(black_box(semaphore.try_acquire().ok())))
    })
}

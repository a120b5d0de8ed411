//! Two at once.

use std::time::{Duration, Instant};

use crate::rounds::now;

/// How often the machine is given another chance to run both at once.
const TRIES: u32 = 20;

/// When one of two began and ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    start: Instant,
    end: Instant,
}

impl Span {
    /// Of what has begun at `start` and ends now.
    pub(crate) fn since(start: Instant) -> Self {
        Self { start, end: now() }
    }

    fn took(self) -> Duration {
        self.end.saturating_duration_since(self.start)
    }
}

/// How long each of two takes, on average, while the other does the same. What was done one after the other rather than
/// at once is done again, as often as makes sense.
pub(crate) fn at_once(mut both: impl FnMut() -> [Span; 2]) -> Duration {
    let mut tries = 0;
    loop {
        tries += 1;
        let [one, other] = both();
        let together = one.end.min(other.end).saturating_duration_since(one.start.max(other.start));
        let whole = one.end.max(other.end).saturating_duration_since(one.start.min(other.start));
        if together * 5 > whole * 4 || tries == TRIES {
            return (one.took() + other.took()) / 2;
        }
    }
}

/// Two threads; `worker` makes each one's own, which does it `times` times.
pub(crate) fn threads<F: FnMut(u32)>(worker: &(impl Fn() -> F + Sync), times: u32) -> [Span; 2] {
    let ready = std::sync::Barrier::new(2);
    let work = || {
        let mut worker = worker();
        ready.wait();
        let start = now();
        worker(times);
        Span::since(start)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        match other.join() {
            Ok(theirs) => [mine, theirs],
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

//! Chance: numbers from a seed, and what has been left to them.

use std::cell::Cell;
use std::io::Write;
use std::sync::LazyLock;
#[expect(clippy::disallowed_types, reason = "what is counted here must not be part of what is disturbed")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Names a seed of one's own.
const SEED: &str = "ENFORCE_CHAOS_SEED";

/// How often in so many times chance disturbs.
const EVERY: u64 = 4;

/// The seed of this process. It is printed, so that what it found can be tried again; threads that run at once may still
/// meet in another order.
static OF_PROCESS: LazyLock<u64> = LazyLock::new(|| {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    // Past the test harness, which keeps to itself what a test that passes prints.
    drop(writeln!(std::io::stderr(), "chaos: {SEED}={seed}"));
    seed
});

#[expect(clippy::disallowed_types, reason = "what is counted here must not be part of what is disturbed")]
static THREADS: AtomicU64 = AtomicU64::new(0);
#[expect(clippy::disallowed_types, reason = "what is counted here must not be part of what is disturbed")]
static FAILURES: AtomicU64 = AtomicU64::new(0);
#[expect(clippy::disallowed_types, reason = "what is counted here must not be part of what is disturbed")]
static YIELDS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Every thread has numbers of its own.
    static NUMBERS: Cell<u64> = Cell::new({
        // Relaxed: a number and nothing else.
        let thread = THREADS.fetch_add(1, Ordering::Relaxed);
        // An odd factor keeps seeds and threads apart; the state of the numbers below may be anything but 0.
        (*OF_PROCESS ^ thread.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1
    });
}

/// Whether it happens this time.
fn happens() -> bool {
    let number = NUMBERS.try_with(|numbers| {
        let mut number = numbers.get();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        numbers.set(number);
        number >> 33
    });
    // A thread that is ending has no numbers any more.
    number.is_ok_and(|number| number.is_multiple_of(EVERY))
}

/// Whether an exchange fails although nobody came between.
pub(crate) fn fails() -> bool {
    let fails = happens();
    // Relaxed: a number and nothing else.
    FAILURES.fetch_add(fails.into(), Ordering::Relaxed);
    fails
}

/// Lets another thread run, or does not.
pub(crate) fn interrupt() {
    if happens() {
        // Relaxed: a number and nothing else.
        YIELDS.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
    }
}

/// How many exchanges have failed for no reason in this process, and how often another thread was let run.
#[must_use]
pub fn disturbed() -> (u64, u64) {
    // Relaxed: numbers and nothing else.
    (FAILURES.load(Ordering::Relaxed), YIELDS.load(Ordering::Relaxed))
}

//! Touched or reaped: I1.

use crate::explore::{THREE, model, twin};
use crate::kernel::activity::Activity;
use crate::race;
use crate::sync::{AtomicU64, Ordering::Acquire, Ordering::Release};

const I1: &str = "I1: who is touched in time is not reaped, and who is reaped is not touched";

/// When something last happened.
trait Watched: Send + Sync + 'static {
    fn new() -> Self;
    fn touch(&self, now: u64) -> bool;
    /// Reaps it if it has been idle for `timeout` at `now`.
    fn reap(&self, now: u64, timeout: u64) -> bool;
    /// (last activity, reaped)
    fn read(&self) -> (u64, bool);
}

impl Watched for Activity {
    fn new() -> Self {
        Activity::new(0)
    }

    fn touch(&self, now: u64) -> bool {
        Activity::touch(self, now)
    }

    fn reap(&self, now: u64, timeout: u64) -> bool {
        let seen = self.see();
        seen.idle_at(now) >= timeout && Activity::reap(self, seen)
    }

    fn read(&self) -> (u64, bool) {
        (self.see().last(), self.see().reaped())
    }
}

/// The kernel's word, changed by a load and a store.
struct LoadAndStore(AtomicU64);

impl Watched for LoadAndStore {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn touch(&self, now: u64) -> bool {
        let word = self.0.load(Acquire);
        if word & 1 == 0 {
            self.0.store((word >> 1).max(now) << 1, Release);
        }
        word & 1 == 0
    }

    fn reap(&self, now: u64, timeout: u64) -> bool {
        let word = self.0.load(Acquire);
        let idle = word & 1 == 0 && now - (word >> 1) >= timeout;
        idle && self.0.compare_exchange_weak(word, word | 1, Acquire, Acquire).is_ok()
    }

    fn read(&self) -> (u64, bool) {
        let word = self.0.load(Acquire);
        (word >> 1, word & 1 != 0)
    }
}

/// A touch at 7, a reaper at 11 and one at 12, and ten are too long.
fn reaped<W: Watched>() -> impl std::fmt::Debug {
    let (touched, a, b, watched) = race::three(
        W::new(),
        |watched: &W| watched.touch(7),
        |watched: &W| watched.reap(11, 10),
        |watched| watched.reap(12, 10),
    );
    assert_eq!(u8::from(touched) + u8::from(a) + u8::from(b), 1, "{I1}: touched {touched}, reaped {a} and {b}");
    assert_eq!(watched.read(), if touched { (7, false) } else { (0, true) }, "{I1}");
    assert_eq!(watched.touch(13), touched, "{I1}, nor later");
    (touched, a)
}

#[test]
fn i1_a_touch_and_a_reap_cannot_both_succeed() {
    model(I1, THREE, || reaped::<Activity>());
}

#[test]
fn i1_a_touch_and_a_reap_cannot_both_succeed_twin() {
    twin(I1, THREE, || reaped::<LoadAndStore>());
}

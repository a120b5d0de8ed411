//! How deep: D1.

use crate::explore::{TWO, model, twin};
use crate::kernel::depth::Depth;
use crate::race;
use crate::sync::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

const D1_MAX: &str = "D1: the recorded maximum is the deepest there was";
const D1_ZERO: &str = "D1: depth never goes below zero";
const D1_LIMIT: &str = "D1: depth never passes its limit";

/// A depth with its maximum.
trait Levels: Send + Sync + 'static {
    fn new() -> Self;
    fn push(&self, limit: u64) -> Option<u64>;
    fn pop(&self) -> bool;
    /// (current, maximum)
    fn read(&self) -> (u64, u64);
}

impl Levels for Depth {
    fn new() -> Self {
        Depth::new()
    }

    fn push(&self, limit: u64) -> Option<u64> {
        Depth::push(self, limit).ok()
    }

    fn pop(&self) -> bool {
        Depth::pop(self)
    }

    fn read(&self) -> (u64, u64) {
        Depth::read(self)
    }
}

/// Current and maximum in two words; each step looks first and changes afterwards.
struct TwoWords {
    current: AtomicU64,
    maximum: AtomicU64,
}

impl Levels for TwoWords {
    fn new() -> Self {
        Self { current: AtomicU64::new(0), maximum: AtomicU64::new(0) }
    }

    fn push(&self, limit: u64) -> Option<u64> {
        if self.current.load(Acquire) >= limit {
            return None;
        }
        let next = self.current.fetch_add(1, AcqRel) + 1;
        if self.maximum.load(Acquire) < next {
            self.maximum.store(next, Release);
        }
        Some(next)
    }

    fn pop(&self) -> bool {
        let some = self.current.load(Acquire) > 0;
        if some {
            self.current.fetch_add(u64::MAX, AcqRel);
        }
        some
    }

    fn read(&self) -> (u64, u64) {
        (self.current.load(Acquire), self.maximum.load(Acquire))
    }
}

fn maximum<L: Levels>() -> impl std::fmt::Debug {
    let (a, b, levels) = race::two(
        L::new(),
        |levels: &L| levels.push(5),
        |levels| {
            let depth = levels.push(5);
            (depth, levels.pop())
        },
    );
    let deepest = a.max(b.0).unwrap();
    assert_eq!(levels.read(), (1, deepest), "{D1_MAX}");
    assert_eq!((levels.pop(), levels.push(5), levels.read()), (true, Some(1), (1, deepest)), "{D1_MAX}, and stays so");
    (a, b)
}

#[test]
fn d1_the_recorded_maximum_is_the_true_one() {
    model(D1_MAX, TWO, || maximum::<Depth>());
}

#[test]
fn d1_the_recorded_maximum_is_the_true_one_twin() {
    twin(D1_MAX, TWO, || maximum::<TwoWords>());
}

/// Two steps up from the first level.
fn zero<L: Levels>() -> impl std::fmt::Debug {
    let levels = L::new();
    levels.push(5).unwrap();
    let (a, b, levels) = race::two(levels, L::pop, L::pop);
    assert_eq!(levels.read(), (0, 1), "{D1_ZERO}: {a}, {b}");
    assert!(a != b, "{D1_ZERO}: {a}, {b}");
    a
}

#[test]
fn d1_depth_never_goes_below_zero() {
    model(D1_ZERO, TWO, || zero::<Depth>());
}

#[test]
fn d1_depth_never_goes_below_zero_twin() {
    twin(D1_ZERO, TWO, || zero::<TwoWords>());
}

/// Two steps down to the last level.
fn limit<L: Levels>() -> impl std::fmt::Debug {
    let levels = L::new();
    levels.push(2).unwrap();
    let (a, b, levels) = race::two(levels, |levels: &L| levels.push(2), |levels| levels.push(2));
    assert_eq!(levels.read(), (2, 2), "{D1_LIMIT}: {a:?}, {b:?}");
    assert!(a.is_some() != b.is_some(), "{D1_LIMIT}: {a:?}, {b:?}");
    a
}

#[test]
fn d1_depth_never_passes_its_limit() {
    model(D1_LIMIT, TWO, || limit::<Depth>());
}

#[test]
fn d1_depth_never_passes_its_limit_twin() {
    twin(D1_LIMIT, TWO, || limit::<TwoWords>());
}

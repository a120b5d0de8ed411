//! What is carried up when an execution ends: C1.

use crate::explore::{THREE_BOUNDED, model, twin};
use crate::kernel::meter::Meter;
use crate::kernel::tally::{COUNTED, Tally};
use crate::race;
use crate::sync::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};

const C1: &str = "C1: every unit is counted up exactly once";
const C1_STEPS: &str = "C1: every step is counted up exactly once";

/// A count that is carried up once.
trait Closing: Send + Sync + 'static {
    fn new() -> Self;
    /// True if it has been carried up already.
    fn add(&self, amount: u64) -> bool;
    /// What to carry up, to the first who asks.
    fn close(&self) -> Option<u64>;
}

impl Closing for Meter {
    fn new() -> Self {
        Meter::new()
    }

    fn add(&self, amount: u64) -> bool {
        Meter::add(self, amount).late
    }

    fn close(&self) -> Option<u64> {
        Meter::close(self)
    }
}

/// A tally whose count is carried up behind a flag.
impl Closing for Tally {
    fn new() -> Self {
        Tally::new(100)
    }

    fn add(&self, amount: u64) -> bool {
        self.settle(0, amount).is_late()
    }

    fn close(&self) -> Option<u64> {
        let before = self.mark(COUNTED);
        (before.flags() & COUNTED == 0).then(|| before.used(100))
    }
}

/// Reads what there is and then closes.
struct ReadThenFlag(AtomicU64);

impl Closing for ReadThenFlag {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn add(&self, amount: u64) -> bool {
        self.0.fetch_add(amount << 1, AcqRel) & 1 != 0
    }

    fn close(&self) -> Option<u64> {
        let count = self.0.load(Acquire) >> 1;
        (self.0.fetch_or(1, AcqRel) & 1 == 0).then_some(count)
    }
}

/// Somebody adds while two others end it.
fn carried<C: Closing>(promise: &str) -> impl std::fmt::Debug {
    let add = |amount: u64, (count, above): &(C, Meter)| {
        if count.add(amount) {
            above.add(amount);
            return true;
        }
        false
    };
    let close = |(count, above): &(C, Meter)| count.close().map(|sum| above.add(sum).total).is_some();
    let (late, a, b, ground) = race::three(
        (C::new(), Meter::new()),
        move |ground: &(C, Meter)| (add(3, ground), add(4, ground)),
        close,
        close,
    );
    assert_eq!(ground.1.read(), 7, "{promise}: {late:?} late");
    assert!(a != b, "{promise}, by one of those who close: {a}, {b}");
    late
}

#[test]
fn c1_a_meter_is_counted_up_exactly_once() {
    model(C1, THREE_BOUNDED, || carried::<Meter>(C1));
}

#[test]
fn c1_a_meter_is_counted_up_exactly_once_twin() {
    twin(C1, THREE_BOUNDED, || carried::<ReadThenFlag>(C1));
}

#[test]
fn c1_steps_are_counted_up_exactly_once() {
    model(C1_STEPS, THREE_BOUNDED, || carried::<Tally>(C1_STEPS));
}

#[test]
fn c1_steps_are_counted_up_exactly_once_twin() {
    twin(C1_STEPS, THREE_BOUNDED, || carried::<ReadThenFlag>(C1_STEPS));
}

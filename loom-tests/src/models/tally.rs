//! One counter: T1, T3, T4.

use super::counter::{AddThenBackOut, CheckThenRecord, Counter, GiveThenCharge, Pooled};
use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::tally::Tally;
use crate::race;

const T1: &str = "T1: what is used never exceeds the limit";
const T1_GAP: &str = "T1: settling never shows room that is spent";
const T3: &str = "T3: a demand that fits is admitted, whatever others ask for";
const T4: &str = "T4: room given back can be taken at once";

/// Two takes of which one fits, settled; and somebody who looks.
fn limit<C: Counter>() -> impl std::fmt::Debug {
    let take_and_settle =
        |spent: u64| move |counter: &C| counter.take(2).map(|()| counter.settle(2, spent)).map_or(0, |()| spent as i64);
    let (a, b, seen, counter) =
        race::three(C::new(3), take_and_settle(2), take_and_settle(2), |counter| counter.remaining());
    assert!(seen >= 0, "{T1}: {seen} remained while takes were under way");
    assert!(counter.remaining() >= 0, "{T1}: {} remains", counter.remaining());
    assert_eq!(counter.remaining(), 3 - a - b, "{T1}, and is the sum of what was admitted");
    (a, b, seen)
}

#[test]
fn t1_holds_never_exceed_the_limit() {
    model(T1, THREE, || limit::<Tally>());
}

#[test]
fn t1_holds_never_exceed_the_limit_twin() {
    twin(T1, THREE, || limit::<CheckThenRecord>());
}

/// All of it taken and spent, while somebody else asks.
fn gap<C: Counter>() -> impl std::fmt::Debug {
    let (a, b, counter) =
        race::two(C::new(4), |counter| counter.take(4).map(|()| counter.settle(4, 4)), |counter| counter.take(1));
    assert!(counter.remaining() >= 0, "{T1_GAP}: {} remains", counter.remaining());
    assert!(a.is_ok() != b.is_ok(), "{T1_GAP}: {a:?}, {b:?}");
    (a, b)
}

#[test]
fn t1_settling_opens_no_gap() {
    model(T1_GAP, TWO, || gap::<Tally>());
}

#[test]
fn t1_settling_opens_no_gap_twin() {
    twin(T1_GAP, TWO, || gap::<GiveThenCharge>());
}

/// Two demands that fit together, and one that never fits.
fn fitting<C: Counter>() -> impl std::fmt::Debug {
    let (a, b, c, counter) =
        race::three(C::new(3), |counter| counter.take(1), |counter| counter.take(2), |counter| counter.take(4));
    assert!(a.is_ok() && b.is_ok(), "{T3}: {a:?}, {b:?} beside {c:?}");
    assert_eq!((c.is_err(), counter.remaining()), (true, 0), "{T3}, and nothing else is");
    c
}

#[test]
fn t3_demands_that_fit_together_are_all_admitted() {
    model(T3, THREE, || fitting::<Tally>());
}

#[test]
fn t3_demands_that_fit_together_are_all_admitted_twin() {
    twin(T3, THREE, || fitting::<AddThenBackOut>());
}

/// One unit comes back and is asked for again, while somebody asks for more than there is.
fn give_back<C: Counter>() -> impl std::fmt::Debug {
    let counter = C::new(2);
    counter.take(2).unwrap();
    let (again, more, counter) = race::two(
        counter,
        |counter| {
            counter.settle(1, 0);
            counter.take(1)
        },
        |counter| counter.take(2),
    );
    assert!(again.is_ok(), "{T4}: {again:?} after a unit came back, beside {more:?}");
    assert_eq!(counter.remaining(), 0, "{T4}");
    more
}

#[test]
fn t4_room_given_back_is_usable_at_once() {
    model(T4, TWO, || give_back::<Tally>());
}

#[test]
fn t4_room_given_back_is_usable_at_once_twin() {
    twin(T4, TWO, || give_back::<Pooled>());
}

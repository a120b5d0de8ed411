//! The rate cell: Q1, and T2 for rates.

use super::pacer::{Bucket, Lined, OneStep, Pacer, Planted, RATE};
use crate::explore::{THREE_BOUNDED, TWO, model, twin};
use crate::race;

const T2: &str = "T2: undone takes leave a rate as if they had never been";
const T2_LATER: &str = "T2: an undone take is gone for whoever comes later";
const Q1: &str = "Q1: simultaneous callers get exactly the burst";
const Q1_TWICE: &str = "Q1: what has drained is not granted again";
const Q1_STAYS: &str = "Q1: undone takes never free what stays";
const Q1_CHARGED: &str = "Q1: what was used unasked is not given back with another's take";
const Q1_BACK: &str = "Q1: a clock that steps back grants nothing";

fn take_and_undo<P: Pacer>(now: u64) -> impl FnOnce(&P) -> bool + 'static {
    move |pacer| pacer.take(now, 1).map(|paced| pacer.undo(paced)).is_ok()
}

/// A take that stays: whether it was admitted, and how far ahead its taker then found the rate, others in flight.
fn take_and_look<P: Pacer>(now: u64) -> impl FnOnce(&P) -> (bool, u64) + 'static {
    move |pacer| (pacer.take(now, 1).is_ok(), pacer.ahead(now))
}

/// Two takes that are undone and one that stays, at the same time.
fn undone<P: Pacer>() -> impl std::fmt::Debug {
    let (a, b, (kept, seen), pacer) = race::three(P::new(), take_and_undo(0), take_and_undo(0), take_and_look(0));
    assert!(kept && a && b, "the burst has room for all: {a}, {b}, {kept}");
    assert_eq!(pacer.ahead(0), 10, "{T2}");
    seen
}

#[test]
fn t2_undone_takes_leave_the_rate_as_it_was() {
    model(T2, THREE_BOUNDED, || undone::<Lined>());
}

#[test]
fn t2_undone_takes_leave_the_rate_as_it_was_twin() {
    // Counts what came back behind a take against its mark, and nothing else.
    twin(T2, THREE_BOUNDED, || undone::<Planted<0>>());
}

/// A take that is undone, and one at a later time that stays.
fn later<P: Pacer>() -> impl std::fmt::Debug {
    let (undone, (kept, seen), pacer) = race::two(P::new(), take_and_undo(0), take_and_look(5));
    assert!(kept && undone, "the burst has room for both: {undone}, {kept}");
    assert_eq!(pacer.ahead(5), 10, "{T2_LATER}");
    seen
}

#[test]
fn t2_an_undone_take_is_gone_for_later_callers() {
    model(T2_LATER, TWO, || later::<Lined>());
}

#[test]
fn t2_an_undone_take_is_gone_for_later_callers_twin() {
    // Gives back only if nobody has taken since.
    twin(T2_LATER, TWO, || later::<Planted<1>>());
}

/// More than the burst, all at once.
fn burst<P: Pacer>() -> impl std::fmt::Debug {
    let take = |amount: u64| move |pacer: &P| if pacer.take(0, amount).is_ok() { amount } else { 0 };
    let (a, b, c, pacer) = race::three(P::new(), take(2), take(2), take(1));
    assert_eq!(a + b + c, RATE.burst, "{Q1}: {a}, {b}, {c}");
    assert_eq!(pacer.ahead(0), 30, "{Q1}, and all of it is charged");
    (a, b, c)
}

#[test]
fn q1_simultaneous_callers_get_exactly_the_burst() {
    model(Q1, THREE_BOUNDED, || burst::<Lined>());
}

#[test]
fn q1_simultaneous_callers_get_exactly_the_burst_twin() {
    // Looks in one step and charges in the next.
    twin(Q1, THREE_BOUNDED, || burst::<OneStep>());
}

/// A take that is undone after an interval has passed, and whatever can be had then.
fn drained<P: Pacer>() -> impl std::fmt::Debug {
    let (_, (kept, seen), pacer) = race::two(P::new(), take_and_undo(0), take_and_look(10));
    let more = (0..=RATE.burst).filter(|_| pacer.take(10, 1).is_ok()).count() as u64;
    assert_eq!(u64::from(kept) + more, RATE.burst, "{Q1_TWICE}: {kept} and then {more}");
    seen
}

#[test]
fn q1_what_has_drained_is_not_granted_again() {
    model(Q1_TWICE, TWO, || drained::<Lined>());
}

#[test]
fn q1_what_has_drained_is_not_granted_again_twin() {
    // Gives the whole cost back, whatever the time.
    twin(Q1_TWICE, TWO, || drained::<Planted<2>>());
}

/// Two takes at 0 are undone after a caller at 5 was turned away, beside one at 12 that stays.
fn stays<P: Pacer>() -> impl std::fmt::Debug {
    let pacer = P::new();
    let (a, b) = (pacer.take(0, 1).ok().unwrap(), pacer.take(0, 1).ok().unwrap());
    assert!(pacer.take(5, RATE.burst).is_err(), "two are out");
    let ((), (), (kept, seen), pacer) =
        race::three(pacer, |pacer: &P| pacer.undo(a), |pacer: &P| pacer.undo(b), take_and_look(12));
    assert!(kept, "the burst has room for all");
    let ahead = pacer.ahead(12);
    assert!(ahead >= 10, "{Q1_STAYS}: {ahead} of 10 is left");
    seen
}

#[test]
fn q1_undone_takes_never_free_what_stays() {
    model(Q1_STAYS, THREE_BOUNDED, || stays::<Lined>());
}

#[test]
fn q1_undone_takes_never_free_what_stays_twin() {
    // Gives back down to its own mark, as if nothing before it had been given back.
    twin(Q1_STAYS, THREE_BOUNDED, || stays::<Planted<3>>());
}

/// Two units of 0 are undone beside one that is charged at 12, whether there is room or not.
fn charged<P: Pacer>() -> impl std::fmt::Debug {
    let pacer = P::new();
    let taken = pacer.take(0, 2).ok().unwrap();
    let charge = |pacer: &P| {
        pacer.charge(12, 1);
        pacer.ahead(12)
    };
    let ((), seen, pacer) = race::two(pacer, |pacer: &P| pacer.undo(taken), charge);
    let ahead = pacer.ahead(12);
    assert!(ahead >= 10, "{Q1_CHARGED}: {ahead} of 10 is left");
    seen
}

#[test]
fn q1_what_was_charged_unasked_is_not_given_back() {
    model(Q1_CHARGED, TWO, || charged::<Lined>());
}

#[test]
fn q1_what_was_charged_unasked_is_not_given_back_twin() {
    // Charges without showing its time.
    twin(Q1_CHARGED, TWO, || charged::<Planted<4>>());
}

/// The burst is taken at 100; then somebody comes from 50, and somebody from 110, when one unit has drained.
fn backwards<P: Pacer>() -> impl std::fmt::Debug {
    let pacer = P::new();
    pacer.take(100, 3).ok().unwrap();
    let (before, after, pacer) =
        race::two(pacer, |pacer| pacer.take(50, 1).map(|_| ()), |pacer| pacer.take(110, 1).is_ok());
    assert!(before.is_err() && after, "{Q1_BACK}: {before:?} at 50, {after} at 110");
    assert!(pacer.take(110, 1).is_err(), "{Q1_BACK}, nor later");
    before
}

#[test]
fn q1_a_clock_that_steps_back_grants_nothing() {
    model(Q1_BACK, TWO, || backwards::<Lined>());
}

#[test]
fn q1_a_clock_that_steps_back_grants_nothing_twin() {
    // Remembers the time of the last caller instead of the latest.
    twin(Q1_BACK, TWO, || backwards::<Bucket>());
}

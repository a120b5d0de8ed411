//! Periods: C1.

use crate::explore::{THREE_BOUNDED, model, twin};
use crate::kernel::window::Windows;
use crate::race;

const C1: &str = "C1: what was taken in a period settles into it";

/// Which window a hold settles into, of the one it entered and the period of the clock.
type Settling = fn(&Windows, u32) -> u32;

/// A hold that is taken in period 0 and settles when period 1 may have begun, and two demands of period 1.
fn settled(settling: Settling) -> impl std::fmt::Debug {
    let enter_and_take = |period: u64, windows: &Windows| {
        let number = windows.enter(period);
        windows.get(number).unwrap().tally.take(2).unwrap();
        number
    };
    let settle = move |number: u32, windows: &Windows| {
        let window = windows.get(settling(windows, number)).unwrap();
        window.tally.settle(2, 1);
        window.committed.add(1);
        number
    };
    let (old, a, b, windows) = race::three(
        Windows::new(0, 6),
        move |windows: &Windows| settle(enter_and_take(0, windows), windows),
        move |windows: &Windows| enter_and_take(1, windows),
        move |windows: &Windows| enter_and_take(1, windows),
    );
    assert_eq!((a, b), (1, 1), "{C1}: a period begins once");
    let figures = [0, 1].map(|number| {
        let window = windows.get(number).unwrap();
        (window.tally.word().used(6), window.committed.read())
    });
    let expected = if old == 0 { [(1, 1), (4, 0)] } else { [(0, 0), (5, 1)] };
    assert_eq!(figures, expected, "{C1}: window {old}");
    assert!(windows.get(2).is_none() && windows.enter(0) == 1, "{C1}: a period that is over does not come back");
    old
}

#[test]
fn c1_a_hold_settles_into_the_period_it_was_taken_in() {
    model(C1, THREE_BOUNDED, || settled(|_, number| number));
}

#[test]
fn c1_a_hold_settles_into_the_period_it_was_taken_in_twin() {
    // Looks up the current window again when it settles.
    twin(C1, THREE_BOUNDED, || settled(|windows, _| windows.enter(0)));
}

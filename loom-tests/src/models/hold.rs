//! What a hold leaves behind: R1, R2.

use super::counter::{Counter, ForgivesDebt, SettleByStore};
use crate::explore::{TWO, model, twin};
use crate::kernel::meter::Meter;
use crate::kernel::tally::Tally;
use crate::race;

const R1: &str = "R1: at rest what is used is the sum of what was really spent";
const R2: &str = "R2: an overrun is kept as debt, to the unit";

/// Three holds: one settles for less, one is dropped, one settles in full; each ends once.
fn sums<C: Counter>() -> impl std::fmt::Debug {
    let (first, second, ground) = race::two(
        (C::new(10), Meter::new()),
        |(counter, meter)| {
            counter.take(4).unwrap();
            counter.settle(4, 3);
            meter.add(3).total
        },
        |(counter, meter)| {
            counter.take(2).unwrap();
            counter.settle(2, 0);
            counter.take(4).unwrap();
            counter.settle(4, 4);
            meter.add(4).total
        },
    );
    let (counter, meter) = &*ground;
    assert_eq!(10 - counter.remaining(), 7, "{R1}: used");
    assert_eq!(meter.read(), 7, "{R1}: committed");
    (first, second)
}

#[test]
fn r1_every_hold_ends_once_and_the_sums_are_exact() {
    model(R1, TWO, || sums::<Tally>());
}

#[test]
fn r1_every_hold_ends_once_and_the_sums_are_exact_twin() {
    twin(R1, TWO, || sums::<SettleByStore>());
}

/// Two holds that both cost more than they asked for.
fn overruns<C: Counter>() -> impl std::fmt::Debug {
    let spend = |reserved: u64, actual: u64| {
        move |counter: &C| counter.take(reserved).map(|()| counter.settle(reserved, actual))
    };
    let (a, b, counter) = race::two(C::new(5), spend(3, 5), spend(2, 4));
    let spent = a.map_or(0, |()| 5) + b.map_or(0, |()| 4);
    assert_eq!(counter.remaining(), 5 - spent, "{R2}");
    // Debt blocks even who asks for nothing.
    assert_eq!(counter.take(0).is_err(), spent > 5, "{R2}, and blocks");
    (a, b)
}

#[test]
fn r2_an_overrun_is_kept_as_debt() {
    model(R2, TWO, || overruns::<Tally>());
}

#[test]
fn r2_an_overrun_is_kept_as_debt_twin() {
    twin(R2, TWO, || overruns::<ForgivesDebt>());
}

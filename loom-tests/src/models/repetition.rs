//! What is remembered of a step: T2.

use crate::explore::{TWO, model, twin};
use crate::kernel::repetition::RepetitionGuard;
use crate::kernel::tally::Tally;
use crate::race;

const T2: &str = "T2: a refused step is not remembered, an admitted one is";

/// Two different steps, and room for one of them.
fn remembered(step: fn(&RepetitionGuard, &Tally, u64) -> bool) -> impl std::fmt::Debug {
    let (a, b, ground) = race::two(
        (RepetitionGuard::new(1), Tally::new(1)),
        move |(memory, steps)| step(memory, steps, 7),
        move |(memory, steps)| step(memory, steps, 9),
    );
    assert!(a != b, "{T2}, and there is one step: {a}, {b}");
    let again = ground.0.look(|memory| [7, 9].map(|fingerprint| memory.would_repeat(fingerprint, 2).is_some()));
    assert_eq!(again, [a, b], "{T2}");
    assert!(!ground.0.is_empty(), "{T2}");
    a
}

#[test]
fn t2_a_refused_step_is_not_remembered() {
    model(T2, TWO, || remembered(|memory, steps, step| memory.within(Some(step), |_| steps.take(1)).is_ok()));
}

#[test]
fn t2_a_refused_step_is_not_remembered_twin() {
    // Looks for room, remembers, and takes.
    twin(T2, TWO, || {
        remembered(|memory, steps, step| {
            let fits = steps.word().fits(1).is_ok();
            fits && memory.within(Some(step), |_| Ok::<_, ()>(())).is_ok() && steps.take(1).is_ok()
        })
    });
}

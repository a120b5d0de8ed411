//! Halt, pause, finish: E1, E2.

use super::scope::{CauseApart, Change, FlagApart, Live, NoTurns, Scope};
use crate::explore::{THREE, THREE_BOUNDED, TWO, model, twin};
use crate::race;

const E1: &str = "E1: nothing is taken once a change has returned";
const E2: &str = "E2: the first cause stays, and everyone sees it";
const E2_PAUSE: &str = "E2: no pause undoes a halt";
const E2_FINISH: &str = "E2: the end keeps the cause of the halt before it";

/// Changes the scope; what was used when that returned, and whether a take after it was admitted.
fn change_and_try<S: Scope>(change: Change) -> impl FnOnce(&S) -> ([u64; 2], bool) + 'static {
    move |scope| {
        let (_first, _standing) = scope.change(change);
        let used = scope.used();
        (used, scope.take(0) || scope.take(1))
    }
}

/// Two changes, and somebody who takes from both tallies.
pub(super) fn returned<S: Scope>(first: Change, second: Change) -> impl std::fmt::Debug {
    let (a, b, taken, scope) = race::three(S::new(), change_and_try(first), change_and_try(second), |scope: &S| {
        // The tally that is marked last is tried first: that is where a change that has only begun lets one through.
        [1, 0].map(|tally| u64::from(scope.take(tally)))
    });
    let [far, near] = taken;
    for (used, admitted) in [a, b] {
        assert!(!admitted, "{E1}: not by its own caller");
        assert_eq!(used, [near, far], "{E1}, and what was taken before is counted");
    }
    assert_eq!(scope.used(), [near, far], "{E1}: at rest");
    taken
}

#[test]
fn e1_nothing_is_taken_once_a_halt_has_returned() {
    model(E1, THREE_BOUNDED, || returned::<Live>(Change::Halt(1), Change::Halt(2)));
}

#[test]
fn e1_nothing_is_taken_once_a_halt_has_returned_twin() {
    twin(E1, THREE_BOUNDED, || returned::<FlagApart>(Change::Halt(1), Change::Halt(2)));
}

#[test]
fn e1_nothing_is_taken_once_a_pause_has_returned() {
    model(E1, THREE_BOUNDED, || returned::<Live>(Change::Pause(1), Change::Pause(2)));
}

#[test]
fn e1_nothing_is_taken_once_a_pause_has_returned_twin() {
    twin(E1, THREE_BOUNDED, || returned::<NoTurns>(Change::Pause(1), Change::Pause(2)));
}

#[test]
fn e1_nothing_is_taken_once_a_finish_has_returned() {
    model(E1, THREE_BOUNDED, || returned::<Live>(Change::Finish, Change::Halt(1)));
}

#[test]
fn e1_nothing_is_taken_once_a_finish_has_returned_twin() {
    twin(E1, THREE_BOUNDED, || returned::<NoTurns>(Change::Finish, Change::Halt(1)));
}

/// Two halts, and somebody who is refused and asks why.
fn causes<S: Scope>() -> impl std::fmt::Debug {
    let halt = |cause: u8| move |scope: &S| scope.change(Change::Halt(cause));
    let (a, b, asked, scope) =
        race::three(S::new(), halt(1), halt(2), |scope| (!scope.take(1)).then(|| scope.standing()));
    let last = scope.standing();
    assert!(a.0 != b.0, "{E2}: one halt is the first: {a:?}, {b:?}");
    assert_eq!(last.cause, if a.0 { 1 } else { 2 }, "{E2}");
    for seen in [a.1, b.1].into_iter().chain(asked) {
        assert_eq!(seen, last, "{E2}");
    }
    (a.0, asked)
}

#[test]
fn e2_the_first_cause_wins_and_everyone_sees_it() {
    model(E2, THREE, || causes::<Live>());
}

#[test]
fn e2_the_first_cause_wins_and_everyone_sees_it_twin() {
    // The flags are set before the cause is written.
    twin(E2, THREE, || causes::<CauseApart>());
}

/// A pause against a halt.
fn paused<S: Scope>() -> impl std::fmt::Debug {
    let (pause, halt, scope) =
        race::two(S::new(), |scope| scope.change(Change::Pause(7)), |scope| scope.change(Change::Halt(9)));
    let last = scope.standing();
    assert!(halt.0, "{E2_PAUSE}: the only halt is the first");
    assert!(last.halted && last.cause == 9, "{E2_PAUSE}: {last:?}");
    assert!(!scope.take(0) && !scope.take(1), "{E2_PAUSE}");
    pause
}

#[test]
fn e2_a_halt_overrides_a_pause_for_good() {
    model(E2_PAUSE, TWO, || paused::<Live>());
}

#[test]
fn e2_a_halt_overrides_a_pause_for_good_twin() {
    // Loads the state and stores it with the pause in it.
    twin(E2_PAUSE, TWO, || paused::<CauseApart>());
}

/// A finish against a halt.
fn finished<S: Scope>() -> impl std::fmt::Debug {
    let (finish, halt, scope) =
        race::two(S::new(), |scope| scope.change(Change::Finish), |scope| scope.change(Change::Halt(9)));
    let last = scope.standing();
    assert!(finish.0 && last.ended, "{E2_FINISH}: it ends: {last:?}");
    assert_eq!((last.halted, last.cause), if halt.0 { (true, 9) } else { (false, 0) }, "{E2_FINISH}");
    // Who came second has seen what the first did.
    assert!(finish.1.halted == halt.0 && halt.1.ended != halt.0, "{E2_FINISH}: {finish:?}, {halt:?}");
    halt
}

#[test]
fn e2_a_finish_keeps_the_cause() {
    model(E2_FINISH, TWO, || finished::<Live>());
}

#[test]
fn e2_a_finish_keeps_the_cause_twin() {
    // Loads the state and stores it with the end in it.
    twin(E2_FINISH, TWO, || finished::<CauseApart>());
}

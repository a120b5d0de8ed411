//! Pauses and what ends them: E3, and E2 where a resume meets a halt.

use super::pausing::{FOR_HALT, FOR_PAUSE, Flaw, Flawed, Live, Pausing, Words};
use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::cell::Cell;
use crate::kernel::tally::{HALTED, PAUSED, Refusal};
use crate::race;

const E2: &str = "E2: no resume undoes a halt";
const E3_MIX: &str = "E3: a resume and a new pause never mix";
const E3_BARS: &str = "E3: a new pause bars every word once it has returned";
const E3_NUMBER: &str = "E3: a pause ends by an approval of that pause alone";
const E3_FAILED: &str = "E3: nothing is admitted before an approval is through, and nothing after one that fails";
const E3_REJECT: &str = "E3: a rejection halts out of that pause alone";

fn refused(words: &Words) -> bool {
    [1, 0].into_iter().all(|tally| words.take(tally) == Err(Refusal::Barred))
}

/// State word and tallies say the same.
fn agree<S: Pausing>(scope: &S, promise: &str) {
    let stand = scope.stand();
    match (stand.halted, stand.paused, scope.words().flags()) {
        (false, false, Some(0)) | (false, true, Some(PAUSED)) => {}
        (true, false, Some(flags)) if flags & HALTED != 0 => {}
        (_, _, flags) => panic!("{promise}: {stand:?}, and the tallies bear {flags:?}"),
    }
}

/// Pause 1 is approved while pause 2 comes.
fn mixed<S: Pausing>(scope: S) -> impl std::fmt::Debug {
    let (resumed, paused, scope) = race::two(scope, |scope: &S| scope.resume(1, || true), |scope: &S| scope.pause(2));
    assert_eq!(resumed, Some(true), "{E3_MIX}: nothing else ends pause 1");
    assert_eq!(scope.stand().paused, paused, "{E3_MIX}: {:?}", scope.stand());
    agree(&*scope, E3_MIX);
    paused
}

#[test]
fn e3_a_resume_and_a_new_pause_never_mix() {
    model(E3_MIX, TWO, || mixed(Live::paused()));
}

#[test]
fn e3_a_resume_and_a_new_pause_never_mix_twin() {
    twin(E3_MIX, TWO, || mixed(Flawed::paused(Flaw::NoLock)));
}

/// Pause 1 is approved while pause 2 comes, and somebody takes.
fn bars<S: Pausing>(scope: S) -> impl std::fmt::Debug {
    let (resumed, barred, taken, scope) = race::three(
        scope,
        |scope: &S| scope.resume(1, || true),
        |scope: &S| scope.pause(2).then(|| refused(scope.words())),
        |scope: &S| scope.words().take(1).is_ok(),
    );
    assert_eq!(resumed, Some(true), "{E3_BARS}: nothing else ends pause 1");
    assert_ne!(barred, Some(false), "{E3_BARS}");
    assert_eq!(scope.words().tallies[1].word().used(10), u64::from(taken), "{E3_BARS}, and counts what came before");
    (barred, taken)
}

#[test]
fn e3_a_new_pause_bars_every_word() {
    model(E3_BARS, THREE, || bars(Live::paused()));
}

#[test]
fn e3_a_new_pause_bars_every_word_twin() {
    twin(E3_BARS, THREE, || bars(Flawed::paused(Flaw::OpensBehindTheLock)));
}

/// Two approvals of pause 1, while pause 2 comes.
fn numbered<S: Pausing>(scope: S) -> impl std::fmt::Debug {
    let resume = |scope: &S| scope.resume(1, || true).unwrap();
    let (a, b, paused, scope) = race::three(scope, resume, resume, |scope| scope.pause(2));
    assert!(a != b, "{E3_NUMBER}, the other one does nothing: {a}, {b}");
    let stand = scope.stand();
    assert_eq!((stand.paused, stand.pause), if paused { (true, 2) } else { (false, 1) }, "{E3_NUMBER}: {stand:?}");
    agree(&*scope, E3_NUMBER);
    (a, paused)
}

#[test]
fn e3_an_approval_of_an_older_pause_does_nothing() {
    model(E3_NUMBER, THREE, || numbered(Live::paused()));
}

#[test]
fn e3_an_approval_of_an_older_pause_does_nothing_twin() {
    twin(E3_NUMBER, THREE, || numbered(Flawed::paused(Flaw::NoNumber)));
}

/// An approval that fails and one that raises the limit, while somebody takes from the word that has room and from the
/// one that had none.
fn approved<S: Pausing>(scope: S) -> impl std::fmt::Debug {
    let (failed, raised, taken, ground) = race::three(
        (scope, Cell::new(0)),
        |(scope, _): &(S, Cell)| scope.resume(1, || false),
        |(scope, through): &(S, Cell)| {
            scope.resume(1, || {
                scope.words().raise();
                through.apply(|_| (1, true))
            })
        },
        |(scope, through)| [1, 0].map(|tally| scope.words().take(tally).map(|()| through.load())),
    );
    assert_eq!(raised, Some(true), "{E3_FAILED}: the other approval succeeds");
    assert_ne!(failed, Some(true), "{E3_FAILED}");
    for take in taken {
        assert!(matches!(take, Ok(1) | Err(Refusal::Barred)), "{E3_FAILED}: {take:?}");
    }
    agree(&ground.0, E3_FAILED);
    (failed, taken.map(|take| take.is_ok()))
}

#[test]
fn e3_nothing_is_admitted_before_an_approval_is_through() {
    model(E3_FAILED, THREE, || approved(Live::paused()));
}

#[test]
fn e3_nothing_is_admitted_before_an_approval_is_through_twin() {
    twin(E3_FAILED, THREE, || approved(Flawed::paused(Flaw::OpensFirst)));
}

/// Pause 1 is approved and rejected, while pause 2 comes.
fn rejected<S: Pausing>(scope: S) -> impl std::fmt::Debug {
    let (resumed, rejected, paused, scope) = race::three(
        scope,
        |scope: &S| scope.resume(1, || true).unwrap(),
        |scope: &S| scope.reject(1),
        |scope: &S| scope.pause(2),
    );
    let stand = scope.stand();
    assert!(resumed != rejected, "{E3_REJECT}, and only if nothing else ended it: {stand:?}");
    assert_eq!((stand.halted, stand.paused), (rejected, paused), "{E3_REJECT}: {stand:?}");
    assert_eq!(stand.cause, if rejected || paused { FOR_PAUSE } else { 0 }, "{E3_REJECT}: {stand:?}");
    assert_eq!(scope.words().slot.word().remaining(), i64::from(rejected), "{E3_REJECT}, and gives the slot back");
    agree(&*scope, E3_REJECT);
    (resumed, paused)
}

#[test]
fn e3_a_rejection_halts_out_of_that_pause_alone() {
    model(E3_REJECT, THREE, || rejected(Live::paused()));
}

#[test]
fn e3_a_rejection_halts_out_of_that_pause_alone_twin() {
    twin(E3_REJECT, THREE, || rejected(Flawed::paused(Flaw::LooksThenHalts)));
}

/// An approval against a halt, and somebody who is refused and asks why.
fn halted<S: Pausing>(scope: S) -> impl std::fmt::Debug {
    let (resumed, halted, seen, scope) = race::three(
        scope,
        |scope: &S| scope.resume(1, || true).unwrap(),
        |scope: &S| (scope.halt(), refused(scope.words())),
        |scope| scope.words().take(1).is_err().then(|| scope.stand()),
    );
    let why = seen.map(|stand| stand.cause);
    assert!(matches!(why, None | Some(0 | FOR_PAUSE | FOR_HALT)), "{E2}: {seen:?}");
    let stand = scope.stand();
    assert_eq!(halted, (true, true), "{E2}: the only halt is the first, and bars");
    assert_eq!((stand.halted, stand.cause), (true, FOR_HALT), "{E2}: {stand:?}");
    assert!(refused(scope.words()), "{E2}");
    agree(&*scope, E2);
    (resumed, why)
}

#[test]
fn e2_no_resume_undoes_a_halt() {
    model(E2, THREE, || halted(Live::paused()));
}

#[test]
fn e2_no_resume_undoes_a_halt_twin() {
    twin(E2, THREE, || halted(Flawed::paused(Flaw::StoresBack)));
}

//! What is remembered of the steps that were admitted.

use super::alone;
use crate::kernel::repetition::{MAX_CYCLE, RepetitionGuard};

fn admit(guard: &RepetitionGuard, fingerprints: impl IntoIterator<Item = u64>) {
    for fingerprint in fingerprints {
        guard.within(Some(fingerprint), |_| Ok::<_, ()>(())).unwrap();
    }
}

/// The period that this step would repeat twice.
fn twice(guard: &RepetitionGuard, fingerprint: u64) -> Option<u64> {
    guard.look(|memory| memory.would_repeat(fingerprint, 2))
}

#[test]
fn who_is_to_know_longer_rounds_begins_to_look_for_them_and_told_so_again_forgets_none() {
    alone(|| {
        let guard = RepetitionGuard::new(1);
        guard.resize(|| Some(2));
        admit(&guard, [1, 2, 1]);
        assert_eq!(twice(&guard, 2), Some(2));
        guard.resize(|| Some(2));
        assert_eq!(twice(&guard, 2), Some(2));
        guard.resize(|| Some(3));
        assert_eq!(twice(&guard, 2), None);
        admit(&guard, [3, 2, 1, 3, 2]);
        assert_eq!(twice(&guard, 1), Some(3));
    });
}

#[test]
fn a_round_of_any_length_up_to_the_longest_is_found() {
    for length in 2..=MAX_CYCLE as u64 {
        alone(move || {
            let guard = RepetitionGuard::new(MAX_CYCLE);
            admit(&guard, (1..=length).chain(1..length));
            assert_eq!((twice(&guard, length), twice(&guard, 99)), (Some(length), None));
        });
    }
}

//! Which bucket a moment is in.

use super::alone;
use crate::kernel::wheel::Wheel;

/// A tick, in nanoseconds.
const TICK: u64 = 1 << 30;

/// A wheel that stands at that tick, with one entry a few nanoseconds behind the beginning of each of these.
fn wheel(tick: u64, ticks: &[u64]) -> Wheel<u64> {
    let mut wheel = Wheel::new(tick * TICK);
    for tick in ticks {
        let number = wheel.insert(*tick).unwrap();
        wheel.place(number, Some(tick * TICK + 7));
    }
    wheel
}

/// The tick at which the first bucket with an entry begins.
fn first(tick: u64, ticks: &[u64]) -> u64 {
    let first = wheel(tick, ticks).first().unwrap();
    assert_eq!(first % TICK, 0, "near, where a bucket was to be");
    first / TICK
}

#[test]
fn a_moment_ahead_is_in_the_shortest_ring_that_reaches_it() {
    alone(|| {
        // Of a tick each, up to 4,096; of 4,096 each, up to 2,048 of them; of 2,048 of those each.
        for (ahead, begins) in [
            (1, 1),
            (4_095, 4_095),
            (4_096, 4_096),
            (5_000, 4_096),
            (8_191, 4_096),
            (8_192, 8_192),
            (4_096 * 2_048 - 1, 4_096 * 2_047),
            (4_096 * 2_048, 4_096 * 2_048),
            (4_096 * 2_048 * 3 - 1, 4_096 * 2_048 * 2),
        ] {
            assert_eq!(first(0, &[ahead]), begins, "{ahead}");
        }
        assert_eq!(first(4_095, &[4_095 + 4_095, 4_095 + 5_000]), 8_190);
        assert_eq!(first(4_095, &[4_095 + 5_000]), 8_192);
    });
}

#[test]
fn a_bucket_of_the_next_turn_comes_behind_those_of_this_one() {
    alone(|| {
        // The first stands in a word of bits before that of the second, and before the place where the wheel stands.
        assert_eq!(first(10, &[4_096 + 5, 100]), 100);
        assert_eq!(first(100, &[4_096 + 70, 200]), 200);
        assert_eq!(first(100, &[4_096 + 70, 4_096 + 3]), 4_096 + 3);
    });
}

#[test]
fn a_wheel_turns_to_no_bucket_that_has_not_begun() {
    alone(|| {
        let mut wheel = wheel(0, &[5]);
        for now in [0, TICK, 5 * TICK - 1] {
            assert_eq!((wheel.turn(now), wheel.first()), (None, Some(5 * TICK)));
        }
        let number = wheel.turn(5 * TICK).unwrap();
        wheel.place(number, Some(5 * TICK + 7));
        assert_eq!((wheel.turn(5 * TICK), wheel.first()), (None, Some(5 * TICK + 7)));
    });
}

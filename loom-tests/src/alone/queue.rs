//! Who waits for which words.

use std::cell::Cell;

use super::alone;
use crate::kernel::queue::{Found, Queue, Ticket, Turn};
use crate::sync::Waker;

/// Three words of a scope.
const WORDS: [u8; 3] = [0b001, 0b010, 0b100];

fn join(queue: &Queue, wants: u8) -> Ticket {
    queue.join(Waker::noop().clone(), wants, || ())
}

/// Leaves; the words for which nobody waits any more.
fn leave(queue: &Queue, ticket: Ticket) -> u8 {
    let mut gone = 0;
    let _next: Option<Waker> = queue.leave(ticket, |words| gone = words);
    gone
}

fn wanted(queue: &Queue) -> [bool; 3] {
    WORDS.map(|word| queue.wants(word))
}

#[test]
fn who_leaves_unmarks_the_words_that_nobody_else_waits_for_and_no_other() {
    alone(|| {
        let queue = Queue::new();
        let (first, second) = (join(&queue, 0b101), join(&queue, 0b110));
        assert_eq!(wanted(&queue), [true, true, true]);
        assert_eq!(leave(&queue, first), 0b001);
        assert_eq!(wanted(&queue), [false, true, true]);
        assert_eq!((leave(&queue, second), wanted(&queue)), (u8::MAX, [false, false, false]));
    });
}

#[test]
fn who_wants_another_word_as_well_waits_for_both_until_it_leaves() {
    alone(|| {
        let queue = Queue::new();
        let (first, _second) = (join(&queue, 0b001), join(&queue, 0b001));
        // Again and again, as it finds words in its way: it is counted once.
        for wants in [0b011, 0b010, 0b011] {
            queue.want(first, wants);
            assert_eq!(wanted(&queue), [true, true, false]);
        }
        assert_eq!((leave(&queue, first), wanted(&queue)), (0b010, [true, false, false]));
    });
}

#[test]
fn who_finds_no_room_looks_again_if_one_of_its_words_had_borne_no_mark() {
    alone(|| {
        let queue = Queue::new();
        let ticket = join(&queue, 0b001);
        let (marks, looks) = (Cell::new(0), Cell::new(0));
        let count = |times: &Cell<u64>| {
            times.set(times.get() + 1);
            times.get()
        };
        // The first mark and the second meet a word that bore none.
        let turn = queue.turn(ticket, Waker::noop().clone(), || count(&marks) < 3, || Found::Nothing(count(&looks)));
        assert_eq!((turn, marks.get()), (Turn::Looked(2), 3));
    });
}

#[test]
fn a_mark_that_was_left_behind_goes_unless_somebody_waits_for_its_word() {
    alone(|| {
        let queue = Queue::new();
        let _ticket = join(&queue, 0b001);
        let unmarked = |word| {
            let mut unmarked = false;
            queue.unmark_unless_wanted(word, || unmarked = true);
            unmarked
        };
        assert_eq!(WORDS.map(unmarked), [false, true, true]);
    });
}

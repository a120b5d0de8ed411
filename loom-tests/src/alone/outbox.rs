//! What is noted, and told behind the lock.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::alone;
use crate::kernel::outbox::Outbox;

#[test]
fn what_is_left_behind_a_listener_that_panics_is_told_by_the_next_call() {
    alone(|| {
        let outbox = Outbox::new(2);
        assert_eq!(['a', 'b'].map(|item| outbox.note(item)), [1, 2]);
        let listener = AssertUnwindSafe(|| outbox.tell(|_, _| resume_unwind(Box::new("no more"))));
        assert!(catch_unwind(listener).is_err());
        let mut told = Vec::new();
        outbox.tell(|number, item| told.push((number, item)));
        assert_eq!(told, [(2, 'b')]);
    });
}

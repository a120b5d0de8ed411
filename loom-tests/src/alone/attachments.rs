//! Who still needs an entry.

use super::alone;
use crate::kernel::attachments::Attachments;

#[test]
fn who_came_and_went_since_a_look_keeps_the_entry_from_being_retired() {
    alone(|| {
        let attachments = Attachments::new();
        let seen = attachments.see().unwrap();
        for _ in 0..4 {
            assert!(attachments.attach());
            assert!(attachments.detach().is_some_and(|left| left != seen));
            assert!(!attachments.retire(seen));
        }
        assert!(!attachments.are_retired());
        let left = attachments.see().unwrap();
        assert!(attachments.retire(left) && attachments.are_retired() && !attachments.attach());
    });
}

#[test]
fn who_never_attached_counts_nothing_down() {
    alone(|| {
        let attachments = Attachments::new();
        let seen = attachments.see();
        assert_eq!((attachments.detach(), attachments.see()), (None, seen));
    });
}

#[test]
fn only_the_last_of_several_leaves_something_to_be_retired() {
    alone(|| {
        let attachments = Attachments::new();
        assert!((0..5).all(|_| attachments.attach()));
        assert!((0..4).all(|_| attachments.detach().is_none() && attachments.see().is_none()));
        let left = attachments.detach();
        assert!(left.is_some() && left == attachments.see());
    });
}

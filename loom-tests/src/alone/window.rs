//! A budget in one period.

use super::alone;
use crate::kernel::window::{BESIDE, NEVER_ENDS, Window};

#[test]
fn a_window_in_which_something_is_held_or_recorded_is_not_untouched() {
    alone(|| {
        let window = Window::new(9, [0; BESIDE], NEVER_ENDS);
        assert!(window.is_untouched());
        window.tally.take(1).unwrap();
        assert!(!window.is_untouched(), "held");
        window.committed.add(1);
        assert!(!window.is_untouched(), "recorded");
        window.tally.give(1);
        assert!(!window.is_untouched(), "recorded, and nothing held");
    });
}

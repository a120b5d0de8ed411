//! Holds that show in no tally: I1.

use crate::explore::{THREE, model, twin};
use crate::kernel::activity::Activity;
use crate::kernel::open::Open;
use crate::race;

const I1: &str = "I1: who has an open hold is not idle, nor who has just ended one";

/// Two holds are open and end; a reaper looks at ten, with a timeout of ten.
fn ended(end: fn(&(Activity, Open), u64)) -> impl std::fmt::Debug {
    let ground = (Activity::new(0), Open::new());
    ground.1.enter();
    ground.1.enter();
    let ((), (), (seen, reaped), ground) = race::three(
        ground,
        move |words| end(words, 4),
        move |words| end(words, 5),
        |(activity, open)| {
            // As a reaper does: the activity before the holds.
            let seen = activity.see();
            (seen.last(), seen.idle_at(10) >= 10 && open.is_empty() && activity.reap(seen))
        },
    );
    assert!(!reaped, "{I1}");
    assert!(ground.1.is_empty(), "{I1}, and both have left");
    assert_eq!(ground.0.see().last(), 5, "{I1}, and the last is known");
    seen
}

#[test]
fn i1_who_ends_a_hold_has_been_active_before_it_leaves() {
    model(I1, THREE, || {
        ended(|(activity, open), now| {
            assert!(activity.touch(now));
            open.leave();
        })
    });
}

#[test]
fn i1_who_ends_a_hold_has_been_active_before_it_leaves_twin() {
    // Leaves, then says that it was there.
    twin(I1, THREE, || {
        ended(|(activity, open), now| {
            open.leave();
            activity.touch(now);
        })
    });
}

//! What is below such a pause, and pauses inside each other.

use std::time::Duration;

use enforce_core::{Demand, EventBuffer, EventKind, LongRunningExecutionPolicy, Retry, Status, ViolationType};

use crate::common::{builder, disabled, kind, nano, noon, pass, register};

use super::super::{approval, ticket};
use super::{HOUR, deciders, enforcer, hourly, is_paused, meets_pause, spend};

#[test]
fn what_is_below_goes_on_by_its_own_demand() {
    for slice in [false, true] {
        let (time, events) = (noon(), EventBuffer::new(100));
        let run = register(&hourly(builder(&time).events(events.clone())).build().unwrap(), "exec", "tenant");
        let child = if slice {
            run.child("child").slice(Demand::none().tokens(5, 0)).register().unwrap()
        } else {
            run.child("child").register().unwrap()
        };
        let grandchild = child.child("grandchild").register().unwrap();
        spend(&run);
        let met = grandchild.reserve(Demand::none().tokens(1, 0)).unwrap_err();
        assert_eq!(met.retry, Retry::After(Duration::from_nanos(HOUR)));
        pass(&time, HOUR - 1);
        assert!(meets_pause(grandchild.reserve(Demand::none().tokens(1, 0))));
        pass(&time, 1);
        assert!(!grandchild.check(Demand::none().tokens(1, 0)).is_blocked() && is_paused(&grandchild));
        assert!(grandchild.reserve(Demand::none().tokens(1, 0)).is_ok());
        assert_eq!([run.status(), child.status(), grandchild.status()], [Status::Live; 3]);
        let told = events.drain().into_iter().filter_map(|event| match event.kind {
            EventKind::Approved { .. } | EventKind::Resumed {} => Some((event.kind.as_str(), event.execution_id?)),
            _ => None,
        });
        let expected = [("approved", "exec"), ("resumed", "child"), ("resumed", "grandchild")];
        assert_eq!(told.collect::<Vec<_>>(), expected.map(|(kind, id)| (kind, id.into())));
    }
}

#[test]
fn e3_a_childs_own_pause_by_hand_stays() {
    let time = noon();
    let run = register(&enforcer(&time), "exec", "tenant");
    let child = run.child("child").register().unwrap();
    spend(&run);
    child.pause("by hand");
    let met = child.reserve(Demand::none()).unwrap_err();
    assert_eq!(met.retry, Retry::AfterApproval, "time alone does not help");
    pass(&time, HOUR);
    assert!(child.check(Demand::none()).is_blocked());
    assert!(meets_pause(child.reserve(Demand::none())));
    assert_eq!((run.status(), is_paused(&child)), (Status::Live, true), "its parent's has ended all the same");
    child.approve(&ticket(&child), approval()).unwrap();
    assert!(child.reserve(Demand::none()).is_ok());
}

#[test]
fn e3_a_pause_above_by_hand_or_by_a_limit_stays() {
    let time = noon();
    let threshold = LongRunningExecutionPolicy { cost_alert_threshold_usd: Some(nano(1)), ..disabled() };
    for by_hand in [false, true] {
        let enforcer = hourly(builder(&time).long_running(threshold.clone())).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let child = run.child("child").register().unwrap();
        spend(&child);
        assert_eq!(run.status(), Status::Live, "the budget pauses who asked");
        if by_hand {
            run.pause("by hand");
        } else {
            run.charge(enforce_core::Actual::none().cost(nano(1)));
        }
        pass(&time, HOUR);
        assert_eq!(child.reserve(Demand::none()).unwrap_err().retry, Retry::AfterApproval);
        assert_eq!((child.pause_ticket(), is_paused(&child), is_paused(&run)), (None, true, true));
        run.approve(&ticket(&run), approval()).unwrap();
        assert!(child.reserve(Demand::none()).is_ok());
    }
}

#[test]
fn both_paused_until_then_both_go_on_and_each_approval_is_its_own() {
    let time = noon();
    let enforcer = enforcer(&time);
    let run = register(&enforcer, "exec", "tenant");
    let child = run.child("child").register().unwrap();
    spend(&child);
    assert!(run.reserve(Demand::step()).is_err() && is_paused(&run));
    pass(&time, HOUR);
    assert_eq!(child.touch(), Ok(()));
    assert_eq!((deciders(&run).len(), deciders(&child).len()), (1, 1));
    pass(&time, HOUR);
    spend(&child);
    assert!(run.reserve(Demand::step()).is_err() && is_paused(&run));
    pass(&time, HOUR);
    let resumed = enforcer.expire().resumed;
    let ids: Vec<_> = resumed.iter().map(|run| run.id()).collect();
    assert_eq!((ids, is_paused(&run), is_paused(&child)), (vec!["exec", "child"], false, false));
}

#[test]
fn a_child_is_not_registered_before_then() {
    let time = noon();
    let run = register(&enforcer(&time), "exec", "tenant");
    spend(&run);
    let refused = |registered: Result<_, enforce_core::RegisterError>| match registered {
        Err(enforce_core::RegisterError::Refused(violation)) => Some(violation),
        _ => None,
    };
    let early = refused(run.child("child").slice(Demand::none().tokens(1, 0)).register()).unwrap();
    assert_eq!(kind::<()>(Err(early)), Some(ViolationType::Paused));
    assert_eq!(early.retry, Retry::After(Duration::from_nanos(HOUR)));
    pass(&time, HOUR);
    assert!(run.child("child").slice(Demand::none().tokens(1, 0)).register().is_ok());
}

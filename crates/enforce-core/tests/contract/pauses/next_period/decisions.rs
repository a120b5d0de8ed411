//! Whoever decides before is first, and what the period says then does nothing.

use enforce_core::{ApprovalError, Cause, Demand, Status, ViolationType};

use crate::common::{kind, noon, pass};

use super::super::{approval, ticket};
use super::{Approved, HOUR, deciders, enforcer, is_paused, meets_pause, paused};

#[test]
fn e3_an_approval_before_then_wins_and_the_periods_does_nothing_to_a_later_pause() {
    let time = noon();
    let enforcer = enforcer(&time);
    let run = paused(&enforcer);
    run.approve(&ticket(&run), approval()).unwrap();
    run.pause("a look at it");
    let later = ticket(&run);
    pass(&time, HOUR);
    assert!(meets_pause(run.reserve(Demand::step())) && meets_pause(run.touch()));
    assert!(enforcer.expire().resumed.is_empty());
    assert_eq!((ticket(&run), later.until), (later.clone(), None));
    assert_eq!(deciders(&run), ["ada"]);
}

#[test]
fn e3_approved_before_then_it_is_paused_again_by_the_budget_that_still_says_so() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let first = ticket(&run);
    run.approve(&first, approval()).unwrap();
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::StepLimit));
    assert!(is_paused(&run) && ticket(&run).pause != first.pause);
    pass(&time, HOUR);
    assert!(run.reserve(Demand::step()).is_ok());
    assert_eq!(deciders(&run), ["ada", Approved::NEXT_PERIOD]);
}

#[test]
fn e3_a_ticket_whose_pause_the_period_has_ended_approves_and_rejects_nothing() {
    let time = noon();
    let run = paused(&enforcer(&time));
    let old = ticket(&run);
    pass(&time, HOUR);
    run.touch().unwrap();
    run.pause("another one");
    assert_eq!(run.approve(&old, approval()), Err(ApprovalError::NotPaused));
    assert_eq!(run.reject(&old), Err(ApprovalError::NotPaused));
    assert!(is_paused(&run));
}

#[test]
fn e3_due_but_not_carried_out_it_can_still_be_decided_by_hand() {
    let time = noon();
    let run = paused(&enforcer(&time));
    pass(&time, HOUR);
    run.approve(&ticket(&run), approval()).unwrap();
    assert_eq!(deciders(&run), ["ada"]);
    let run = paused(&enforcer(&time));
    pass(&time, HOUR);
    assert!(matches!(run.reject(&ticket(&run)), Ok(Status::Halted(_))));
}

#[test]
fn e2_no_period_undoes_a_halt_or_a_rejection() {
    let stops: [fn(&super::Execution); 2] = [
        |run| {
            run.halt(Cause::own(ViolationType::Requested));
        },
        |run| {
            run.reject(&ticket(run)).unwrap();
        },
    ];
    for stop in stops {
        let time = noon();
        let enforcer = enforcer(&time);
        let run = paused(&enforcer);
        stop(&run);
        let halted = run.status();
        pass(&time, HOUR);
        assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::Halted));
        assert!(enforcer.expire().resumed.is_empty());
        assert_eq!((run.status(), run.approvals()), (halted, Vec::new()));
    }
}

#[test]
fn an_end_meanwhile_is_an_end() {
    let time = noon();
    let enforcer = enforcer(&time);
    let run = paused(&enforcer);
    run.finish();
    pass(&time, HOUR);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::Closed));
    assert!(enforcer.expire().resumed.is_empty() && run.approvals().is_empty());
}

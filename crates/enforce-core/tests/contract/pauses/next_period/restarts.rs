//! Such a pause outlives its enforcer, and ends when it would have.

use enforce_core::{Demand, EnforcerState, Retry, Status, Timestamp};

use crate::common::{DAY, NOON, builder, noon, pass, register};
use crate::restore::{into, saved, try_into};

use super::super::ticket;
use super::{Approved, HOUR, ONE, deciders, enforcer, hourly, is_paused, meets_pause, paused};

#[test]
fn it_ends_when_it_would_have_ended() {
    let time = noon();
    let state = saved(&{
        let enforcer = enforcer(&time);
        let _run = paused(&enforcer);
        enforcer
    });
    pass(&time, HOUR / 2);
    let run = into(hourly(builder(&time)), &state).get("exec").unwrap();
    assert_eq!(ticket(&run).until, Some(ONE));
    pass(&time, HOUR / 2 - 1);
    assert!(meets_pause(run.reserve(Demand::step())));
    pass(&time, 1);
    assert!(run.reserve(Demand::step()).is_ok());
    assert_eq!(deciders(&run), [Approved::NEXT_PERIOD]);
}

#[test]
fn due_while_nothing_ran_it_ends_with_the_first_demand_or_expire() {
    for by_expire in [false, true] {
        let time = noon();
        let before = enforcer(&time);
        let _run = paused(&before);
        let state = saved(&before);
        pass(&time, 3 * HOUR);
        let after = into(hourly(builder(&time)), &state);
        let run = after.get("exec").unwrap();
        assert!(is_paused(&run));
        if by_expire {
            assert_eq!((after.expire().resumed.len(), run.status()), (1, Status::Live));
        }
        assert!(run.reserve(Demand::step()).is_ok());
    }
}

#[test]
fn the_approval_goes_with_the_pause_and_not_with_the_budget_of_today() {
    let time = noon();
    let before = enforcer(&time);
    let _run = paused(&before);
    let state = saved(&before);
    let run = into(builder(&time), &state).get("exec").unwrap();
    assert!(meets_pause(run.reserve(Demand::step())));
    pass(&time, HOUR);
    assert!(run.reserve(Demand::step()).is_ok());
}

#[test]
fn a_state_of_before_there_was_a_moment_in_it_is_read_as_a_pause_that_awaits_somebody() {
    let time = noon();
    let before = enforcer(&time);
    let _run = paused(&before);
    let mut text = serde_json::to_value(before.save()).unwrap();
    assert!(text["executions"][0]["pause"].as_object_mut().unwrap().remove("until").is_some());
    let state: EnforcerState = serde_json::from_value(text).unwrap();
    let run = into(hourly(builder(&time)), &state).get("exec").unwrap();
    pass(&time, DAY);
    assert_eq!(run.reserve(Demand::step()).unwrap_err().retry, Retry::AfterApproval);
}

#[test]
fn a_pause_that_awaits_somebody_is_saved_as_before() {
    let before = enforcer(&noon());
    register(&before, "exec", "tenant").pause("by hand");
    let text = serde_json::to_value(before.save()).unwrap();
    assert_eq!(text["executions"][0]["pause"].get("until"), None);
}

#[test]
fn n1_no_moment_of_a_state_panics_and_only_a_budgets_pause_has_one() {
    let time = noon();
    let before = enforcer(&time);
    let _run = paused(&before);
    for until in [0, 1, NOON - 1, NOON, u64::MAX - 1, u64::MAX] {
        let mut state = saved(&before);
        state.executions[0].pause.as_mut().unwrap().until = Some(Timestamp::from_nanos(until));
        let after = into(hourly(builder(&time)), &state);
        let run = after.get("exec").unwrap();
        assert_eq!(run.check(Demand::none()).is_blocked(), until > NOON, "{until}");
        assert_eq!(after.expire().resumed.len(), usize::from(until <= NOON), "{until}");
        assert_eq!(run.touch().is_ok(), until <= NOON, "{until}");
        assert_eq!(ticket_until(&run), (until > NOON && until != u64::MAX).then_some(until));
        assert!(
            run.wait_for(Demand::none()).poll_at(std::task::Waker::noop(), time.now()).is_pending() == (until > NOON)
        );
    }
    let by_hand = enforcer(&time);
    register(&by_hand, "exec", "tenant").pause("by hand");
    let mut state = saved(&by_hand);
    state.executions[0].pause.as_mut().unwrap().until = Some(ONE);
    let error = try_into(hourly(builder(&time)), &state).unwrap_err().to_string();
    assert!(error.contains("executions[0].pause.until"), "{error}");
}

fn ticket_until(run: &enforce_core::Execution) -> Option<u64> {
    run.pause_ticket().and_then(|ticket| ticket.until).map(Timestamp::as_nanos)
}

//! Tickets, approvals and rejections.

use enforce_core::{
    Action, Actual, Approval, ApprovalError, Cause, Demand, EnforcementPolicy, Execution, LongRunningExecutionPolicy,
    PauseTicket, ResourceLimits, Retry, ScopeKind, Status, TenantPolicy, Timestamp, ViolationType,
};

use crate::common::{DAY, MAX, NOON, builder, disabled, kind, nano, noon, pass, register, run, run_long, unlimited};
use crate::limits::all;

use super::{approval, ticket};

fn threshold(nanos: u64, ceiling: Option<u64>) -> LongRunningExecutionPolicy {
    LongRunningExecutionPolicy {
        cost_alert_threshold_usd: Some(nano(nanos)),
        approval_ceiling_usd: ceiling.map(nano),
        ..disabled()
    }
}

/// Paused by its own limit of 10, of which `used` are committed.
fn paused(limits: ResourceLimits, long_running: LongRunningExecutionPolicy, ask: Demand, used: Actual) -> Execution {
    let builder = builder(&noon()).limits(limits).long_running(long_running).policy(all(Action::Pause));
    let run = register(&builder.build().unwrap(), "exec", "tenant");
    run.charge(used);
    assert!(run.reserve(ask).is_err());
    run
}

#[test]
fn a_ticket_says_what_was_asked_of_which_limit_and_survives_serialization() {
    let time = noon();
    let limits = ResourceLimits { max_tokens: 10, ..unlimited() };
    let enforcer = builder(&time).limits(limits).policy(all(Action::Pause)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(10, 0));
    pass(&time, 7);
    assert_eq!(run.reserve(Demand::step().tokens(3, 1)).unwrap_err().violation_type, ViolationType::TokenLimit);
    let ticket = ticket(&run);
    assert_eq!((ticket.execution_id.as_str(), ticket.tenant_id.as_str()), ("exec", "tenant"));
    assert_eq!((ticket.cause, ticket.limit), (Cause::own(ViolationType::TokenLimit), 10));
    assert_eq!((ticket.used, ticket.asked, ticket.why.as_deref()), (10, 4, None));
    assert_eq!(ticket.paused_at, Timestamp::from_nanos(NOON + 7), "though no limit needed the time");
    let text = serde_json::to_string(&ticket).unwrap();
    let read: PauseTicket = serde_json::from_str(&text).unwrap();
    assert_eq!(read, ticket);
    assert!(run.approve(&read, approval()).is_ok());
}

#[test]
fn the_default_next_limit_is_the_one_that_paused_it_and_the_one_that_was_registered() {
    let run = run_long(threshold(10, None));
    for (charged, next) in [(10, 20), (10, 30), (10, 40)] {
        run.charge(Actual::none().cost(nano(charged)));
        let approved = run.approve(&ticket(&run), approval()).unwrap();
        assert_eq!(approved.next_limit, Some(next));
    }
    run.charge(Actual::none().cost(nano(9)));
    assert_eq!(run.status(), Status::Live);
    run.charge(Actual::none().cost(nano(1)));
    assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::CostThreshold)));
}

#[test]
fn every_limit_on_an_amount_that_paused_it_is_raised_by_its_approval() {
    let cases = [
        (ResourceLimits { max_steps: 10, ..unlimited() }, disabled(), Demand::step(), Actual::none().steps(10)),
        (
            ResourceLimits { max_tokens: 10, ..unlimited() },
            disabled(),
            Demand::none().tokens(1, 0),
            Actual::tokens(10, 0),
        ),
        (
            ResourceLimits { max_cost_usd: Some(nano(10)), ..unlimited() },
            disabled(),
            Demand::none().cost(nano(1)),
            Actual::none().cost(nano(10)),
        ),
        (
            unlimited(),
            LongRunningExecutionPolicy { max_discovered_steps: Some(10), ..disabled() },
            Demand::none().discovered_steps(1),
            Actual::none().discovered_steps(10),
        ),
    ];
    for (limits, long_running, ask, used) in cases {
        let run = paused(limits, long_running, ask, used);
        for next_limit in [0, 10] {
            let named = run.approve(&ticket(&run), approval().next_limit(next_limit));
            assert_eq!(named, Err(ApprovalError::TooLow { next_limit, committed: 10 }));
        }
        assert!(matches!(run.status(), Status::Paused(_)), "nothing was changed");
        let approved = run.approve(&ticket(&run), approval().next_limit(11)).unwrap();
        assert_eq!(approved.next_limit, Some(11));
        let _open = run.reserve(ask).unwrap();
        let again = run.reserve(ask).unwrap_err();
        assert_eq!((again.limit, again.used + again.asked), (11, 12));
    }
}

#[test]
fn an_approval_stays_below_its_ceiling_and_at_it() {
    let run = run_long(threshold(10, Some(25)));
    run.charge(Actual::none().cost(nano(10)));
    let above = run.approve(&ticket(&run), approval().next_limit(26));
    assert_eq!(above, Err(ApprovalError::AboveCeiling { next_limit: 26, ceiling: 25 }));
    assert_eq!(run.approve(&ticket(&run), approval().next_limit(25)).unwrap().next_limit, Some(25));
    run.charge(Actual::none().cost(nano(15)));
    let default = run.approve(&ticket(&run), approval());
    assert_eq!(default, Err(ApprovalError::AboveCeiling { next_limit: 35, ceiling: 25 }));
}

#[test]
fn n1_no_limit_that_an_approval_names_is_too_large_to_be_answered() {
    let limits = ResourceLimits { max_steps: 1, ..unlimited() };
    for (next, admitted) in [(MAX, true), (MAX + 1, false), (u64::MAX - 1, false), (u64::MAX, true)] {
        let run = paused(limits.clone(), disabled(), Demand::step(), Actual::none().steps(1));
        let approved = run.approve(&ticket(&run), approval().next_limit(next));
        assert_eq!(approved.is_ok(), admitted, "{next}: {approved:?}");
        assert_eq!(run.reserve(Demand::step()).is_ok(), admitted);
    }
    let run = run_long(threshold(MAX, None));
    run.charge(Actual::none().cost(nano(MAX)));
    assert_eq!(run.approve(&ticket(&run), approval()), Err(ApprovalError::TooLow { next_limit: MAX, committed: MAX }));
}

#[test]
fn a_child_is_not_approved_above_its_slice() {
    let enforcer = builder(&noon()).policy(all(Action::Pause)).build().unwrap();
    let root = register(&enforcer, "root", "tenant");
    let limits = ResourceLimits { max_tokens: 4, ..unlimited() };
    let leaf = root.child("leaf").limits(limits).slice(Demand::none().tokens(10, 0)).register().unwrap();
    leaf.charge(Actual::tokens(4, 0));
    assert!(leaf.reserve(Demand::none().tokens(1, 0)).is_err());
    let above = leaf.approve(&ticket(&leaf), approval().next_limit(11));
    assert_eq!(above, Err(ApprovalError::AboveCeiling { next_limit: 11, ceiling: 10 }));
    assert_eq!(leaf.approve(&ticket(&leaf), approval()).unwrap().next_limit, Some(8));
}

#[test]
fn a_limit_that_came_after_registration_is_its_own_original() {
    let run = run(unlimited());
    run.set_long_running(threshold(10, None)).unwrap();
    run.charge(Actual::none().cost(nano(10)));
    assert_eq!(run.approve(&ticket(&run), approval()).unwrap().next_limit, Some(20));
}

#[test]
fn e3_a_ticket_ends_its_own_pause_once_and_no_other() {
    let time = noon();
    let enforcer = builder(&time).build().unwrap();
    let (run, other) = (register(&enforcer, "exec", "tenant"), register(&enforcer, "other", "tenant"));
    run.pause("first");
    other.pause("other");
    let first = ticket(&run);
    assert_eq!(other.approve(&first, approval()), Err(ApprovalError::NotPaused), "another's");
    assert!(run.approve(&first, approval()).is_ok());
    assert_eq!(run.approve(&first, approval()), Err(ApprovalError::NotPaused), "it has ended");
    run.pause("second");
    assert_eq!(run.approve(&first, approval()), Err(ApprovalError::NotPaused), "and this is another one");
    assert_eq!(run.reject(&first), Err(ApprovalError::NotPaused));
    assert_eq!(run.status(), Status::Paused(Cause::own(ViolationType::Requested)));
    let second = ticket(&run);
    run.halt(Cause::own(ViolationType::CostLimit));
    assert_eq!((run.approve(&second, approval()), run.pause_ticket()), (Err(ApprovalError::NotPaused), None));
    assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::CostLimit)), "E2: no approval undoes a halt");
}

#[test]
fn an_execution_that_is_paused_halted_or_ended_is_not_paused_again() {
    let run = run(unlimited());
    run.pause("first");
    let first = ticket(&run);
    assert_eq!(run.pause("second"), Status::Paused(Cause::own(ViolationType::Requested)));
    assert_eq!(ticket(&run), first);
    run.finish();
    assert_eq!(run.pause("third"), Status::Finished(Some(Cause::own(ViolationType::Requested))));
    assert_eq!(run.pause_ticket(), None);
}

#[test]
fn e2_a_rejected_pause_is_a_halt_for_what_had_paused_it() {
    let run = run_long(threshold(10, None));
    run.charge(Actual::none().cost(nano(10)));
    let ticket = ticket(&run);
    let halted = Status::Halted(Cause::own(ViolationType::CostThreshold));
    assert_eq!((run.reject(&ticket), run.status()), (Ok(halted), halted));
    assert_eq!(run.approve(&ticket, approval()), Err(ApprovalError::NotPaused));
    let refused = run.reserve(Demand::none()).unwrap_err();
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::Halted, Retry::Never));
}

#[test]
fn approvals_are_kept_with_who_and_why_in_their_order() {
    let run = run_long(threshold(10, None));
    run.charge(Actual::none().cost(nano(10)));
    let first = run.approve(&ticket(&run), Approval::new("ada", "worth it")).unwrap();
    run.pause("lunch");
    let second = run.approve(&ticket(&run), Approval::new("bob", "back").next_limit(3)).unwrap();
    assert_eq!((second.cause, second.next_limit), (Cause::own(ViolationType::Requested), None), "no limit to raise");
    assert_eq!(run.approvals(), [first.clone(), second]);
    assert_eq!((first.by.as_str(), first.why.as_str(), first.at), ("ada", "worth it", Timestamp::from_nanos(NOON)));
}

#[test]
fn a_tenants_budget_is_not_raised_and_pauses_again() {
    let tenant = TenantPolicy { budget_usd: Some(nano(5)), budget_action: Action::Pause, ..TenantPolicy::default() };
    let run = register(&builder(&noon()).tenant(tenant).build().unwrap(), "exec", "tenant");
    run.charge(Actual::none().cost(nano(5)));
    let ask = || run.reserve(Demand::none().cost(nano(1))).map(drop);
    assert_eq!(kind(ask()), Some(ViolationType::CostLimit));
    let paused = ticket(&run);
    assert_eq!(paused.cause, Cause { violation_type: ViolationType::CostLimit, scope: ScopeKind::Tenant });
    assert_eq!(run.approve(&paused, approval().next_limit(99)).unwrap().next_limit, None);
    assert_eq!((kind(ask()), run.pause_ticket().is_some()), (Some(ViolationType::CostLimit), true));
}

#[test]
fn open_holds_are_settled_while_paused_and_the_slot_stays_taken() {
    let limits = ResourceLimits { max_concurrent_executions: Some(1), ..unlimited() };
    let enforcer = builder(&noon()).limits(limits).policy(EnforcementPolicy::default()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let hold = run.reserve(Demand::step().tokens(5, 0)).unwrap();
    run.pause_at("wait", Timestamp::from_nanos(NOON + DAY));
    assert!(!hold.settle(Actual::tokens(4, 0)).late);
    assert!(enforcer.execution("next", "tenant").register().is_err());
    let refused = run.reserve(Demand::none()).unwrap_err();
    assert_eq!((refused.retry, refused.to_string().as_str()), (Retry::AfterApproval, "paused by requested"));
}

#[test]
fn e3_a_ticket_is_for_its_own_execution_alone() {
    let enforcers = [noon(), noon()].map(|time| builder(&time).build().unwrap());
    let ids = [("exec", "tenant"), ("other", "tenant"), ("exec", "other")];
    let one = enforcers[0].execution(ids[0].0, ids[0].1).register().unwrap();
    one.pause("one");
    for (id, tenant) in &ids[1..] {
        let other = enforcers[1].execution(*id, *tenant).register().unwrap();
        other.pause("quite another");
        assert_eq!(other.approve(&ticket(&one), approval()), Err(ApprovalError::NotPaused));
        assert_eq!(other.reject(&ticket(&one)), Err(ApprovalError::NotPaused));
        other.finish();
    }
    assert!(one.approve(&ticket(&one), approval()).is_ok());
}

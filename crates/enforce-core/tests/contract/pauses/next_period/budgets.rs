//! Which budgets can say so, and several of them beside each other.

use std::time::Duration;

use enforce_core::{
    Action, Budget, BudgetAmount, BudgetPeriod, Demand, EnforcementResult, Retry, ScopeKind, TenantPolicy, Timestamp,
    ViolationType,
};

use crate::common::{DAY, NOON, builder, kind, noon, pass, register};
use crate::limits::ACTIONS;
use crate::limits::budgets::with;

use super::super::ticket;
use super::{HOUR, ONE, deciders, enforcer, is_paused, meets_pause, paused, spend, steps};

#[test]
fn only_a_pause_by_the_hour_day_or_month_can_be_approved_beforehand() {
    for action in ACTIONS {
        for per in [BudgetPeriod::Hour, BudgetPeriod::Day, BudgetPeriod::Month, BudgetPeriod::Total] {
            let budget = steps(1, per).action(action);
            let error = budget.validate().err().map(|error| error.to_string());
            let expected = match (action, per) {
                (Action::Pause, BudgetPeriod::Total) => Some(
                    "next_period_approves: a budget in all has no next period; write per hour, day or month, or leave \
                     it out"
                        .to_owned(),
                ),
                (Action::Pause, _) => None,
                _ => Some(format!(
                    "next_period_approves: a budget whose action is {action} pauses nobody; write the action pause, or \
                     leave it out"
                )),
            };
            assert_eq!(error, expected);
            let built = with(builder(&noon()), ScopeKind::Tenant, vec![budget]).build();
            assert_eq!(built.is_ok(), expected.is_none());
            assert!(budget.next_period_approves(false).validate().is_ok());
        }
    }
}

#[test]
fn it_can_be_read_and_is_no_where_nothing_is_said() {
    let budget = steps(1, BudgetPeriod::Hour);
    let mut text = serde_json::to_value(budget).unwrap();
    assert_eq!(serde_json::from_value::<Budget>(text.clone()).unwrap(), budget);
    text.as_object_mut().unwrap().remove("next_period_approves");
    assert_eq!(serde_json::from_value::<Budget>(text).unwrap(), budget.next_period_approves(false));
}

#[test]
fn an_hour_and_a_day_that_are_both_spent_end_one_after_the_other() {
    let time = noon();
    let budgets = vec![steps(2, BudgetPeriod::Hour), steps(2, BudgetPeriod::Day)];
    let run = register(&with(builder(&time), ScopeKind::Tenant, budgets).build().unwrap(), "exec", "tenant");
    drop(run.reserve(Demand::none().steps(2)).unwrap());
    let first = run.reserve(Demand::step()).unwrap_err();
    assert_eq!(first.retry, Retry::After(Duration::from_nanos(DAY / 2)), "the latest of all that refuse");
    assert_eq!(ticket(&run).until, Some(ONE), "but the first of them has paused it");
    pass(&time, HOUR);
    assert_eq!(kind(run.reserve(Demand::step())), Some(ViolationType::StepLimit));
    assert_eq!(ticket(&run).until, Some(Timestamp::from_nanos(NOON + DAY / 2)));
    pass(&time, DAY / 2 - HOUR - 1);
    assert!(meets_pause(run.reserve(Demand::step())));
    pass(&time, 1);
    assert!(run.reserve(Demand::step()).is_ok());
    assert_eq!(deciders(&run).len(), 2);
}

#[test]
fn behind_a_pause_that_ends_a_budget_may_say_what_it_says() {
    for action in [Action::Refuse, Action::Halt, Action::Pause] {
        let time = noon();
        let day = Budget::new(BudgetAmount::Steps(1), BudgetPeriod::Day).action(action);
        let budgets = vec![steps(1, BudgetPeriod::Hour), day];
        let run = register(&with(builder(&time), ScopeKind::Tenant, budgets).build().unwrap(), "exec", "tenant");
        spend(&run);
        pass(&time, HOUR);
        let checked = run.check(Demand::step());
        let refused = run.reserve(Demand::step()).unwrap_err();
        assert_eq!(checked, EnforcementResult::Blocked(refused), "{action}");
        assert_eq!(refused.violation_type, ViolationType::StepLimit);
        assert_eq!(run.status(), crate::limits::outcome(action, refused.as_cause()));
        assert_eq!(run.pause_ticket().and_then(|ticket| ticket.until), None);
    }
}

#[test]
fn whoever_changes_the_budget_changes_no_pause_that_has_begun() {
    for (before, after) in [(true, false), (false, true)] {
        let time = noon();
        let budget = |approves| steps(1, BudgetPeriod::Hour).next_period_approves(approves);
        let enforcer = with(builder(&time), ScopeKind::Tenant, vec![budget(before)]).build().unwrap();
        let run = paused(&enforcer);
        let policy = TenantPolicy { budgets: vec![budget(after)], ..TenantPolicy::default() };
        enforcer.set_tenant("tenant", policy).unwrap();
        pass(&time, HOUR);
        assert_eq!(run.touch().is_ok(), before);
        let other = register(&enforcer, "other", "tenant");
        spend(&other);
        assert_eq!(ticket(&other).until.is_some(), after, "a pause that begins is as the budget is by then");
    }
}

#[test]
fn without_any_budget_by_then_the_pause_ends_all_the_same() {
    let time = noon();
    let enforcer = enforcer(&time);
    let runs = ["a", "b", "c"].map(|id| register(&enforcer, id, "tenant"));
    drop(runs[0].reserve(Demand::step()).unwrap());
    assert!(runs.iter().all(|run| run.reserve(Demand::step()).is_err() && is_paused(run)));
    enforcer.set_tenant("tenant", TenantPolicy::default()).unwrap();
    pass(&time, HOUR - 1);
    assert!(meets_pause(runs[0].reserve(Demand::step())) && runs[0].check(Demand::step()).is_blocked());
    pass(&time, 1);
    assert!(!runs[0].check(Demand::step()).is_blocked(), "nothing else needs the time");
    assert!(runs[0].reserve(Demand::step()).is_ok());
    assert!(!runs[1].check(Demand::step().tokens_up_to(1, 1)).is_blocked());
    assert!(runs[1].reserve(Demand::step().tokens_up_to(1, 1)).is_ok());
    assert!(runs[2].enter_discovery().is_ok());
}

#[test]
fn an_extension_is_refused_by_the_period_of_its_hold_and_its_pause_ends_with_that() {
    let time = noon();
    let tokens = Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Hour).action(Action::Pause);
    let enforcer = with(builder(&time), ScopeKind::Tenant, vec![tokens.next_period_approves(true)]).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let mut hold = run.reserve(Demand::none().tokens(4, 0)).unwrap();
    run.charge(enforce_core::Actual::tokens(10, 0));
    let refused = hold.extend(Demand::none().tokens(1, 0)).unwrap_err();
    assert_eq!((refused.violation_type, refused.retry), (ViolationType::TokenLimit, Retry::Never));
    assert_eq!(ticket(&run).until, Some(ONE));
    pass(&time, HOUR + 7);
    let again = hold.extend(Demand::none().tokens(1, 0)).unwrap_err();
    assert_eq!(again.violation_type, ViolationType::TokenLimit, "its own period has no more than it had");
    assert!(run.reserve(Demand::none().tokens(10, 0)).is_ok(), "who asks the period of now is not kept out by that");
}

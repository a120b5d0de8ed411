//! Budgets that come, change, go and come back while executions run (L1, R1, R2).

use enforce_core::{
    Action, Actual, Budget, BudgetAmount, BudgetPeriod, BudgetResource, Demand, Enforcer, ProcessPolicy, ScopeKind,
    Status, TenantPolicy,
};

use super::{clock, figures};
use crate::common::{DAY, NOON, SECOND, builder, nano, pass, register};
use crate::limits::budgets::{RESOURCES, SCOPES, shown, with};

/// Gives the scope these budgets and no others.
pub(super) fn set(enforcer: &Enforcer, scope: ScopeKind, budgets: Vec<Budget>) {
    if scope == ScopeKind::Process {
        enforcer.set_process(&ProcessPolicy { budgets, ..Default::default() }).unwrap();
    } else {
        enforcer.set_tenant("tenant", TenantPolicy { budgets, ..Default::default() }).unwrap();
    }
}

fn tokens(amount: u64, per: BudgetPeriod) -> Budget {
    Budget::new(BudgetAmount::Tokens(amount), per)
}

#[test]
fn l1_a_budget_that_stays_keeps_what_is_used_and_held_whatever_else_comes_and_goes() {
    for scope in SCOPES {
        let enforcer = with(builder(&clock(NOON)), scope, vec![tokens(10, BudgetPeriod::Day)]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge(Actual::tokens(3, 0));
        let hold = run.reserve(Demand::none().tokens(4, 0)).unwrap();
        set(&enforcer, scope, vec![tokens(8, BudgetPeriod::Day), tokens(20, BudgetPeriod::Hour)]);
        assert_eq!(figures(&enforcer, scope), [(0, 0, 0), (3, 4, 0)], "the hour is new, the day stays");
        assert_eq!(run.reserve(Demand::none().tokens(2, 0)).unwrap_err().limit, 8);
        set(&enforcer, scope, vec![tokens(5, BudgetPeriod::Day)]);
        assert_eq!(run.reserve(Demand::none()).unwrap_err().used, 7, "a limit below what is used leaves debt");
        hold.settle(Actual::tokens(1, 0));
        assert_eq!(figures(&enforcer, scope), [(4, 0, 0)]);
        set(&enforcer, scope, vec![tokens(30, BudgetPeriod::Day)]);
        assert!(run.reserve(Demand::none().tokens(26, 0)).is_ok(), "a raise is seen by the next attempt");
    }
}

#[test]
fn l1_a_budget_that_is_new_counts_from_the_next_reserve_on_and_records_what_earlier_holds_use() {
    for scope in SCOPES {
        for of in RESOURCES.iter().filter(|of| !of.beginnings && of.name != BudgetResource::Memory) {
            let enforcer = builder(&clock(NOON)).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            let [settled, dropped, mut grown] = [7, 7, 7].map(|amount| run.reserve((of.ask)(amount)).unwrap());
            set(&enforcer, scope, vec![of.budget(10, BudgetPeriod::Hour), of.budget(20, BudgetPeriod::Total)]);
            assert_eq!(figures(&enforcer, scope), [(0, 0, 0); 2]);
            assert_eq!(run.reserve((of.ask)(11)).unwrap_err().as_cause(), of.cause(scope));
            settled.settle((of.used)(12).unwrap());
            drop(dropped);
            assert_eq!(figures(&enforcer, scope), [(12, 0, 2), (12, 0, 0)], "{} of the {scope}", of.name);
            grown.extend((of.ask)(40)).unwrap();
            assert_eq!(
                figures(&enforcer, scope),
                [(12, 0, 2), (12, 0, 0)],
                "it is part of a hold that was taken before"
            );
            grown.settle((of.used)(1).unwrap());
            assert_eq!(figures(&enforcer, scope), [(13, 0, 3), (13, 0, 0)]);
        }
    }
}

#[test]
fn a_budget_that_is_left_out_limits_no_more_and_goes_on_where_it_was_within_its_period() {
    for scope in SCOPES {
        let time = clock(NOON);
        let budget = tokens(10, BudgetPeriod::Hour);
        let enforcer = with(builder(&time), scope, vec![budget]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge(Actual::tokens(4, 0));
        let mut hold = run.reserve(Demand::none().tokens(5, 0)).unwrap();
        set(&enforcer, scope, Vec::new());
        assert!(shown(&enforcer, scope).is_empty());
        let free = run.reserve(Demand::none().tokens(1 << 40, 0)).unwrap();
        hold.extend(Demand::none().tokens(90, 0)).unwrap();
        set(&enforcer, scope, vec![budget]);
        assert_eq!(figures(&enforcer, scope), [(4, 95, 0)], "a hold takes in its own period, limited or not");
        hold.settle(Actual::tokens(2, 0));
        assert_eq!(figures(&enforcer, scope), [(6, 0, 0)]);
        free.settle(Actual::tokens(1, 0));
        assert_eq!(figures(&enforcer, scope), [(7, 0, 0)], "what was taken without it is recorded");
        set(&enforcer, scope, Vec::new());
        pass(&time, 3_600 * SECOND);
        set(&enforcer, scope, vec![budget]);
        assert_eq!(figures(&enforcer, scope), [(0, 0, 0)], "its period is over");
    }
}

#[test]
fn a_budget_whose_offset_changes_is_a_new_one() {
    for scope in SCOPES {
        let enforcer = with(builder(&clock(NOON)), scope, vec![tokens(10, BudgetPeriod::Day)]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        run.charge(Actual::tokens(9, 0));
        let hold = run.reserve(Demand::none().tokens(1, 0)).unwrap();
        set(&enforcer, scope, vec![tokens(10, BudgetPeriod::Day).utc_offset_minutes(-300)]);
        assert_eq!(figures(&enforcer, scope), [(0, 0, 0)]);
        hold.settle(Actual::tokens(1, 0));
        assert_eq!(figures(&enforcer, scope), [(1, 0, 0)], "it records what earlier holds use, as any that is new");
    }
}

#[test]
fn l1_an_action_and_an_overdraft_change_with_the_list_and_reach_holds_that_grow() {
    for scope in SCOPES {
        let observed = tokens(10, BudgetPeriod::Day).action(Action::Observe);
        let enforcer = with(builder(&clock(NOON)), scope, vec![observed]).build().unwrap();
        let run = register(&enforcer, "exec", "tenant");
        let mut hold = run.reserve(Demand::none().tokens(15, 0)).unwrap();
        assert_eq!(hold.observed().unwrap().as_cause(), RESOURCES[1].cause(scope));
        let overdrawn = tokens(10, BudgetPeriod::Day).overdraft(BudgetAmount::Tokens(5)).action(Action::Halt);
        set(&enforcer, scope, vec![overdrawn]);
        assert!(run.reserve(Demand::none()).is_ok());
        assert!(hold.extend(Demand::none().tokens(1, 0)).is_err());
        assert_eq!(run.status(), Status::Live, "only holds are in the way");
        hold.settle(Actual::tokens(10, 0));
        assert!(run.reserve(Demand::none().tokens(1, 0)).is_err());
        assert_eq!(run.status(), Status::Halted(RESOURCES[1].cause(scope)));
    }
}

#[test]
fn the_processs_budgets_reach_executions_that_nothing_limited_before_and_their_children() {
    let enforcer = builder(&clock(NOON)).build().unwrap();
    let bare = ["a", "b"].map(|tenant| register(&enforcer, tenant, tenant));
    let child = bare[0].child("child").register().unwrap();
    set(&enforcer, ScopeKind::Process, vec![Budget::new(BudgetAmount::Steps(2), BudgetPeriod::Day)]);
    let late = register(&enforcer, "late", "c");
    assert!(bare[0].reserve(Demand::step()).is_ok() && child.reserve(Demand::step()).is_ok());
    for run in [&bare[0], &bare[1], &child, &late] {
        let refused = run.reserve(Demand::step()).unwrap_err();
        assert_eq!((refused.as_cause(), refused.used), (RESOURCES[0].cause(ScopeKind::Process), 2));
    }
}

#[test]
fn the_action_of_a_processs_budget_falls_on_whoever_asked() {
    let budget = Budget::new(BudgetAmount::CostUsd(nano(5)), BudgetPeriod::Day).action(Action::Halt);
    let enforcer = with(builder(&clock(NOON)), ScopeKind::Process, vec![budget]).build().unwrap();
    let [a, b] = ["a", "b"].map(|tenant| register(&enforcer, tenant, tenant));
    a.charge(Actual::none().cost(nano(5)));
    assert!(b.reserve(Demand::none().cost(nano(1))).is_err());
    assert_eq!((a.status(), b.status()), (Status::Live, Status::Halted(RESOURCES[3].cause(ScopeKind::Process))));
}

#[test]
fn lists_that_make_no_sense_leave_the_old_ones() {
    let day = tokens(10, BudgetPeriod::Day);
    let enforcer = with(builder(&clock(NOON)), ScopeKind::Process, vec![day]).build().unwrap();
    let key = |budgets| enforcer.set_process(&ProcessPolicy { budgets, ..Default::default() }).unwrap_err().key;
    assert_eq!(key(vec![day, day.utc_offset_minutes(60)]), "budgets");
    assert_eq!(key(vec![tokens(u64::MAX, BudgetPeriod::Day)]), "tokens");
    assert_eq!(key(vec![Budget::new(BudgetAmount::MemoryMb(1 << 36), BudgetPeriod::Total)]), "memory_mb");
    assert_eq!(key(vec![Budget::new(BudgetAmount::MemoryMb(1), BudgetPeriod::Hour)]), "per");
    assert_eq!(key(vec![day.overdraft(BudgetAmount::Steps(1))]), "overdraft");
    assert_eq!(key(vec![day.overdraft(BudgetAmount::Tokens(1 << 56))]), "overdraft");
    assert_eq!(key(vec![day.utc_offset_minutes(-841)]), "utc_offset_minutes");
    assert_eq!(key(vec![day.utc_offset_minutes(i16::MIN)]), "utc_offset_minutes");
    let usd = TenantPolicy {
        budget_usd: Some(nano(1)),
        budgets: vec![Budget::new(BudgetAmount::CostUsd(nano(2)), BudgetPeriod::Total)],
        ..Default::default()
    };
    assert_eq!(enforcer.set_tenant("tenant", usd).unwrap_err().key, "budgets");
    assert_eq!(register(&enforcer, "exec", "tenant").reserve(Demand::none().tokens(11, 0)).unwrap_err().limit, 10);
}

#[test]
fn the_budget_with_fields_of_its_own_is_one_of_the_list() {
    let time = clock(NOON);
    let tenant = TenantPolicy {
        budget_usd: Some(nano(10)),
        budgets: vec![Budget::new(BudgetAmount::CostUsd(nano(4)), BudgetPeriod::Day), tokens(5, BudgetPeriod::Hour)],
        ..Default::default()
    };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(2, 0).cost(nano(3)));
    pass(&time, DAY);
    let usage = enforcer.tenant_usage("tenant").unwrap();
    let places: Vec<_> = usage.budgets.iter().map(|it| (it.resource, it.per, it.limit, it.committed)).collect();
    assert_eq!(
        places,
        [
            (BudgetResource::Tokens, BudgetPeriod::Hour, 5, 0),
            (BudgetResource::Cost, BudgetPeriod::Day, 4, 0),
            (BudgetResource::Cost, BudgetPeriod::Total, 10, 3),
        ]
    );
    assert_eq!(usage.budget, Some(usage.budgets[2]));
}

#[test]
fn a_budget_that_stays_under_fields_of_its_own_or_without_them_is_shown_as_it_is_now() {
    let fields = TenantPolicy { budget_usd: Some(nano(10)), ..Default::default() };
    let listed = vec![Budget::new(BudgetAmount::CostUsd(nano(10)), BudgetPeriod::Total)];
    let listed = TenantPolicy { budgets: listed, ..Default::default() };
    let enforcer = builder(&clock(NOON)).tenant(fields.clone()).build().unwrap();
    register(&enforcer, "exec", "tenant").charge(Actual::none().cost(nano(3)));
    for (policy, own) in [(listed, None), (fields, Some(3))] {
        enforcer.set_tenant("tenant", policy).unwrap();
        let usage = enforcer.tenant_usage("tenant").unwrap();
        assert_eq!((usage.budgets[0].committed, usage.budget.map(|it| it.committed)), (3, own));
    }
}

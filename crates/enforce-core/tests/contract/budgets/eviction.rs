//! A tenant is let go only if none of its budgets would be forgotten (G2).

use enforce_core::{Actual, Budget, BudgetAmount, BudgetPeriod, BudgetResource, Demand, TenantPolicy, Timestamp};

use super::clock;
use crate::common::{DAY, NOON, SECOND, builder, nano, pass, register};
use crate::limits::budgets::RESOURCES;

#[test]
fn g2_what_is_used_of_any_budget_keeps_its_tenant_until_its_period_is_over() {
    for (per, rest) in
        [(BudgetPeriod::Hour, 3_600 * SECOND), (BudgetPeriod::Day, DAY / 2), (BudgetPeriod::Month, 23 * DAY + DAY / 2)]
    {
        for of in RESOURCES.iter().filter(|of| of.name != BudgetResource::Memory) {
            // Noon of 2022-01-08.
            let time = clock(NOON);
            let tenant = TenantPolicy { budgets: vec![of.budget(10, per)], ..Default::default() };
            let enforcer = builder(&time).tenant(tenant).build().unwrap();
            let run = register(&enforcer, "exec", "tenant");
            run.charge((of.used)(1).unwrap());
            run.finish();
            drop(run);
            pass(&time, rest - 1);
            assert!(enforcer.evict_idle_tenants().is_empty(), "{} per {per}", of.name);
            assert_eq!(enforcer.tenant_count(), 1, "{} per {per}", of.name);
            pass(&time, 1);
            assert_eq!(enforcer.evict_idle_tenants().len(), 1, "{} per {per}", of.name);
        }
    }
}

#[test]
fn g2_one_used_budget_of_several_keeps_the_tenant_and_a_total_one_for_good() {
    let time = clock(NOON);
    let of = |amount, per| Budget::new(amount, per);
    let budgets = vec![
        of(BudgetAmount::Tokens(10), BudgetPeriod::Hour),
        of(BudgetAmount::CostUsd(nano(10)), BudgetPeriod::Day),
        of(BudgetAmount::Steps(10), BudgetPeriod::Total),
    ];
    let enforcer = builder(&time).tenant(TenantPolicy { budgets, ..Default::default() }).build().unwrap();
    let spend = |tenant: &str, demand| {
        let run = register(&enforcer, tenant, tenant);
        drop(run.reserve(demand).unwrap());
        run.charge(enforce_core::Actual::none().cost(nano(1)));
        run.finish();
    };
    spend("by the day", Demand::none());
    spend("for good", Demand::step());
    pass(&time, 3_600 * SECOND);
    assert!(enforcer.evict_idle_tenants().is_empty());
    pass(&time, DAY);
    let gone: Vec<_> = enforcer.evict_idle_tenants().into_iter().map(|usage| usage.tenant_id).collect();
    assert_eq!((gone, enforcer.tenant_count()), (vec!["by the day".to_owned()], 1));
    pass(&time, 1_000 * DAY);
    assert!(enforcer.evict_idle_tenants().is_empty());
}

#[test]
fn a_tenant_that_used_nothing_leaves_by_itself_whatever_budgets_it_had() {
    let budgets = RESOURCES.map(|of| of.budget(10, BudgetPeriod::Total)).to_vec();
    let enforcer = builder(&clock(NOON)).tenant(TenantPolicy { budgets, ..Default::default() }).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    drop(run.reserve(Demand::none().tokens(3, 3).cost(nano(3)).memory_bytes(3)).unwrap());
    run.finish();
    drop(run);
    assert_eq!(enforcer.tenant_count(), 0);
}

#[test]
fn g2_a_period_that_was_forgotten_is_whole_to_nobody_whose_clock_is_behind() {
    let end = NOON + DAY / 2;
    let midnight = Timestamp::from_nanos(end);
    let before = Timestamp::from_nanos(end - 1);
    let budgets = vec![Budget::new(BudgetAmount::Tokens(10), BudgetPeriod::Day)];
    let tenant = TenantPolicy { budgets, ..Default::default() };
    let time = clock(end - 1);
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    run.charge(Actual::tokens(10, 0));
    run.finish();
    drop(run);
    pass(&time, 1);
    assert_eq!(enforcer.evict_idle_tenants().len(), 1);
    time.set(before);
    // In the next day, as if the tenant had stayed: it has what that day has, and no more.
    let run = register(&enforcer, "exec", "tenant");
    assert!(run.reserve_at(Demand::none().tokens(11, 0), before).is_err());
    run.charge_at(Actual::tokens(10, 0), before);
    assert!(run.reserve_at(Demand::none().tokens(1, 0), midnight).is_err(), "the day of the charge is the next one");
}

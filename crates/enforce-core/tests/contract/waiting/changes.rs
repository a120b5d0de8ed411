//! What changes while somebody waits: periods, and rates.

use enforce_core::{Budget, BudgetAmount, BudgetPeriod, Demand, OnDrop, ProviderPolicy, TenantPolicy};

use super::{Waiter, of};
use crate::common::{DAY, SECOND, builder, noon, pass, register};

#[test]
fn f1_nobody_overtakes_who_waits_for_a_budget_when_its_period_is_over() {
    let time = noon();
    let budgets = vec![Budget::new(BudgetAmount::Tokens(1_000), BudgetPeriod::Day)];
    let tenant = TenantPolicy { budgets, ..TenantPolicy::default() };
    let enforcer = builder(&time).tenant(tenant).build().unwrap();
    let [first, second] = ["first", "second"].map(|id| register(&enforcer, id, "tenant"));
    let _held = first.reserve(of(1_000)).unwrap();
    let mut waiter = Waiter::begin(&first, &time, of(500));
    pass(&time, DAY);
    assert!(second.reserve(of(1)).unwrap_err().queued);
    let _hold = waiter.poll().expect("a new period").expect("it is the first");
    assert!(second.reserve(of(1)).is_ok());
}

#[test]
fn w1_another_rate_wakes_who_waits_for_the_one_before() {
    let time = noon();
    let a_minute = |requests| ProviderPolicy { requests_per_minute: Some(requests), ..ProviderPolicy::default() };
    let enforcer = builder(&time).provider(a_minute(1)).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("lab").unwrap());
    drop(run.reserve(demand).unwrap());
    let mut waiter = Waiter::begin(&run, &time, demand);
    enforcer.set_rates(&ProviderPolicy::default(), &[]).unwrap();
    drop(waiter.admitted());
}

#[cfg(feature = "policy-file")]
#[test]
fn w1_another_policy_file_wakes_who_waits_for_a_rate_of_the_one_before() {
    use enforce_core::PolicyFile;
    let time = noon();
    let read = |text| PolicyFile::parse(text).unwrap();
    let enforcer = builder(&time).policy_file(read("[provider]\nrequests_per_minute = 1")).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("lab").unwrap());
    drop(run.reserve(demand).unwrap());
    let mut waiter = Waiter::begin(&run, &time, demand);
    enforcer.set_policy_file(&read("")).unwrap();
    drop(waiter.admitted());
}

#[test]
fn f1_what_asks_nothing_of_a_rate_passes_those_who_wait_for_it() {
    let time = noon();
    let rates = ProviderPolicy { tokens_per_minute: Some(60), token_burst: Some(10), ..ProviderPolicy::default() };
    let enforcer = builder(&time).provider(rates).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("lab").unwrap());
    drop(run.reserve(demand.tokens(10, 0).on_drop(OnDrop::ChargeAll)).unwrap());
    let _waiter = Waiter::begin(&run, &time, demand.tokens(5, 0));
    assert!(run.reserve(demand.tokens(1, 0)).is_err());
    assert!(run.reserve(demand).is_ok());
}

#[test]
fn f1_who_is_behind_others_at_one_rate_and_too_fast_for_another_is_too_fast() {
    let time = noon();
    let rates = ProviderPolicy {
        requests_per_minute: Some(60),
        request_burst: Some(1),
        tokens_per_minute: Some(60),
        token_burst: Some(10),
    };
    let enforcer = builder(&time).provider(rates).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let demand = Demand::step().provider(enforcer.provider("lab").unwrap());
    drop(run.reserve(demand).unwrap());
    let _waiter = Waiter::begin(&run, &time, demand);
    pass(&time, SECOND);
    assert!(run.reserve(demand).unwrap_err().queued, "it would be its turn");
    assert!(!run.reserve(demand.tokens(11, 0)).unwrap_err().queued);
}
